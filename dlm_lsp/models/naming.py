"""Name or path of a model or a guide → its folder.

A word without a slash is a name and never a folder. The working directory of a server is often somebody's project, and
a folder of that name there could pass for the model.
"""

import os
from pathlib import Path
from typing import TypeGuard

from dlm_lsp.models.catalogue import CATALOGUE
from dlm_lsp.models.store import PACKAGED, ModelStore, Role
from dlm_model.decode_options import NO_GUIDE, SELF_GUIDE
from dlm_model.errors import CheckpointError


def resolve_model(model: str | None) -> str | None:
    """The folder that `--model` or the option names, by a short name or by its path; None for the packaged model.

    Raises:
        CheckpointError: it is a name, and no model of that name is on disk.
    """
    return None if model in {None, PACKAGED} else _folder(str(model), "model")


def is_named(guide: str | None) -> TypeGuard[str]:
    """Whether a guide is another model, by its name or path, rather than none or the model's own."""
    return guide not in {None, NO_GUIDE, SELF_GUIDE}


def resolve_guide(guide: str) -> str:
    """The folder that `--guide`, `--against` or the option names, by a short name or by its path.

    Raises:
        CheckpointError: it is a name, and no guide of that name is on disk.
    """
    if guide == PACKAGED:
        raise CheckpointError(f"{guide} can guide only itself, with the guide that it includes: `self`.")
    return _folder(guide, "guide")


def wherever_read(guide: str | None) -> str | None:
    """A guide's name, or its path in full: another process has a working directory of its own."""
    return os.path.abspath(os.path.expanduser(guide)) if is_named(guide) and _is_path(guide) else guide  # noqa: PTH100, PTH111 - as above


def _folder(name: str, role: Role) -> str:
    if _is_path(name):
        return os.path.expanduser(name)  # noqa: PTH111 - Path's fails for a user that there is not
    record = ModelStore().find(name)
    known = record or CATALOGUE.get(name)
    if known is None and Path(name).is_dir():
        raise CheckpointError(f"There is no {role} {name!r} on disk; the folder of that name here is ./{name}.")
    if known is None:
        raise CheckpointError(
            f"There is no {role} {name!r}: it is not a name from `dlm-lsp models list`, and the path of a folder "
            "must contain a slash."
        )
    if role not in known.roles:
        raise CheckpointError(_in_the_wrong_place(name, role))
    if record is None:
        raise CheckpointError(f"{name} is not on disk; `dlm-lsp models pull {name}` fetches it.")
    return record.folder


def _in_the_wrong_place(name: str, role: Role) -> str:
    if role == "model":
        return f"{name} is a causal model, which fills no holes; `--guide {name}` has it guide a model that does."
    return f"{name} is no causal model, so that it cannot guide another; `dlm-lsp models list` says which can."


def _is_path(model: str) -> bool:
    return model in {".", ".."} or model.startswith("~") or any(each in model for each in (os.sep, os.altsep) if each)
