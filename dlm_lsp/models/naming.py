"""From what a user calls a model to the folder that it is in."""

import os
from pathlib import Path

from dlm_lsp.models.catalogue import CATALOGUE
from dlm_lsp.models.store import PACKAGED, ModelStore
from dlm_model.errors import CheckpointError


def resolve_model(model: str | None) -> str | None:
    """The folder that `--model` or the option names, by a short name or by its path; None for the packaged model.

    A word without a slash is a name and never a folder: the working directory of a server is often somebody's project,
    which would have its own weights loaded by a folder of that name.

    Raises:
        CheckpointError: it is a name, and no model of that name is on disk.
    """
    if model is None:
        return None
    if _is_path(model):
        return os.path.expanduser(model)  # noqa: PTH111 - Path's fails for a user that there is not
    record = ModelStore().find(model)
    if record is not None:
        return record.folder
    if model == PACKAGED:
        return None
    if model in CATALOGUE:
        raise CheckpointError(f"{model} is not on disk; `dlm-lsp models pull {model}` fetches it.")
    if Path(model).is_dir():
        raise CheckpointError(f"There is no model {model!r} on disk; the folder of that name here is ./{model}.")
    raise CheckpointError(
        f"There is no model {model!r}: it is no name from `dlm-lsp models list`, and the path of a folder has a slash."
    )


def _is_path(model: str) -> bool:
    return model in {".", ".."} or model.startswith("~") or any(each in model for each in (os.sep, os.altsep) if each)
