"""What a corpus is made of: packages, folders and what is installed, each wholly in the training or held-out split.

environment = true                        # every installed package with a permissive licence, Python

[train]
attrs = "26.1.0"                          # a wheel from PyPI, Python
[train.sdist]
numpy = "2.4.6"                           # a source archive from PyPI: C, C++, Rust beside Python
[train.npm]
express = "5.2.1"                         # JavaScript, TypeScript
[train.folder]
service = "../service"                    # any language; a permissive licence file is required
app = { path = "../app", licence = "own" }

[held_out]
httpx = "0.28.1"

If `held_out` names nothing, one file in ten of each folder is held out.
"""

import hashlib
import importlib.metadata
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from dlm_model.training.licences import OWN, LicenceError, licence_of_metadata

Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = get_args(Split)
Registry = Literal["pypi", "sdist", "npm", "folder", "environment"]
_TABLES: tuple[Registry, ...] = ("sdist", "npm", "folder")
_HELD_OUT_SHARE = 10  # One installed package of so many is held out.
_FOLDER_KEYS = {"path", "licence"}

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
"""What a version looks like. Anything else, a path above all, is not sent to a registry."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package at one version, or a folder; it is wholly in one split.

    Attributes:
        name: In its registry; of a folder, as the manifest names it.
        version: Empty for a folder.
        split: Where all of it goes.
        registry: Where it comes from.
        folder: Where a folder is.
        licence: What the manifest says of it; empty reads it from the source.
    """

    name: str
    version: str
    split: Split
    registry: Registry = "pypi"
    folder: Path | None = None
    licence: str = ""

    @property
    def archive_prefix(self) -> str:
        """How the file name of its archive begins (PEP 427, PEP 625, `npm pack`)."""
        if self.registry == "npm":
            return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"
        return f"{self.name}-{self.version}{'-' if self.registry == 'pypi' else '.tar.gz'}"


def load_manifest(path: Path) -> tuple[Package, ...]:
    """The packages of a TOML manifest.

    Raises:
        ValueError: unreadable TOML, an unknown split or registry, no package, or a package in both splits.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the corpus manifest {path}: {error}") from error
    takes_environment = tables.pop("environment", False)
    if type(takes_environment) is not bool:
        raise ValueError(f"{path}: environment is true or false")
    unknown = sorted(set(tables) - set(SPLITS))
    if unknown:
        raise ValueError(f"{path}: unknown split {unknown[0]!r}; a package is in {' or '.join(SPLITS)}")
    packages = tuple(package for split in SPLITS for package in _packages(tables.get(split, {}), split, path))
    names = [_plain(package) for package in packages]
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: named more than once: {sorted({n[1] for n in names if names.count(n) > 1})}")
    if takes_environment:
        packages += tuple(package for package in installed_packages() if _plain(package) not in names)
    if not packages:
        raise ValueError(f"{path} names no package")
    return packages


def _plain(package: Package) -> tuple[bool, str]:
    """Whether it is JavaScript, and its name in the one spelling that PyPI takes all others for (PEP 503)."""
    is_npm = package.registry == "npm"
    return is_npm, package.name if is_npm else re.sub(r"[-_.]+", "-", package.name).lower()


def installed_packages() -> Iterator[Package]:
    """The installed packages with a permissive licence, by name; the name decides the split."""
    found = {str(d.metadata["Name"]).lower(): d for d in importlib.metadata.distributions() if d.metadata["Name"]}
    for name, distribution in sorted(found.items()):
        try:
            licence_of_metadata(distribution.metadata, name)
        except LicenceError:
            continue
        is_held_out = int(hashlib.sha256(name.encode()).hexdigest(), 16) % _HELD_OUT_SHARE == 0
        yield Package(name, distribution.version, "held_out" if is_held_out else "train", "environment")


def _packages(table: Mapping[str, Any], split: Split, path: Path) -> Iterator[Package]:
    if not isinstance(table, Mapping):
        raise ValueError(f"{path}: {split} is no section")
    for name, value in sorted(table.items()):
        if not isinstance(value, Mapping):
            yield _versioned(name, value, split, "pypi", path)
        elif name == "folder":
            if value.keys() == _FOLDER_KEYS:
                raise ValueError(f"{path}: a folder needs a name: {split}.folder.NAME = {{ path = … }}")
            yield from (_folder(inner, value[inner], split, path) for inner in sorted(value))
        elif name in _TABLES:
            yield from (_versioned(inner, value[inner], split, name, path) for inner in sorted(value))
        else:
            known = f"known are {', '.join(_TABLES)}; a folder is {split}.folder.{name}"
            raise ValueError(f"{path}: unknown registry {name!r} in [{split}]; {known}")


def _versioned(name: str, value: object, split: Split, registry: Registry, path: Path) -> Package:
    version = str(value)
    if not _VERSION.fullmatch(version):
        place = f"{split}.folder.{name}"
        raise ValueError(f"{path}: {name} is {version!r}, which is no version of a package; a folder is {place}")
    return Package(name, version, split, registry)


def _folder(name: str, value: object, split: Split, path: Path) -> Package:
    table = value if isinstance(value, Mapping) else {"path": value}
    location, licence = table.get("path"), table.get("licence", "")
    if not isinstance(location, str) or licence not in ("", OWN) or table.keys() - _FOLDER_KEYS:
        raise ValueError(f"{path}: folder {name} is a path, or {{ path = …, licence = {OWN!r} }}")
    return Package(name, "", split, "folder", path.parent / Path(location).expanduser(), licence)
