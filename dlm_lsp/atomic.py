"""Files that are replaced whole: a reader finds the old file or the new one."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWN_MODE = 0o600
"""Permissions of a file for nobody but its owner."""


@contextmanager
def replacing(file: Path, mode: int = OWN_MODE, *, is_durable: bool = True) -> Iterator[Path]:
    """An empty file to write to, which takes the place of `file` if nothing goes wrong, and else is removed.

    Args:
        file: Need not be there, but its folder.
        mode: Of the new one, as far as the umask permits.
        is_durable: Whether it has to survive a power cut; waits for the disk.

    Raises:
        OSError: the disk is full, or the like.
    """
    # In the same folder, because a rename is atomic only within one file system.
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new")
    # Kept open: the caller may give the file a mode that would not let us open it again.
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        try:
            yield temporary
            if is_durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)  # Windows replaces no file that is open
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
