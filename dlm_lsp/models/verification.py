"""Whether the files of a model are unchanged since it was packaged, pulled or added."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import dlm_model
from dlm_lsp.models.store import PACKAGED, describe
from dlm_model.errors import CheckpointError

PACKAGED_FOLDER = Path(dlm_model.__file__).parent / "checkpoints" / PACKAGED
SUMS = "SHA256SUMS"
"""What its files were when they were packaged, as `sha256sum` writes and checks it."""


def packaged_sums() -> dict[str, str]:
    """The SHA-256 of each file of the packaged model by its name.

    Raises:
        CheckpointError: nothing is known of them.
    """
    path = PACKAGED_FOLDER / SUMS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    found = (line.split(maxsplit=1) for line in lines)
    return {name: sha256 for sha256, name in found}


def differences(folder: Path, sums: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Every file of a model, and what is wrong with it now; None for nothing."""
    for name, sha256 in sums.items():
        try:
            yield name, None if describe(folder, name).sha256 == sha256 else "has changed"
        except OSError as error:
            yield name, f"cannot be read: {error.strerror}"
