"""Files that their project ignores: `.gitignore` and our own `.dlmignore`, nested and negated as git reads them.

Files that git ignores are often secret, generated or someone else's; none of them reaches a prompt. An ignore file that
cannot be understood closes its whole folder, since what it meant to keep out is unknown.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".dlmignore")
"""Each by its own rules: what one of them ignores, the other cannot take back."""

_MAX_FILE_BYTES = 1_000_000


class _Parsed(NamedTuple):
    """An ignore file as it was at some time.

    Attributes:
        stamp: Modification time and size.
        spec: Its patterns; None where it has none.
        problem: Why its patterns are unknown; None if they are known.
    """

    stamp: tuple[int, int]
    spec: "GitIgnoreSpec | None"
    problem: str | None


class IgnoreRules:
    """The ignore files of some folders, read again when they change. For one thread."""

    def __init__(self, roots: Iterable[Path] = ()) -> None:
        """Read nothing yet.

        Args:
            roots: Workspace folders. A file outside of all belongs to the repository around it, or to its own folder.
        """
        self._roots = tuple(root.absolute() for root in roots)
        self._parsed: dict[Path, _Parsed] = {}

    def reason(self, path: str | None) -> str | None:
        """Why this file is ignored; None if it is not, or if the document has no path."""
        if path is None:
            return None
        file = Path(path).absolute()
        if not file.name:  # of `file:///`, which is a folder above all projects
            return None
        folders = self._folders(file)
        for name in IGNORE_FILES:
            if reason := self._reason_by(name, folders, file):
                return reason
        return None

    def _folders(self, file: Path) -> list[Path]:
        """From the root of the project down to the folder of the file."""
        above = list(file.parents)
        return above[: above.index(roots_above(file, self._roots)[-1]) + 1][::-1]

    def _reason_by(self, name: str, folders: list[Path], file: Path) -> str | None:
        """By the files of one name; a file in an ignored folder cannot be included again, as git has it."""
        for depth, child in enumerate([*folders[1:], file], start=1):
            verdict: tuple[bool, Path] | None = None
            for folder in folders[:depth]:
                parsed = self._read(folder / name)
                if parsed.problem:
                    return f"{folder / name} {parsed.problem}, so that nothing below it is read into a prompt"
                relative = child.relative_to(folder).as_posix() + ("" if child == file else "/")
                included = parsed.spec.check_file(relative).include if parsed.spec else None
                verdict = verdict if included is None else (included, folder / name)
            if verdict and verdict[0]:
                return f"this file is ignored by {verdict[1]}"
        return None

    def _read(self, ignore_file: Path) -> _Parsed:
        try:
            status = ignore_file.stat()
        except (FileNotFoundError, NotADirectoryError):
            return _Parsed((0, 0), None, None)
        except OSError as error:
            return _Parsed((0, 0), None, f"cannot be read ({error.strerror})")
        stamp = (status.st_mtime_ns, status.st_size)
        known = self._parsed.get(ignore_file)
        if known is None or known.stamp != stamp:
            known = self._parsed[ignore_file] = _parse(ignore_file, stamp)
        return known


def roots_above(file: Path, roots: Collection[Path]) -> list[Path]:
    """The workspace folders and the repository that a file lies in, the innermost first, or else its own folder."""
    repository = next(filter(_is_repository, file.parents), None)
    return [folder for folder in file.parents if folder in roots or folder == repository] or [file.parent]


def _is_repository(folder: Path) -> bool:
    try:
        return (folder / ".git").exists()
    except OSError:  # in a folder that is closed to us, whose ignore files cannot be read either
        return False


def _parse(ignore_file: Path, stamp: tuple[int, int]) -> _Parsed:
    # Imported late: no file is read before a document is open, and a server should answer early.
    from pathspec import GitIgnoreSpec  # noqa: PLC0415

    if stamp[1] > _MAX_FILE_BYTES:
        return _Parsed(stamp, None, f"is larger than {_MAX_FILE_BYTES} bytes")
    try:
        lines = ignore_file.read_text(encoding="utf-8").splitlines()
        return _Parsed(stamp, GitIgnoreSpec.from_lines(lines), None)
    except UnicodeDecodeError:
        return _Parsed(stamp, None, "is not UTF-8 text")
    except (ValueError, re.error) as error:
        return _Parsed(stamp, None, f"has a broken pattern ({error})")
    except OSError as error:
        return _Parsed(stamp, None, f"cannot be read ({error.strerror})")
