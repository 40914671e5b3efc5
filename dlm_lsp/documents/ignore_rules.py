"""Files that their project ignores: `.gitignore` and our own `.dlmignore`, nested and negated as git reads them.

Files that git ignores are often secret, generated or someone else's; none of them reaches a prompt. If an ignore file
cannot be understood, nothing in its folder is read, because it is unknown what it excludes.
"""

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".dlmignore")
"""Names of ignore files. Each goes by its own rules: what one of them ignores, the other cannot take back."""

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

    def __init__(self) -> None:
        self._parsed: dict[Path, _Parsed] = {}

    def reason(self, file: Path, root: Path) -> str | None:
        """Why this file is ignored; None if it is not.

        Args:
            file: An absolute path.
            root: The folder of its project, above which no ignore file counts.
        """
        folders = [folder for folder in reversed(file.parents) if folder.is_relative_to(root)]
        for name in IGNORE_FILES:
            if reason := self._reason_by(name, folders, file):
                return reason
        return None

    def _reason_by(self, name: str, folders: list[Path], file: Path) -> str | None:
        """Why the ignore files of one name leave a file out; None if they do not.

        A file in an ignored folder cannot be included again, as git has it.
        """
        known: list[tuple[Path, _Parsed]] = []
        for folder, child in pairwise([*folders, file]):
            known.append((folder, self._read(folder / name)))
            if problem := known[-1][1].problem:
                return f"{folder / name} {problem}, so that nothing below it is read into a prompt"
            verdict: tuple[bool, Path] | None = None
            for above, parsed in known:
                relative = child.relative_to(above).as_posix() + ("" if child == file else "/")
                included = parsed.spec.check_file(relative).include if parsed.spec else None
                verdict = verdict if included is None else (included, above / name)
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
