"""A canvas that begins with an earlier draft: the draft's text as tokens, and the first step's judgement of them."""

import pytest
import torch

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine
from dlm_model.prior import propose
from dlm_model.request import CancelToken, Draft, InfillRequest, Piece
from dlm_model.rules.boundaries import Fragment, split_prefix
from dlm_model.steps.revision import Recheck, Step
from dlm_model.tokens.tokenizer import Tokenizer
from tests.model.guesses import made_up

NOTHING = Fragment(b"", 0)
MASK = 9


def committed(*texts: str, confidence: float = 0.8) -> tuple[Piece, ...]:
    return tuple(Piece(text, "committed", confidence, 1) for text in texts)


@pytest.fixture
def tokenizer(causal_engine: Engine) -> Tokenizer:
    return causal_engine.tokenizer


def spelled(tokenizer: Tokenizer, found: list) -> bytes:
    return tokenizer.spell([each.token_id for each in found if each.token_id is not None])


def test_the_tokens_spell_what_the_pieces_say_as_if_it_had_never_been_cut(tokenizer: Tokenizer) -> None:
    found = propose(committed("re", "turn self", ".val"), NOTHING, NOTHING, tokenizer)
    assert [each.token_id for each in found] == tokenizer.encode("return self.val").ids
    assert {each.confidence for each in found} == {0.8}


def test_a_word_begun_by_the_typist_is_one_token_and_certain(tokenizer: Tokenizer) -> None:
    _, head = split_prefix(tokenizer, "x = 1\n    ret")
    found = propose(committed("urn self"), head, NOTHING, tokenizer)
    assert [each.token_id for each in found] == tokenizer.encode(head.spelling.decode() + "urn self").ids
    assert found[0].confidence == 1.0
    assert found[-1].confidence == 0.8


def test_a_word_that_ends_after_the_hole_is_certain_too(tokenizer: Tokenizer) -> None:
    found = propose(committed("self.va"), NOTHING, Fragment(b"lue", 2), tokenizer)
    assert spelled(tokenizer, found) == b"self.value"
    assert found[-1].confidence == 1.0


def test_a_token_is_as_sure_as_the_least_sure_piece_of_it(tokenizer: Tokenizer) -> None:
    pieces = (*committed(" ret", confidence=0.9), *committed("urn", confidence=0.3), *committed(" self"))
    (word, *_) = propose(pieces, NOTHING, NOTHING, tokenizer)
    assert (tokenizer.spell([word.token_id]), word.confidence) == (b" return", 0.3)


def test_masks_stay_masks_and_leave_the_boundary_open(tokenizer: Tokenizer) -> None:
    mask = Piece("", "masked", 0.0, 2)
    found = propose((mask, *committed(" * x"), mask), Fragment(b"he", 1), Fragment(b"lf", 2), tokenizer)
    assert [each.token_id is None for each in found[:3]] == [True] * 3
    assert [each.token_id is None for each in found[-4:]] == [True] * 4
    assert spelled(tokenizer, found) == b" * x"


@pytest.mark.parametrize("pieces", [(), (Piece("", "masked", 0.0, 4),), committed("")])
def test_nothing_said_is_nothing_proposed(tokenizer: Tokenizer, pieces: tuple[Piece, ...]) -> None:
    assert propose(pieces, NOTHING, NOTHING, tokenizer) == []


def test_a_head_that_begins_inside_a_character_is_left_to_the_model(tokenizer: Tokenizer) -> None:
    assert propose(committed("x"), Fragment("é".encode()[1:], 1), NOTHING, tokenizer) == []


def recheck(current: float) -> Canvas:
    """Tokens 1 2 3, the first two committed and the third a guess; the model predicts 5 for each of them."""
    canvas = Canvas.open([0], [0], [3], MASK).guess(torch.tensor([[1, 2, 3]]), torch.full((1, 3), 0.5))
    proposed = canvas.guessed_ids
    is_sure = torch.tensor([[True, True, False]])
    canvas = canvas.commit(is_sure).review(is_sure)
    zeros = torch.zeros(1, 3)
    parts = {"predicted_ids": torch.full((1, 3), 5), "confidence": zeros + 0.5, "current": zeros + current}
    guess = made_up((1, 3), **parts)
    canvas = canvas.guess(guess.predicted_ids, guess.confidence)
    is_fixed = torch.tensor([[True, False, False]])
    reviser = Recheck(proposed)
    after = reviser(canvas, Step(guess, canvas.is_reviewed, torch.zeros_like(is_fixed), is_fixed, is_fixed))
    after.check_integrity()
    assert reviser(after, Step(guess, is_sure, is_fixed, is_fixed, is_fixed)) is after  # once
    return after


def test_what_the_model_finds_possible_is_committed_as_it_was() -> None:
    after = recheck(current=0.1)
    assert after.token_ids.tolist() == [[1, 2, 3]]
    assert not after.is_masked.any()
    assert not after.is_reviewed.any()


