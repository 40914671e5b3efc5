"""A scripted engine, and the command line run inside the test's own process with it."""

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytest

from dlm_lsp import cli
from dlm_model.request import CancelToken, Candidate, DecodeOptions, Draft, InfillRequest, Piece


@dataclass
class ScriptedEngine:
    """Answers with given middles in three steps: masked, guessed, committed.

    Attributes:
        middles: The alternatives, best first.
        on_step: Called before each draft; what a test does while the engine works.
    """

    middles: Sequence[str] = ("return left + right",)
    on_step: Callable[[int], None] = lambda _step: None
    requests: list[InfillRequest] = field(default_factory=list)
    options: list[DecodeOptions] = field(default_factory=list)
    model_name: str = "scripted"
    device: str = "cpu"
    context_length: int = 2048

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        self.requests.append(request)
        self.options.append(options)
        best = self.middles[0]
        for step, piece in enumerate(
            [Piece("", "masked", 0.0, 4), Piece(best, "guessed", 0.5, 4), Piece(best, "committed", 0.9, 4)]
        ):
            self.on_step(step)
            draft = Draft(
                (piece,), step=step, num_steps=options.num_steps, num_forwards=step + 1, elapsed_ms=10.0 * step
            )
            if cancel.is_cancelled:
                yield replace(draft, finish_reason="cancelled", candidates=self.candidates())
                return
            yield draft
        yield replace(draft, finish_reason="stop", candidates=self.candidates())

    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(Candidate(text, 0.9 - 0.1 * rank, 4) for rank, text in enumerate(self.middles))


class Outcome(NamedTuple):
    code: int
    stdout: str
    stderr: str


class CommandLine:
    """`dlm-lsp …` with a scripted engine behind it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.engine = ScriptedEngine()
        self.loaded: list[tuple[str | None, str]] = []
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        monkeypatch.setattr("dlm_lsp.commands.infill.load_engine", self._load)

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = cli.run(arguments)
        return Outcome(code, *self._capfd.readouterr())

    def _load(self, model: str | None, device: str, _console: object) -> ScriptedEngine:
        self.loaded.append((model, device))
        return self.engine
