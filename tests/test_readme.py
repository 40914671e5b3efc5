"""The README says what is there: every module in its tree, every option in its table, commands that can be typed."""

import dataclasses
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm_lsp.commands.targets import parse_target
from dlm_lsp.options import ClientOptions, Settings
from dlm_model.request import DecodeOptions

MODULE_FOLDERS = ("dlm_lsp", "model/dlm_model", "kernels/dlm_kernels")
NOT_NAMED = {"__init__.py", "py.typed"}


@pytest.fixture(scope="module")
def readme(repository_root: Path) -> str:
    return (repository_root / "README.md").read_text(encoding="utf-8")


def tree_paths(readme: str) -> Iterator[str]:
    """Paths that the annotated tree names: two spaces of indentation a level, `a.py, b.py` for several in one line."""
    block = re.search(r"^```text\n(pyproject\.toml.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert block, "the README has no tree"
    folders: list[str] = []
    for line in block[1].splitlines():
        indent, names = re.match(r"( *)([^\s,]+(?:, [^\s,]+)*)", line).groups()
        depth = len(indent) // 2
        del folders[depth:]
        yield from ("".join([*folders, name]) for name in names.split(", "))
        if names.endswith("/"):
            folders.append(names)


def test_the_tree_names_every_module(repository_root: Path, readme: str) -> None:
    modules = {
        file.relative_to(repository_root).as_posix()
        for folder in MODULE_FOLDERS
        for file in (repository_root / folder).rglob("*.py")
        if file.name not in NOT_NAMED
    }
    assert modules - set(tree_paths(readme)) == set()


def test_what_the_tree_names_exists(repository_root: Path, readme: str) -> None:
    assert [path for path in tree_paths(readme) if not (repository_root / path).exists()] == []


def test_the_first_command_fills_a_place_that_exists(repository_root: Path, readme: str) -> None:
    command = re.search(r"^pip install -c constraints\.txt \. && dlm-lsp (.*)$", readme, re.MULTILINE)
    assert command, "the README has no first command"
    target = parse_target(shlex.split(command[1])[1])
    line = (repository_root / target.path).read_text(encoding="utf-8").split("\n")[target.point.line - 1]
    assert line[target.point.column - 1 :] == "pass"


def camel_case(name: str) -> str:
    return re.sub("_([a-z])", lambda letter: letter[1].upper(), name)


def default_of(option: str) -> object:
    settings = Settings()
    return getattr(settings if hasattr(settings, option) else DecodeOptions(), option)


@pytest.mark.parametrize("option", [field.name for field in dataclasses.fields(ClientOptions)])
def test_the_table_tells_every_default(readme: str, option: str) -> None:
    row = re.search(rf"^\| `{camel_case(option)}` \| `([^`]*)` \|", readme, re.MULTILINE)
    assert row, f"the README's table has no row for {camel_case(option)}"
    assert row[1] == json.dumps(default_of(option))


def test_the_table_has_no_other_options(readme: str) -> None:
    named = set(re.findall(r"^\| `(\w+)` \| `", readme, re.MULTILINE))
    assert named == {camel_case(field.name) for field in dataclasses.fields(ClientOptions)}
