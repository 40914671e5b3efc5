"""Measured fills on disk, one JSON object a line, so that a run that was stopped goes on where it was."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Hashable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from dlm_model.network.weights import weight_files

ROOT = Path(__file__).resolve().parents[2]


class Record(Protocol):
    """A dataclass of plain values, with a key for the measurement that it is the result of."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> Hashable:
        """Identifies the hole and the way it was filled."""


Kind = TypeVar("Kind", bound=Record)


class Results(Generic[Kind]):
    """Records by their keys; appended to a file as they come.

    Args:
        path: The file; None keeps them in memory alone.
        identity: All else that the numbers depend on; a file of another model or revision is refused.
        read: Makes a record from its `asdict`.
    """

    def __init__(self, path: Path | None, identity: dict[str, object], read: Callable[[dict[str, Any]], Kind]) -> None:
        """Read the records that the file has already.

        Raises:
            ValueError: the file holds no results, or those of another run.
        """
        self._path = path
        self._records: dict[Hashable, Kind] = {}
        if path is not None and path.exists() and path.stat().st_size:
            self._records = {record.key: record for record in _read(path, identity, read)}
        elif path is not None:
            path.write_text(json.dumps(identity) + "\n", encoding="utf-8")

    def __contains__(self, key: Hashable) -> bool:
        return key in self._records

    def __getitem__(self, key: Hashable) -> Kind:
        return self._records[key]

    def add(self, record: Kind) -> None:
        """Keep a record, and append it to the file."""
        self._records[record.key] = record
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(record)) + "\n")


def weights_digest(folder: Path) -> str:
    """The start of a SHA-256 of the measured weights, because checkpoints of one training share a name."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def git_revision() -> str:
    """The commit that was measured, with a `+` where files differ from it; `unknown` outside a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def _read(path: Path, identity: dict[str, object], read: Callable[[dict[str, Any]], Kind]) -> list[Kind]:
    content = path.read_text(encoding="utf-8")
    # A run that was killed may have left half a line.
    whole = content[: content.rfind("\n") + 1]
    try:
        found, *lines = [json.loads(line) for line in whole.splitlines()]
        records = [read(line) for line in lines]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a result file of this bench: {error}") from error
    if found != identity:
        raise ValueError(f"{path} belongs to another run ({found}); name another file, or delete it")
    if whole != content:
        path.write_text(whole, encoding="utf-8")
    return records
