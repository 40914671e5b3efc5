"""The memory of earlier steps by hand, and that it follows positions when a canvas is resized."""

import math

import pytest
import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.steps.history import Credit, PositionMemory, StabilityCount

MASK, EXPAND, DELETE = 90, 91, 92


def opened(*lengths: int) -> Canvas:
    return Canvas.open([1], [2], lengths, MASK)


def with_committed(canvas: Canvas, row: int, column: int, token_id: int) -> Canvas:
    positions = torch.zeros_like(canvas.is_masked)
    positions[row, column] = True
    return canvas.guess(torch.full(positions.shape, token_id), torch.ones(positions.shape)).commit(positions)


def guessed(canvas: Canvas) -> Canvas:
    """The canvas after a step that committed nothing."""
    return canvas.guess(torch.zeros_like(canvas.token_ids), torch.zeros(canvas.confidence.shape))


def resized(canvas: Canvas) -> Canvas:
    protected = torch.zeros_like(canvas.is_masked)
    return canvas.resize(
        expand_token_id=EXPAND, delete_token_id=DELETE, written=protected, protected=protected, max_length=20
    )


def test_a_value_follows_its_position_through_resizing() -> None:
    memory = PositionMemory()
    before = opened(3, 2)
    memory.store(before, torch.tensor([10.0, 11.0, 12.0, 20.0, 21.0]))
    after = resized(with_committed(before, 0, 1, EXPAND))
    # Row 0: its first position, the two that came of the second, its third; row 1 as before.
    assert memory.recall(after, torch.full((6,), -1.0)).tolist() == [10.0, -1.0, -1.0, 12.0, 20.0, 21.0]


def test_a_deleted_position_takes_its_value_along() -> None:
    memory = PositionMemory()
    before = opened(3)
    memory.store(before, torch.tensor([10.0, 11.0, 12.0]))
    after = resized(with_committed(before, 0, 1, DELETE))
    assert memory.recall(after, torch.full((1,), -1.0)).tolist() == [10.0]


def test_a_committed_position_under_review_keeps_its_value() -> None:
    memory = PositionMemory()
    before = opened(2)
    memory.store(before, torch.tensor([10.0, 11.0]))
    after = with_committed(before, 0, 0, 5)
    after = after.review(after.is_committed)
    assert memory.recall(after, torch.full((2,), -1.0)).tolist() == [10.0, 11.0]


def test_nothing_stored_is_nothing_known() -> None:
    assert PositionMemory().recall(opened(2), torch.tensor([3.0, 4.0])).tolist() == [3.0, 4.0]


def test_stability_counts_steps_with_little_divergence() -> None:
    stability = StabilityCount(bound=0.01)
    canvas = guessed(opened(2))
    first = torch.tensor([[0.5, 0.5], [0.9, 0.1]]).log()
    # KL of the second position: .8 ln(.8/.9) + .2 ln(.2/.1) = 0.044; of the first: 0.
    second = torch.tensor([[0.5, 0.5], [0.8, 0.2]]).log()
    assert stability.count(canvas, first).tolist() == [0, 0]
    assert stability.count(canvas, second).tolist() == [1, 0]
    assert stability.count(canvas, second).tolist() == [2, 1]


def test_tokens_that_are_ruled_out_do_not_disturb_stability() -> None:
    stability = StabilityCount(bound=0.01)
    logits = torch.tensor([[0.0, 1.0, -torch.inf]])
    assert [stability.count(guessed(opened(1)), logits).tolist() for _ in range(3)] == [[0], [1], [2]]


def test_credit_grows_for_the_best_token_and_decays_for_the_others() -> None:
    steps = iter([torch.tensor([[0.0, 0.0, math.log(2.0)]]), torch.tensor([[math.log(6.0), 0.0, 0.0]])])

    def predict(_canvas: Canvas) -> Tensor:
        return next(steps)

    credit = Credit(predict, weight=0.7)
    # First step: p = .5 for the last token, whose credit is .5 ** .2; second: .75 for the first.
    first, second = credit(opened(1))[0].tolist(), credit(guessed(opened(1)))[0].tolist()
    assert first == pytest.approx([0.0, 0.0, math.log(2.0) + 0.7 * math.log(1 + 0.5**0.2)])
    expected = [math.log(6.0) + 0.7 * math.log(1 + 0.75**0.2), 0.0, 0.7 * math.log(1 + 0.8 * 0.5**0.2)]
    assert second == pytest.approx(expected)
