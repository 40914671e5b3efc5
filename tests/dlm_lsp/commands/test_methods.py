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


def test_json_tells_how_each_is_switched_on(command_line: CommandLine) -> None:
    listed = json.loads(command_line("methods", "--json").stdout)
    assert {each["name"]: each["options"] for each in listed} == {each.name: dict(each.options) for each in METHODS}
    assert all(set(each) == {"name", "kind", "line", "source", "options"} for each in listed)
