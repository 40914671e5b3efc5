"""Source files that are worth learning from, and packages to put them into."""

import io
import tarfile
import zipfile
from pathlib import Path

from dlm_model.training.decontamination import NgramFilter

MODULE = '''"""A module."""


def area(width: float, height: float) -> float:
    """Area of a rectangle."""
    if width < 0 or height < 0:
        raise ValueError("a side cannot be negative")
    product = width * height
    return product


def circumference(width, height):
    return 2 * (width + height)
'''
PROBLEM = """def below_zero(operations):
    balance = 0
    for op in operations:
        balance += op
        if balance < 0:
            return True
    return False
"""
JAVASCRIPT = """export function area(width, height) {
  if (width < 0 || height < 0) {
    throw new Error("a side cannot be negative");
  }
  const product = width * height;
  return product;
}

export function circumference(width, height) {
  return 2 * (width + height);
}
"""
C_SOURCE = "int area(int width, int height)\n{\n    int product = width * height;\n    return product;\n}\n" * 3
NO_PROBLEMS = NgramFilter([])


def write_wheel(
    folder: Path, name: str, files: dict[str, str | bytes], licence: str = "License-Expression: MIT"
) -> Path:
    """A wheel of version 1.0, with its metadata."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.4\nName: {name}\n{licence}\n\ntext\n")
        for file_name, content in files.items():
            archive.writestr(file_name, content)
    return path


def write_tar(path: Path, files: dict[str, str]) -> None:
    """A source archive of these files, by their path in it."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
