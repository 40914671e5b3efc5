"""`dlm-lsp methods`, for people and for programs."""

import json
from collections import Counter

import pytest

from dlm_model.methods import METHODS
from tests.dlm_lsp.commands.command_line import CommandLine


def test_every_method_has_one_line_with_its_source(command_line: CommandLine) -> None:
    code, stdout, stderr = command_line("methods")
    assert (code, stderr) == (0, "")
    lines = stdout.splitlines()
    assert len(lines) == 1 + len(METHODS)
    for line, method in zip(lines[1:], METHODS, strict=True):
        assert line.startswith(method.name)
        assert method.line in line
        assert method.source in line


def test_a_narrow_terminal_cuts_nothing_off(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlm_lsp.commands.tables._PIPE_WIDTH", 40)
    lines = command_line("methods").stdout.splitlines()
    assert max(map(len, lines)) <= 40
    told, printed = "".join(method.name + method.line + method.source for method in METHODS), "".join(lines)
    assert Counter(printed.replace(" ", "")) >= Counter(told.replace(" ", ""))


def test_a_narrow_terminal_gets_a_block_for_each_method(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlm_lsp.commands.tables._PIPE_WIDTH", 72)
    monkeypatch.setattr("dlm_lsp.commands.methods.is_narrow", lambda: True)
    lines = command_line("methods").stdout.splitlines()
    assert max(map(len, lines)) <= 72
    assert [line.rstrip() for line in lines if not line.startswith("    ")] == [
        f"{method.name} ({method.kind})" for method in METHODS
    ]


@pytest.mark.parametrize("name", ["KLASS", "klass"])
def test_one_method_is_shown_alone(command_line: CommandLine, name: str) -> None:
    method = next(each for each in METHODS if each.name == "KLASS")
    title, *lines = command_line("methods", name).stdout.splitlines()
    assert title == f"KLASS ({method.kind})"
    assert [line.strip() for line in lines] == [method.line, method.source, "schedule=klass"]
    assert lines == [line.rstrip() for line in lines]
    assert [each["name"] for each in json.loads(command_line("methods", name, "--json").stdout)] == ["KLASS"]


def test_a_method_that_there_is_not_is_named(command_line: CommandLine) -> None:
    complaint = "dlm-lsp: There is no method 'magic'; dlm-lsp methods lists them.\n"
    assert command_line("methods", "magic") == (2, "", complaint)


def test_json_tells_how_each_is_switched_on(command_line: CommandLine) -> None:
    listed = json.loads(command_line("methods", "--json").stdout)
    assert {each["name"]: each["options"] for each in listed} == {each.name: dict(each.options) for each in METHODS}
    assert all(set(each) == {"name", "kind", "line", "source", "options"} for each in listed)
