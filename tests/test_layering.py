"""Imports run one way: dlm_lsp → dlm_model → dlm_kernels and, in the first two, from part to part without a way back.

Nobody but training and its command imports training.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

TRAINING_COMMAND = Path("dlm_lsp/commands/train.py")
LOWER_PACKAGES = {
    "dlm_lsp": {"dlm_model", "dlm_kernels"},
    "dlm_model": {"dlm_kernels"},
    "dlm_kernels": set(),
}
TOGETHER = {"families": "network", "load_report": "session"}
"""Parts that count as one: a family reads the config of a network, from files that the network reads; and a session has
its load reported, to itself.
"""
FOLDERS = {"dlm_lsp": "dlm_lsp", "dlm_model": "model/dlm_model", "dlm_kernels": "kernels/dlm_kernels"}


def imported_names(source: str, package: str) -> Iterator[str]:
    """Dotted names that a module imports; `from a import b` counts as `a.b`, relative ones are made absolute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def violations(root: Path) -> list[str]:
    found = []
    for name, folder in FOLDERS.items():
        for file in sorted((root / folder).rglob("*.py")):
            inside = file.relative_to((root / folder).parent)
            package = ".".join(inside.parent.parts)
            for imported in imported_names(file.read_text(encoding="utf-8"), package):
                if is_forbidden(imported, name, package) and not is_training_command(inside, imported):
                    found.append(f"{inside} imports {imported}")
    return found


def is_forbidden(imported: str, name: str, package: str) -> bool:
    top = imported.partition(".")[0]
    if top in FOLDERS and top != name and top not in LOWER_PACKAGES[name]:
        return True
    is_training = f"{imported}.".startswith("dlm_model.training.")
    return is_training and not f"{package}.".startswith("dlm_model.training.")


def is_training_command(file: Path, imported: str) -> bool:
    return file == TRAINING_COMMAND and imported == "dlm_model.training.__main__.run_stage"


def test_no_module_imports_a_higher_package_or_training(repository_root: Path) -> None:
    assert violations(repository_root) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("kernels/dlm_kernels/planted.py", "from dlm_model import request"),
        ("kernels/dlm_kernels/planted.py", "import dlm_lsp.documents.positions"),
        ("model/dlm_model/planted.py", "def late():\n    from dlm_lsp.errors import UsageError"),
        ("model/dlm_model/planted.py", "from dlm_model.training import trainer"),
        ("model/dlm_model/planted.py", "from . import training"),
        ("dlm_lsp/commands/planted.py", "import dlm_model.training"),
        ("dlm_lsp/commands/planted.py", "from dlm_model.training.__main__ import run_stage"),
        ("dlm_lsp/commands/train.py", "from dlm_model.training.train import Trainer"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, file: str, line: str) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True)
    planted.write_text(line, encoding="utf-8")
    assert len(violations(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("dlm_lsp/planted.py", "from dlm_model.request import Draft"),
        ("dlm_lsp/commands/train.py", "from dlm_model.training.__main__ import run_stage"),
        ("model/dlm_model/planted.py", "import dlm_kernels"),
        ("model/dlm_model/training/planted.py", "from dlm_model.training import trainer"),
        ("model/dlm_model/planted.py", "import training_tools"),
    ],
)
def test_a_downward_import_is_allowed(tmp_path: Path, file: str, line: str) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True)
    planted.write_text(line, encoding="utf-8")
    assert violations(tmp_path) == []


def cycle(root: Path, package: str) -> list[str]:
    """Parts of a package, its folders and the modules beside them, of which each imports the one before."""
    parts: dict[str, set[str]] = {}
    folder = root / FOLDERS[package]
    for file in sorted(folder.rglob("*.py")):
        inside = file.relative_to(folder.parent).with_suffix("").parts
        imported = (name.split(".") for name in imported_names(file.read_text(encoding="utf-8"), ".".join(inside[:-1])))
        others = {part_of(name[1]) for name in imported if name[0] == package and len(name) > 1}
        own = part_of(inside[1])
        parts.setdefault(own, set()).update(others - {own})
    try:
        TopologicalSorter(parts).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def part_of(name: str) -> str:
    return TOGETHER.get(name, name)


@pytest.mark.parametrize("package", ["dlm_lsp", "dlm_model"])
def test_no_part_of_a_package_is_imported_by_what_it_imports(repository_root: Path, package: str) -> None:
    assert cycle(repository_root, package) == []


@pytest.mark.parametrize(
    ("last", "length"), [("import dlm_model.request", 0), ("from dlm_model.rules import ending", 4)]
)
def test_a_planted_cycle_is_found(tmp_path: Path, last: str, length: int) -> None:
    planted = {
        "rules/ending.py": "from dlm_model.guides.reader import Reader",
        "guides/reader.py": "from dlm_model.rows import Rows\nfrom dlm_model.guides.blend import Blend",
        "rows.py": last,
    }
    for file, line in planted.items():
        path = tmp_path / FOLDERS["dlm_model"] / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line, encoding="utf-8")
    assert len(cycle(tmp_path, "dlm_model")) == length