def test_what_it_finds_improbable_is_open_again_but_for_what_is_fixed() -> None:
    after = recheck(current=0.01)
    assert after.is_masked.tolist() == [[False, True, True]]
    assert after.token_ids[0, 0] == 1


def after_first_step(*, predicted: tuple[int, ...], reviewed: int, current: list[float]) -> Canvas:
    """Proposed tokens 1 2 3 4 …: the first `reviewed` were committed, the step has committed the others anew."""
    size = len(predicted)
    proposed = torch.arange(1, size + 1)[None]
    canvas = Canvas.open([0], [0], [size], MASK).guess(proposed, torch.full((1, size), 0.5))
    is_reviewed = torch.arange(size)[None] < reviewed
    canvas = canvas.commit(is_reviewed).review(is_reviewed)
    zeros = torch.zeros(1, size)
    ids = torch.tensor([predicted])
    guess = made_up((1, size), predicted_ids=ids, confidence=zeros + 0.5, current=torch.tensor([current]))
    canvas = canvas.guess(guess.predicted_ids, guess.confidence).commit(~is_reviewed)
    step = Step(guess, is_reviewed, ~is_reviewed, torch.zeros_like(is_reviewed), ~is_reviewed)
    after = Recheck(proposed)(canvas, step)
    after.check_integrity()
    return after


def test_what_the_model_finds_possible_stands_in_place_of_what_the_step_chose() -> None:
    after = after_first_step(predicted=(5, 2, 3, 7), reviewed=1, current=[0.5, 0.5, 0.5, 0.4])
    assert after.token_ids.tolist() == [[1, 2, 3, 4]]


def test_all_that_is_doubted_is_reopened_however_much_and_leaves_later_revisers_their_share() -> None:
    size = DecodeOptions().max_revisions + 8
    after = after_first_step(predicted=(5,) * (size + 1), reviewed=size, current=[0.01] * size + [0.4])
    assert after.is_masked.tolist() == [[True] * size + [False]]
    assert after.token_ids[0, size] == size + 1
    assert after.num_revised.tolist() == [0]


def drafts(engine: Engine, request: InfillRequest, **options: object) -> list[Draft]:
    found = list(engine.infill(request, DecodeOptions(num_steps=8, **options), CancelToken()))  # type: ignore[arg-type]
    assert found[-1].finish_reason is not None
    return found


PRIOR = (*committed("    self", confidence=0.9), *committed(".value", ".items", confidence=0.6))


@pytest.mark.parametrize("name", ["fixed_engine", "resizing_engine", "causal_engine"])
@pytest.mark.parametrize("bound", [0.0, 0.7, 1.0])
def test_what_is_not_doubted_is_there_after_one_step(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, name: str, bound: float
) -> None:
    engine: Engine = request.getfixturevalue(name)
    monkeypatch.setattr("dlm_model.steps.revision.AGREED_SHARE", 0.0)
    first, last = drafts(engine, InfillRequest("def foo(self):\n", "\n", prior=PRIOR), warm_start=bound)
    assert (first.step, last.step, last.finish_reason) == (1, 1, "stop")
    assert first.text == last.text == "    self.value.items"
    assert first.stable_ranges == ((0, len(first.text)),)


@pytest.mark.parametrize("name", ["fixed_engine", "resizing_engine", "causal_engine"])
def test_what_is_doubted_is_filled_anew(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    engine: Engine = request.getfixturevalue(name)
    monkeypatch.setattr("dlm_model.steps.revision.AGREED_SHARE", 2.0)
    found = drafts(engine, InfillRequest("def foo(self):\n", "\n", prior=PRIOR), warm_start=0.7, schedule="linear")
    assert found[-1].step > 2
    assert found[-1].text != "    self.value.items"


@pytest.mark.parametrize(
    "options", [{}, {"warm_start": 0.5, "num_candidates": 2}, {"warm_start": 0.5, "middle_length": 6}]
)
def test_a_prior_is_used_only_where_allowed(fixed_engine: Engine, options: dict[str, object]) -> None:
    plain = InfillRequest("def foo(self):\n    ret", "\n")
    found = drafts(fixed_engine, InfillRequest("def foo(self):\n    ret", "\n", prior=committed("urn self")), **options)
    assert [draft.text for draft in found] == [draft.text for draft in drafts(fixed_engine, plain, **options)]


def test_what_was_typed_is_neither_lost_nor_doubled(causal_engine: Engine) -> None:
    request = InfillRequest("def foo(self):\n    ret", "ue\n", prior=committed("urn self.val", confidence=1.0))
    (only,) = drafts(causal_engine, request, warm_start=0.5)
    assert only.text == "urn self.val"


def test_a_prior_longer_than_the_canvas_may_be_is_left_out(fixed_engine: Engine) -> None:
    long = committed("self.value " * 40)
    request = InfillRequest("x = ", "\n", prior=long)
    assert drafts(fixed_engine, request, warm_start=0.5, max_middle_tokens=8)[-1].num_tokens < 40
