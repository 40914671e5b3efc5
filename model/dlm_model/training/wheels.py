"""Source files out of wheels: download, licence, and which files are worth learning from. Knows no tokens."""

import ast
import re
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

from dlm_model.training.manifest import Package

_PERMISSIVE_IDS = frozenset(
    {"0BSD", "APACHE-2.0", "BSD", "BSD-2-CLAUSE", "BSD-3-CLAUSE", "ISC", "MIT", "MIT-0", "PSF-2.0", "ZLIB"}
)
_PERMISSIVE_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
_SPELLINGS = {"apache 2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0", "mit license": "MIT"}
_MAX_BYTES = 200_000
_MIN_LINES = 10
_MAX_LINE_LENGTH = 250
_MAX_DIGIT_SHARE = 0.15
# Vendored code has licences of its own, and tests are mostly repetition of the code they test.
_SKIPPED_PARTS = frozenset({"_vendor", "vendor", "_vendored", "vendored", "extern", "tests", "test", "testing"})


class LicenceError(ValueError):
    """A package whose licence is not known to be permissive."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a package, its line ends normalised to `\\n`."""

    package: str
    path: str
    text: str


def fetch_wheel(package: Package, folder: Path) -> Path:
    """The package's wheel in `folder`, downloaded there with pip unless it is there already.

    Raises:
        ValueError: pip could not download it.
    """
    found = _find_wheel(package, folder)
    if found:
        return found
    requirement = f"{package.name}=={package.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    result = subprocess.run([*command, "--dest", folder, requirement], capture_output=True, text=True, check=False)
    downloaded = _find_wheel(package, folder)
    if downloaded is None:
        raise ValueError(f"pip could not download {requirement}: {result.stderr.strip().splitlines()[-1:]}")
    return downloaded


def read_licence(wheel: Path) -> str:
    """The licence a wheel declares in its metadata, as an SPDX expression where it has one.

    Raises:
        LicenceError: it declares none, or one that is not known to be permissive.
        ValueError: not a readable wheel.
    """
    metadata = _read_metadata(wheel)
    expression = (metadata["License-Expression"] or "").strip()
    classifiers = [c for c in metadata.get_all("Classifier", []) if c.startswith("License ::")]
    named = [_PERMISSIVE_CLASSIFIERS.get(classifier) for classifier in classifiers]
    if not expression and named and all(named):
        expression = " AND ".join(sorted(name for name in named if name))
    if not expression:
        declared = (metadata["License"] or "").strip()
        expression = _SPELLINGS.get(declared.lower(), declared)
    ids = re.split(r"\s+(?:AND|OR)\s+", expression.replace("(", "").replace(")", ""))
    if not expression or not all(licence_id.upper() in _PERMISSIVE_IDS for licence_id in ids):
        raise LicenceError(f"{wheel.name}: licence {expression or 'unknown'!r} is not known to be permissive")
    return expression


def read_sources(wheel: Path, package: str) -> Iterator[SourceFile]:
    """The wheel's Python files worth learning from, in the order of their paths.

    Raises:
        ValueError: not a readable wheel.
    """
    with _open(wheel) as archive:
        for name in sorted(archive.namelist()):
            if _is_candidate(name) and archive.getinfo(name).file_size <= _MAX_BYTES:
                text = _decode(archive.read(name))
                if text is not None and is_worth_learning(text):
                    yield SourceFile(package, name, text)


def is_worth_learning(text: str) -> bool:
    """Whether a file is Python that people wrote: it parses, and is neither tiny, nor generated, nor mostly data."""
    lines = text.split("\n")
    if len(lines) < _MIN_LINES or max(map(len, lines)) > _MAX_LINE_LENGTH:
        return False
    if sum(character.isdigit() for character in text) > _MAX_DIGIT_SHARE * len(text):
        return False
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))


def _find_wheel(package: Package, folder: Path) -> Path | None:
    prefix = package.wheel_prefix.lower()
    return next((path for path in sorted(folder.glob("*.whl")) if path.name.lower().startswith(prefix)), None)


def _open(wheel: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(wheel)
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{wheel} is not a readable wheel: {error}") from error


def _read_metadata(wheel: Path) -> Message:
    with _open(wheel) as archive:
        name = next((n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)), None)
        if name is None:
            raise ValueError(f"{wheel} has no metadata")
        return Parser().parsestr(archive.read(name).decode("utf-8", errors="replace"), headersonly=True)


def _is_candidate(name: str) -> bool:
    parts = name.split("/")
    is_test = parts[-1].startswith("test_") or parts[-1].endswith("_test.py") or parts[-1] == "conftest.py"
    return name.endswith(".py") and not is_test and _SKIPPED_PARTS.isdisjoint(parts)


def _decode(content: bytes) -> str | None:
    try:
        return content.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return None
