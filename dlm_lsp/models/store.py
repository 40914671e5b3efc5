"""The models that this user has on disk, each under a short name.

DATA/models/NAME.json    one record: where the files are, where they came from, their sizes and SHA-256
DATA/models/NAME/        the files, if they were pulled, in a folder of the published name; an added one stays put
DATA/models/NAME.lock    there while a command writes either

A folder without a record is what an interrupted pull has left.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import platformdirs

from dlm_lsp.atomic import replacing
from dlm_lsp.errors import ModelUnavailableError, UsageError
from dlm_model.decode_options import NO_GUIDE, SELF_GUIDE
from dlm_model.errors import CheckpointError

PACKAGED = "smollm2-135m-infill"
"""The model that is part of this package; it has no record, but see `verification`."""

Role = Literal["model", "guide"]
"""What a checkpoint can be: a model fills holes, and a guide reads what a model writes."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file, as it was when it was pulled or added.

    Attributes:
        name: Its path within the model's folder.
        size: In bytes.
        sha256: In hexadecimal.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """One model on disk.

    Attributes:
        name: Its short name.
        folder: Where its files are.
        repository: Where it was pulled from; None for a folder that was added.
        revision: The commit that was pulled.
        licence: As the hub named it.
        files: What was there when it was pulled or added.
        roles: What it can be.
    """

    name: str
    folder: str
    repository: str | None
    revision: str | None
    licence: str | None
    files: tuple[StoredFile, ...]
    roles: tuple[Role, ...] = ("model",)

    @property
    def is_pulled(self) -> bool:
        """Whether the files are ours to delete."""
        return self.repository is not None

    @property
    def sums(self) -> dict[str, str]:
        """The SHA-256 of each file by its name."""
        return {file.name: file.sha256 for file in self.files}

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Leftover:
    """What goes by a name on disk, and is no model.

    Attributes:
        name: That name.
        size: Bytes of its folder; 0 if it has none.
        problem: What is wrong with its record, in a sentence; None if it has no record, as when a pull was interrupted.
    """

    name: str
    size: int
    problem: str | None


class ModelStore:
    """Reads and writes the records.

    Args:
        root: Where they are; the platform's data folder if None.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or platformdirs.user_data_path("dlm-lsp", appauthor=False) / "models"

    def folder_for(self, name: str) -> Path:
        """What holds the folder that a model of that name is pulled to.

        Raises:
            UsageError: it is no name.
        """
        return self._root / _checked(name)

    def records(self) -> Iterator[Record]:
        """All models whose records can be read, in the order of their names; `leftovers` has the others."""
        for path in self._record_files():
            with suppress(CheckpointError):
                yield _read(path)

    def leftovers(self) -> Iterator[Leftover]:
        """Broken records and interrupted pulls, in the order of their names."""
        recorded = {path.stem: path for path in self._record_files()}
        folders = {path.name for path in self._root.glob("*") if _NAME.fullmatch(path.name) and path.is_dir()}
        for name in sorted(folders | recorded.keys()):
            problem = None
            if name in recorded:
                try:
                    _read(recorded[name])
                except CheckpointError as error:
                    problem = str(error)
            if problem or name not in recorded:
                yield Leftover(name, _size(self._root / name) if name in folders else 0, problem)

    def find(self, name: str) -> Record | None:
        """The model of that name, if there is one.

        Raises:
            CheckpointError: its record is broken.
        """
        path = self._root / f"{name}.json"
        return _read(path) if _NAME.fullmatch(name) and path in self._record_files() else None

    def _record_files(self) -> list[Path]:
        return sorted(self._root.glob("*.json"))

    def get(self, name: str) -> Record:
        """The model of that name.

        Raises:
            UsageError: there is none that was pulled or added.
        """
        record = self.find(name)
        if record is None and name == PACKAGED:
            raise UsageError(f"{name} is part of this package; only what was pulled or added is removed.")
        if record is None:
            raise UsageError(f"There is no model {name!r} on disk; `dlm-lsp models list` lists those that are.")
        return record

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep other commands from writing a model's folder and its record meanwhile.

        Raises:
            ModelUnavailableError: another command does so now, or the data folder cannot be written.
        """
        # Imported late: whoever only looks a model up needs no lock.
        from filelock import FileLock, Timeout  # noqa: PLC0415

        path = self._root / f"{name}.lock"
        lock = FileLock(path, blocking=False)
        with _writing(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except Timeout as error:
                raise ModelUnavailableError(f"Another command is pulling or removing {name}.") from error
        try:
            yield
        finally:
            # Before it is let go, so that nobody can hold a lock on a file that has lost its name; where an open file
            # cannot be deleted, it stays, and is the lock of the next command.
            with suppress(OSError):
                path.unlink()
            lock.release()

    def save(self, record: Record) -> None:
        """Write a record, atomically.

        Raises:
            UsageError: its name is none.
            ModelUnavailableError: the disk is full, or the data folder cannot be written.
        """
        path = self._root / f"{_checked(record.name)}.json"
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, mode=0o666) as new:
                new.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")

    def remove(self, record: Record) -> None:
        """Forget a model, and delete its files if they were pulled.

        Raises:
            UsageError: they cannot be deleted; the model stays known, so that this can be tried again.
        """
        self._delete(record.name, is_ours=record.is_pulled)

    def discard(self, leftover: Leftover) -> None:
        """Delete an interrupted pull, or a broken record with the folder of its name.

        Raises:
            UsageError: it cannot be deleted.
        """
        self._delete(leftover.name, is_ours=True)

    def _delete(self, name: str, *, is_ours: bool) -> None:
        folder = self._root / name
        try:
            if is_ours and folder.exists():
                shutil.rmtree(folder)
            (self._root / f"{name}.json").unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"{error.filename or folder} cannot be deleted: {reason}.") from error


def describe(folder: Path, name: str) -> StoredFile:
    """Size and SHA-256 of a model's file as it is now."""
    file = folder / name
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return StoredFile(name, file.stat().st_size, digest)


def _checked(name: str) -> str:
    if name in {NO_GUIDE, SELF_GUIDE}:
        raise UsageError(f"The name {name} is reserved: it has a special meaning for guides.")
    if not _NAME.fullmatch(name):
        raise UsageError(f"A model's name consists of a-z, 0-9, dot, dash and underscore, got {name!r}.")
    return name


def _read(path: Path) -> Record:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        record = Record(**{**raw, "files": tuple(StoredFile(**file) for file in raw["files"])})
        record = replace(record, roles=tuple(record.roles))
        if record.name != path.stem or not _NAME.fullmatch(path.stem):
            raise ValueError("its file's name is not the model's")
        if not isinstance(record.folder, str) or not all(isinstance(file.size, int) for file in record.files):
            raise TypeError("it has a value of the wrong kind")
        if not set(record.roles) <= set(get_args(Role)):
            raise ValueError("it has an unknown role")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"The record {path} cannot be read: {error}; `dlm-lsp models remove {path.stem}` deletes it."
        ) from error
    return record


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise ModelUnavailableError(f"{error.filename or path} cannot be written: {reason}.") from error
