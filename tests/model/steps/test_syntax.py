"""Revision by syntax: what a checker objects to is filled again, and never with the same tokens."""

from collections.abc import Sequence

import pytest
import torch

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions, DecodePlan
from dlm_model.denoise import denoise
from dlm_model.engine import Engine
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, Draft, InfillRequest
from dlm_model.row_reader import RowReader
from dlm_model.rules.boundaries import Boundaries
from dlm_model.rules.constraint import Constraint
from dlm_model.steps.syntax import SyntaxRepair
from tests.model.loops import decoding
from tests.model.test_denoise import CONFIG, DELETE, EXPAND, TOKENIZER, VOCABULARY
from tests.model.tiny_checkpoints import VOCAB_SIZE


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


@pytest.mark.parametrize(("control", "expected"), [(DELETE, "a"), (EXPAND, "abb")], ids=["delete", "expand"])
def test_a_row_is_judged_at_its_final_length(control: int, expected: str) -> None:
    """The second position is deleted with what follows it, or becomes two."""
    first, later = (TOKENIZER.encode(letter).ids[0] for letter in "ab")

    def predict(canvas: Canvas) -> torch.Tensor:
        columns, is_short = canvas.is_masked.nonzero()[:, 1], canvas.lengths == 2
        wanted = torch.where(columns == 0, first, torch.where(is_short, control, later))
        return 20.0 * torch.nn.functional.one_hot(wanted, VOCAB_SIZE)

    checker, options = Objecting(), DecodePlan(syntax_tries=1)
    boundaries = Boundaries(VOCABULARY, b"", b"")
    canvas = Canvas.open([1], [2], [2], CONFIG.mask_token_id)
    repair = SyntaxRepair(checker, RowReader(VOCABULARY, boundaries), options)
    steps = denoise(
        canvas,
        decoding(canvas, predict, syntax=repair),
        Constraint(CONFIG, VOCABULARY, boundaries, InfillRequest("", ""), max_length=8, is_resizing=True),
        options,
        pace=Pace(options),
        cancel=CancelToken(),
    )
    list(steps)
    assert checker.seen == [expected]
