"""Source files of a package or a folder, and which of them are worth learning from. Knows no tokens."""

import ast
import importlib.metadata
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dlm_model.training.archives import MAX_FILE_BYTES, fetch, read_licence, read_members
from dlm_model.training.licences import licence_of_folder, licence_of_metadata
from dlm_model.training.manifest import Package
from dlm_model.training.syntax import SUFFIXES, error_share, language_of

_MIN_LINES = 10
_MAX_LINE_LENGTH = 250
_MAX_DIGIT_SHARE = 0.15
_MAX_ERROR_SHARE = 0.02  # Macros and new syntax; holes are never cut in what a grammar makes nothing of.
_NOT_UTF8, _NO_SYNTAX = "not UTF-8", "that do not parse"

_SKIPPED_PARTS = frozenset(
    {"_vendor", "vendor", "_vendored", "vendored", "extern", "third_party", "node_modules", "tests", "test", "testing"}
    | {"dist", "build", "target", "__pycache__", "site-packages"}
)
"""Folders that are left out: vendored code has licences of its own, tests mostly repeat the code that they test, and
what is built is written by nobody."""

_SKIPPED_ENDINGS = (".min.js", ".d.ts", "_test.py", "_test.go", ".test.js", ".test.ts", ".spec.js", ".spec.ts")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a package, its line ends normalised to `\\n`."""

    package: str
    path: str
    text: str


@dataclass(slots=True)
class Content:
    """The part of a package that training uses.

    Attributes:
        licence: Permissive, or the trainer's own.
        files: Worth learning from, in the order of their paths.
        left_out: How many others there were, by what is wrong with them.
    """

    licence: str
    files: list[SourceFile] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def read_package(package: Package, downloads: Path) -> Content:
    """Fetch a package and read it.

    Raises:
        LicenceError: its licence is not known to be permissive.
        ValueError: it cannot be had or read.
    """
    licence, members = _open(package, downloads)
    content = Content(licence)
    for path, raw in members:
        text = _decode(raw)
        flaw = _NOT_UTF8 if text is None else find_flaw(text, language_of(path) or "")
        if text is None or flaw:
            content.left_out[flaw] += 1
        else:
            content.files.append(SourceFile(package.name, path, text))
    return content


def find_flaw(text: str, language: str) -> str:
    """Why a file is not worth learning from, as it does not parse, or is tiny, generated or mostly data; else empty."""
    lines = text.split("\n")
    if len(lines) < _MIN_LINES:
        return f"under {_MIN_LINES} lines"
    if max(map(len, lines)) > _MAX_LINE_LENGTH:
        return f"with a line over {_MAX_LINE_LENGTH} characters"
    if sum(map(text.count, "0123456789")) > _MAX_DIGIT_SHARE * len(text):
        return "mostly digits"
    if language == "python":
        return _find_flaw_of_python(text)
    return _NO_SYNTAX if error_share(text, language) > _MAX_ERROR_SHARE else ""


def _find_flaw_of_python(text: str) -> str:
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return _NO_SYNTAX
    has_function = any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))
    return "" if has_function else "without a function"


def _open(package: Package, downloads: Path) -> tuple[str, Iterator[tuple[str, bytes]]]:
    match package.registry:
        case "folder":
            if package.folder is None or not package.folder.is_dir():
                raise ValueError(f"{package.folder} is no folder to read {package.name} from")
            return package.licence or licence_of_folder(package.folder), _read_folder(package.folder)
        case "environment":
            distribution = importlib.metadata.distribution(package.name)
            licence = licence_of_metadata(distribution.metadata, package.name)
            return licence, _read_installed(distribution)
        case _:
            archive = fetch(package, downloads)
            members = read_members(archive, tuple(SUFFIXES))
            return read_licence(archive), ((path, raw) for path, raw in members if _is_candidate(path))


def _read_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _is_candidate(name) and path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
            yield name, path.read_bytes()


def _read_installed(distribution: importlib.metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    for file in sorted(distribution.files or [], key=str):
        path = Path(str(distribution.locate_file(file)))
        if _is_candidate(file.as_posix()) and path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
            yield file.as_posix(), path.read_bytes()


def _is_candidate(name: str) -> bool:
    *folders, file = name.split("/")
    is_test = file.startswith("test_") or file.endswith(_SKIPPED_ENDINGS) or file == "conftest.py"
    is_hidden = any(part.startswith(".") for part in (*folders, file))
    return language_of(name) is not None and not is_test and not is_hidden and _SKIPPED_PARTS.isdisjoint(folders)


def _decode(content: bytes) -> str | None:
    try:
        return content.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return None
