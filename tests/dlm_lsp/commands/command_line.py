"""The command line run inside the test's own process, with a scripted engine in place of a model."""

import io
import sys
from typing import NamedTuple

import pytest

from dlm_lsp import cli
from dlm_lsp.options import Settings
from tests.dlm_lsp.scripted_engine import ScriptedEngine

SOURCE = "def add(left, right):\n    pass\n\n\ndef twice(value):\n    return add(value, value)\n"


class Outcome(NamedTuple):
    code: int
    stdout: str
    stderr: str


class CommandLine:
    """`dlm-lsp …`, to be called with its arguments.

    Attributes:
        engine: Fills every hole; a test may replace it.
        loaded: Model, device and precision of every engine that was loaded.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.engine = ScriptedEngine("return left + right")
        self.loaded: list[tuple[str | None, str, str]] = []
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        for command in ("infill", "doctor"):
            monkeypatch.setattr(f"dlm_lsp.commands.{command}.load_engine", self._load)

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = cli.run(arguments)
        return Outcome(code, *self._capfd.readouterr())

    def _load(self, settings: Settings, _console: object) -> ScriptedEngine:
        self.loaded.append((settings.model, settings.device, settings.precision))
        return self.engine
