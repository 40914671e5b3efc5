"""Files and folders that are either whole or not there, whatever happens while they are written.

They get the mode that the umask permits, whoever made them.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

_READ_AND_WRITE = 0o666


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` if nothing goes wrong, and is removed if anything does.

    Raises:
        OSError: the disk is full, or the like; safetensors' own error for that is turned into one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)  # one that a kill has left has any mode
        partial.touch()
        mode = partial.stat().st_mode  # what the umask permits; safetensors makes files for their owner alone
        yield partial
        partial.chmod(mode)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def require_empty(folder: Path) -> None:
    """Find out before any work that a folder cannot be made.

    Raises:
        OSError: it is a file.
        ValueError: it has something in it already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} has something in it already")


@contextmanager
def creating_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to write to, which becomes `folder` if nothing goes wrong, and is removed if anything does.

    Raises:
        OSError: as above.
        ValueError: `folder` has something in it already.
    """
    require_empty(folder)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        mode = partial.stat().st_mode & _READ_AND_WRITE
        for path in partial.rglob("*"):
            if path.is_file():
                path.chmod(mode)
        partial.replace(folder)
    except SafetensorError as error:
        raise OSError(f"{folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
