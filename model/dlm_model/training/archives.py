"""Packages as archives: downloaded by each registry's own client and read; never unpacked, never run."""

import json
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from email.message import Message
from email.parser import Parser
from pathlib import Path

from dlm_model.training.licences import check_expression, licence_of_metadata
from dlm_model.training.manifest import Package

MAX_FILE_BYTES = 200_000
_DAMAGE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError)


def fetch(package: Package, folder: Path) -> Path:
    """The package's archive in `folder`, downloaded there unless it is there already.

    Wheels and sdists come by pip, which may run the build backend of an sdist for its metadata; npm packages by npm.

    Raises:
        ValueError: the client could not download it.
    """
    found = _find(package, folder)
    if found:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    try:
        result = subprocess.run(_command(package), capture_output=True, text=True, check=False, cwd=folder)
        message = result.stderr.strip().splitlines()[-1:]
    except OSError as error:
        message = [str(error)]
    downloaded = _find(package, folder)
    if downloaded is None:
        reason = "".join(message) or "its registry has none"
        remedy = f"an archive put into {folder} is taken"  # pip gives up where an sdist needs a compiler
        what = f"{package.name} {package.version} ({package.registry})"
        raise ValueError(f"could not download {what}: {reason}; {remedy}")
    return downloaded


def read_licence(archive: Path) -> str:
    """The licence that an archive declares in its metadata.

    Raises:
        LicenceError: none, or one that is not known to be permissive.
        ValueError: not a readable archive, or without metadata.
    """
    for name, content in read_members(archive, suffixes=("METADATA", "PKG-INFO", "package.json"), max_bytes=2**22):
        if name.endswith("package.json") and name.count("/") == 1:
            return check_expression(_npm_licence(content), archive.name)
        if name.endswith(".dist-info/METADATA") or (name.endswith("/PKG-INFO") and name.count("/") == 1):
            return licence_of_metadata(_parse_metadata(content), archive.name)
    raise ValueError(f"{archive} has no metadata")


def read_members(
    archive: Path, suffixes: Sequence[str], max_bytes: int = MAX_FILE_BYTES
) -> Iterator[tuple[str, bytes]]:
    """Path and content of an archive's files with one of the suffixes, small ones only, in the order of their paths.

    Raises:
        ValueError: not a readable archive.
    """
    read = _read_zip if archive.suffix in {".whl", ".zip"} else _read_tar
    try:
        yield from read(archive, tuple(suffixes), max_bytes)
    except _DAMAGE as error:
        raise ValueError(f"{archive} is not a readable archive: {error}") from error


def _read_zip(path: Path, suffixes: tuple[str, ...], max_bytes: int) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if info.filename.endswith(suffixes) and info.file_size <= max_bytes:
                yield info.filename, archive.read(info)


def _read_tar(path: Path, suffixes: tuple[str, ...], max_bytes: int) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        # In the archive's own order: every step back would unpack it from its start again.
        members = (each for each in archive if each.name.endswith(suffixes) and each.isfile())
        files = ((each.name, archive.extractfile(each)) for each in members if each.size <= max_bytes)
        contents = [(name, file.read()) for name, file in files if file is not None]
    yield from sorted(contents, key=lambda content: content[0])


def _find(package: Package, folder: Path) -> Path | None:
    suffix = {"pypi": "*.whl", "sdist": "*.tar.gz", "npm": "*.tgz"}[package.registry]
    prefix = _plain(package.archive_prefix)
    return next((path for path in sorted(folder.glob(suffix)) if _plain(path.name).startswith(prefix)), None)


def _plain(name: str) -> str:
    """The name with one spelling for its hyphens, which file names spell in several ways."""
    return name.lower().replace("-", "_")


def _command(package: Package) -> list[str]:
    """The command that downloads the archive into the folder that it is run in."""
    if package.registry == "npm":
        return ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    # Of an sdist, only the package itself is wanted as source: what builds its metadata comes as wheels.
    kind = "--only-binary=:all:" if package.registry == "pypi" else f"--no-binary={package.name}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", kind, "--dest", "."]
    return [*pip, f"{package.name}=={package.version}"]


def _npm_licence(content: bytes) -> str:
    try:
        declared = json.loads(content).get("license", "")
    except (ValueError, AttributeError):
        return ""
    return declared if isinstance(declared, str) else ""


def _parse_metadata(content: bytes) -> Message:
    return Parser().parsestr(content.decode("utf-8", errors="replace"), headersonly=True)
