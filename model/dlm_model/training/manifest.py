"""What a corpus is made of: named and versioned packages, each in the training or the held-out split."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True)
class Package:
    """One package of the registry at one version; a package is wholly in one split."""

    name: str
    version: str
    split: Split

    @property
    def wheel_prefix(self) -> str:
        """How the file name of its wheel begins (PEP 427)."""
        return f"{self.name.replace('-', '_')}-{self.version}-"


def load_manifest(path: Path) -> tuple[Package, ...]:
    """The packages of a TOML manifest: a table of `name = "version"` for each split.

    Raises:
        ValueError: unreadable TOML, an unknown split, no package, or a package in both splits.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the corpus manifest {path}: {error}") from error
    unknown = sorted(set(tables) - set(SPLITS))
    if unknown:
        raise ValueError(f"{path}: unknown split {unknown[0]!r}; a package is in {' or '.join(SPLITS)}")
    packages = tuple(package for split in SPLITS for package in _packages(tables.get(split, {}), split))
    names = [package.name for package in packages]
    if not names:
        raise ValueError(f"{path} names no package")
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: a package is in both splits: {sorted({n for n in names if names.count(n) > 1})}")
    return packages


def _packages(table: Mapping[str, Any], split: Split) -> list[Package]:
    return [Package(name, str(version), split) for name, version in sorted(table.items())]
