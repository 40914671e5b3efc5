"""The syntax guide: what a checker objects to is filled again, and never with the same tokens."""

from collections.abc import Sequence

import pytest
import torch

from dlm_model.boundaries import Boundaries
from dlm_model.drafts import RowReader
from dlm_model.engine import Engine
from dlm_model.request import CancelToken, DecodeOptions, Draft, InfillRequest
from dlm_model.revision import Step
from dlm_model.selection import Guess
from dlm_model.syntax import SyntaxGuide
from dlm_model.vocabulary import Vocabulary
from tests.model.test_canvas import EXPAND
from tests.model.test_canvas import canvas as canvas_of


class Objecting:
    """Objects to some character ranges of the first drafts it sees."""

    def __init__(self, *objections: list[tuple[int, int]]) -> None:
        self._objections = list(objections)
        self.seen: list[str] = []

    def errors(self, middle: str) -> Sequence[tuple[int, int]]:
        self.seen.append(middle)
        return self._objections.pop(0) if self._objections else []


def filled(engine: Engine, checker: Objecting | None, **options: object) -> Draft:
    request = InfillRequest("def foo(self, val", "):\n", expected_tokens=9, syntax=checker)
    chosen = DecodeOptions(num_steps=24, confidence_threshold=0.1, **options)  # type: ignore[arg-type]
    return list(engine.infill(request, chosen, CancelToken()))[-1]


def test_a_draft_that_parses_is_left_alone(causal_engine: Engine) -> None:
    checker = Objecting()
    assert filled(causal_engine, checker, syntax_tries=3).candidates == filled(causal_engine, None).candidates
    assert len(checker.seen) == 1


def test_what_is_broken_is_filled_with_something_else(causal_engine: Engine) -> None:
    before = filled(causal_engine, None).text
    checker = Objecting([(0, len(before))])
    after = filled(causal_engine, checker, syntax_tries=3)
    assert after.text != before
    first, last = (text.encode("utf-8", "surrogateescape").decode(errors="replace") for text in checker.seen)
    assert (first, last) == (before, after.text)


@pytest.mark.parametrize("tries", [0, 1, 2])
def test_tries_are_bounded(causal_engine: Engine, tries: int) -> None:
    checker = Objecting(*[[(0, 3)]] * 9)
    filled(causal_engine, checker, syntax_tries=tries)
    assert len(checker.seen) == tries


def test_something_missing_is_the_fault_of_the_token_at_that_place(causal_engine: Engine) -> None:
    before = filled(causal_engine, None).text
    after = filled(causal_engine, Objecting([(0, 0)]), syntax_tries=1)
    assert after.text != before


def test_a_row_that_is_about_to_grow_is_not_judged_yet() -> None:
    canvas = canvas_of([5, EXPAND], [5, 6])
    nothing = torch.zeros_like(canvas.is_masked)
    guess = Guess(**dict.fromkeys(Guess._fields, torch.zeros(nothing.shape)))
    step = Step(guess, nothing, canvas.is_committed, nothing, steps_left=3)
    vocabulary = Vocabulary([bytes([97 + number % 26]) for number in range(EXPAND)] + [b"", b""])
    reader = RowReader(vocabulary, Boundaries(vocabulary, b"", b""))
    checker = Objecting()
    SyntaxGuide(checker, reader, DecodeOptions(syntax_tries=1), EXPAND)(canvas, step)
    assert checker.seen == ["fg"]
