"""The packages of this repository: a wheel that needs no download, the same from the sdist, all versions pinned."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from dlm_lsp import __version__
from tests.test_readme import tree_paths

PACKAGES = ("dlm_lsp", "dlm_model", "dlm_kernels")
CHECKPOINT_FILES = ("config.json", "tokenizer.json", "README.md")


def build(folder: Path, destination: Path) -> None:
    targets = ["--target", "sdist", "--target", "wheel"]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *targets, "--directory", str(destination)],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=240,
    )


def contents(wheel: Path) -> dict[str, int]:
    """Name and CRC-32 of every file in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


@pytest.fixture(scope="module")
def built(repository_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("built")
    build(repository_root, destination)
    return destination


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, int]:
    return contents(next(built.glob("*.whl")))


def test_the_wheel_carries_every_module_and_nothing_else(repository_root: Path, wheel: dict[str, int]) -> None:
    folders = {"dlm_lsp": ".", "dlm_model": "model", "dlm_kernels": "kernels"}
    expected = {
        file.relative_to(repository_root / parent).as_posix()
        for package, parent in folders.items()
        for file in (repository_root / parent / package).rglob("*.py")
    }
    assert {name for name in wheel if name.endswith(".py")} == expected
    assert {name.partition("/")[0] for name in wheel} == {*PACKAGES, f"dlm_lsp-{__version__}.dist-info"}


def test_the_wheel_is_typed_and_licensed(wheel: dict[str, int]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= wheel.keys()
    assert f"dlm_lsp-{__version__}.dist-info/licenses/LICENSE" in wheel


def test_the_wheel_carries_a_whole_checkpoint(wheel: dict[str, int]) -> None:
    checkpoint = "dlm_model/checkpoints/smollm2-135m-infill"
    assert {f"{checkpoint}/{name}" for name in CHECKPOINT_FILES} <= wheel.keys()
    assert [name for name in wheel if name.startswith(checkpoint) and name.endswith(".safetensors")]


def test_the_wheel_carries_no_page_about_its_own_files(wheel: dict[str, int]) -> None:
    pages = [name for name in wheel if name.endswith("/README.md")]
    assert pages == ["dlm_model/checkpoints/smollm2-135m-infill/README.md"]


@pytest.fixture
def unpacked_sdist(built: Path, tmp_path: Path) -> Path:
    # Before Python 3.11.4, tarfile does not know the argument that later versions want.
    subprocess.run(["tar", "-xzf", next(built.glob("*.tar.gz")), "-C", tmp_path], check=True)
    return tmp_path / f"dlm_lsp-{__version__}"


def test_the_sdist_builds_the_same_wheel(unpacked_sdist: Path, wheel: dict[str, int], tmp_path: Path) -> None:
    build(unpacked_sdist, tmp_path / "again")
    assert contents(next((tmp_path / "again").glob("*.whl"))) == wheel


def test_the_sdist_carries_all_that_its_tests_read(repository_root: Path, unpacked_sdist: Path) -> None:
    assert [path for path in tree_paths(repository_root) if not (unpacked_sdist / path).exists()] == []


def test_every_declared_dependency_is_pinned(repository_root: Path) -> None:
    project = tomllib.loads((repository_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {re.match(r"[\w-]+", requirement)[0] for group in groups for requirement in group} - {"dlm-lsp"}
    pins = (repository_root / "constraints.txt").read_text(encoding="utf-8")
    assert declared <= set(re.findall(r"^([\w-]+)==[\w.]+$", pins, re.MULTILINE))
