"""Files and standard streams as text, and back: the encoding, the byte order mark and the line endings survive.

Knows no holes. Writing a file is atomic: a reader sees the old file or the new one, never half of either.
"""

import codecs
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from dlm_lsp.atomic import replacing
from dlm_lsp.config_files import user_config_path
from dlm_lsp.errors import UnreadableDocumentError, UsageError
from dlm_lsp.options import LARGEST_DOCUMENT_CHARS


@dataclass(frozen=True, slots=True)
class Source:
    """A text and the bytes it came from.

    Attributes:
        name: For people.
        path: None for standard input.
        raw: The bytes as read.
        text: Decoded, without the byte order mark, line endings untouched.
    """

    name: str
    path: Path | None
    raw: bytes
    text: str

    @property
    def has_bom(self) -> bool:
        """Whether the bytes began with UTF-8's byte order mark."""
        return self.raw.startswith(codecs.BOM_UTF8)

    @property
    def uri(self) -> str:
        """A document URI for the snapshot."""
        return self.path.absolute().as_uri() if self.path else f"untitled:{self.name}"


def read_source(path: str, *, max_chars: int) -> Source:
    """Read a file.

    Args:
        path: As the user wrote it.
        max_chars: No more is read than it takes to tell that the text is longer than this.

    Raises:
        UsageError: missing, a directory, not a regular file, or not allowed.
        UnreadableDocumentError: binary, not UTF-8, or too large.
    """
    file = Path(path)
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{path} is a directory, not a file.")
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is not a regular file.")
        with file.open("rb") as stream:
            raw = stream.read(_max_bytes(max_chars))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"Cannot read {path}: {_reason(error)}.") from error
    return Source(path, file, raw, _decode(raw, path, max_chars))


def read_stdin(stdin_filename: str, *, max_chars: int) -> Source:
    """Read all of standard input; `stdin_filename` names it in messages and tells its language.

    Raises:
        UnreadableDocumentError: binary, not UTF-8, or too large.
    """
    raw = sys.stdin.buffer.read(_max_bytes(max_chars))
    return Source(stdin_filename, None, raw, _decode(raw, "Standard input", max_chars))


@contextmanager
def writing_stdout() -> Iterator[TextIO]:
    """Standard output, flushed at the end. Only write to it in here: every `OSError` is taken for one of its own.

    Raises:
        BrokenPipeError: the reader has gone.
        UsageError: it cannot be written.
    """
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        raise UsageError(f"Cannot write the result: {_reason(error)}.") from error


def discard(stream: TextIO) -> None:
    """Drop what is still buffered: Python would try to write it once more at its exit, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write_in_place(source: Source, text: str) -> None:
    """Replace the file's content atomically; mode, owner and byte order mark stay, a symbolic link points to it still.

    Raises:
        UsageError: the file changed since it was read, or may not be written.
    """
    assert source.path is not None, "standard input cannot be written in place"
    try:
        file = source.path.resolve(strict=True)
        if file.read_bytes() != source.raw:
            raise UsageError(f"{source.name} changed while the hole was being filled; it was left as it is.")
        if not os.access(file, os.W_OK):
            raise UsageError(f"Cannot write {source.name}: Permission denied.")
        data = (codecs.BOM_UTF8 if source.has_bom else b"") + text.encode("utf-8")
        status = file.stat()
        with replacing(file) as new:
            new.write_bytes(data)
            _give_to_owner(new, status)
            new.chmod(stat.S_IMODE(status.st_mode))
    except OSError as error:
        raise UsageError(f"Cannot write {source.name}: {_reason(error)}.") from error


def _give_to_owner(file: Path, status: os.stat_result) -> None:
    """Give a file the owner and group of another, as far as permitted: root may, others within their own groups."""
    if hasattr(os, "chown"):  # not on Windows
        with suppress(PermissionError):
            os.chown(file, status.st_uid, status.st_gid)


def _max_bytes(max_chars: int) -> int:
    """Enough bytes to tell that a text is too long, however wide its characters and with a byte order mark."""
    return 4 * max_chars + len(codecs.BOM_UTF8) + 1


def _decode(raw: bytes, name: str, max_chars: int) -> str:
    if b"\0" in raw:
        raise UnreadableDocumentError(f"{name} is binary.")
    try:
        # What was read is cut off where it is too large, perhaps within a character.
        is_whole = len(raw) < _max_bytes(max_chars)
        text = raw.removeprefix(codecs.BOM_UTF8).decode("utf-8") if is_whole else ""
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise UnreadableDocumentError(f"{name} is not UTF-8 (byte {byte:#04x} in line {line}).") from error
    if not is_whole or len(text) > max_chars:
        remedy = f"; maxDocumentChars in {user_config_path()} raises the limit"
        raise UnreadableDocumentError(
            f"{name} has more than {max_chars} characters{remedy if max_chars < LARGEST_DOCUMENT_CHARS else ''}."
        )
    return text


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
