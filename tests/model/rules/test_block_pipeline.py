"""The order in which blocks are filled: by hand, in any canvas, and in the loop."""

from typing import get_args

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodePlan, Schedule
from dlm_model.denoise import denoise
from dlm_model.network.config import ModelConfig
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, InfillRequest
from dlm_model.rules.block_pipeline import BlockPipeline
from dlm_model.rules.boundaries import Boundaries
from dlm_model.rules.constraint import Constraint
from tests.model.loops import VOCABULARY, commit, decoding
from tests.model.tiny_checkpoints import DLM_SECTION, SHAPE, VOCAB_SIZE

CONFIG = ModelConfig.from_dict({"model_type": "llama", "rms_norm_eps": 1e-6, "dlm": DLM_SECTION} | SHAPE)


def waits(canvas: Canvas, **options: float) -> list[list[int]]:
    """For every mask 2 if it is not open, 1 if it is open but not due, else 0."""
    is_masked, is_open, is_due = BlockPipeline(4, DecodePlan(**options)).eligibility(canvas)  # type: ignore[arg-type]
    assert not (is_due & ~is_open).any()
    return (is_masked.int() + (is_masked & ~is_due).int() - is_open.int()).tolist()


def test_masks_of_later_blocks_wait() -> None:
    canvas = Canvas.open([1, 2, 3, 4, 5], [], [8, 2], 99)
    # The prefix ends one token into a block of four, so that the first block of the canvas has three.
    assert waits(canvas) == [[0, 0, 0, 2, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0, 0]]
    first_block = torch.arange(8).expand(2, -1) < torch.tensor([[3], [2]])
    assert waits(commit(canvas, first_block)) == [[0, 0, 0, 0, 0, 0, 0, 2], [0] * 8]


def test_the_pipeline_by_hand() -> None:
    canvas = Canvas.open([1, 2, 3, 4, 5], [], [11], 99)  # blocks of 3, 4 and 4
    pipelined = {"block_add_threshold": 0.3, "decoded_token_threshold": 0.75}
    assert waits(canvas, **pipelined) == [[0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2]]
    # A third of the first block is committed: the second begins, early. At an empty one the pipeline ends.
    canvas = commit(canvas, torch.arange(11) == 1)
    assert waits(canvas, **pipelined) == [[0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]]
    # A quarter is not enough for the third to begin, and half is; two thirds of the first leave the second early.
    canvas = commit(canvas, (torch.arange(11) == 0) | (torch.arange(11) == 4))
    assert waits(canvas, **pipelined) == [[0, 0, 0, 1, 0, 1, 1, 2, 2, 2, 2]]
    canvas = commit(canvas, torch.arange(11) == 3)
    assert waits(canvas, **pipelined) == [[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]]
    # The first is full: the second is on its own. Three quarters of that, and the third is as well.
    canvas = commit(canvas, torch.arange(11) == 2)
    assert waits(canvas, **pipelined) == [[0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]]
    assert waits(commit(canvas, torch.arange(11) == 5), **pipelined) == [[0] * 11]


def test_an_early_commit_is_asked_for_as_much_in_every_block() -> None:
    options = DecodePlan(schedule="linear", early_commit=7.5)
    blocks = BlockPipeline(6, options)
    constraint = Constraint(
        CONFIG,
        VOCABULARY,
        Boundaries(VOCABULARY, b"", b""),
        InfillRequest("", ""),
        max_length=18,
        is_resizing=False,
        blocks=blocks,
    )

    def four_ahead(canvas: Canvas) -> Tensor:
        return torch.zeros(int(canvas.is_masked.sum()), VOCAB_SIZE).index_fill(1, torch.tensor([99]), 4.0)

    canvas = Canvas.open([1] * 6, [], [18], CONFIG.mask_token_id)
    parts = decoding(canvas, four_ahead)
    steps = denoise(canvas, parts, constraint, options, pace=Pace(options), cancel=CancelToken())
    # The gap suffices in the last third of a block, but not before, however many blocks are full.
    assert [int(step.is_masked.sum()) for step in steps] == [17, 16, 15, 14, 12, 11, 10, 9, 8, 6, 5, 4, 3, 2, 0]


@settings(deadline=None)
@given(st.integers(1, 9), st.lists(st.booleans(), min_size=1, max_size=14), st.integers(1, 6))
def test_without_overlap_the_first_block_with_a_mask_is_the_only_one(
    num_prefix: int, is_filled: list[bool], block_length: int
) -> None:
    canvas = Canvas.open([1] * num_prefix, [], [len(is_filled)], 99)
    canvas = commit(canvas, torch.tensor([is_filled]))
    eligibility = BlockPipeline(block_length, DecodePlan()).eligibility(canvas)
    block = (num_prefix + torch.arange(len(is_filled))) // block_length
    current = min((int(block[i]) for i, filled in enumerate(is_filled) if not filled), default=0)
    assert torch.equal(eligibility.is_due, canvas.is_masked & (block == current))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 99),
    num_prefix=st.integers(1, 9),
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    block_length=st.integers(1, 8),
    options=st.builds(
        DecodePlan,
        num_steps=st.integers(1, 24),
        schedule=st.sampled_from(get_args(Schedule)),
        block_add_threshold=st.floats(0, 1),
        decoded_token_threshold=st.floats(0, 1),
    ),
)
def test_every_step_commits_within_its_blocks_and_every_run_ends(
    seed: int, num_prefix: int, lengths: list[int], block_length: int, options: DecodePlan
) -> None:
    blocks = BlockPipeline(block_length, options)
    constraint = Constraint(
        CONFIG,
        VOCABULARY,
        Boundaries(VOCABULARY, b"", b""),
        InfillRequest("", ""),
        max_length=48,
        is_resizing=False,
        blocks=blocks,
    )
    generator = torch.Generator().manual_seed(seed)

    def predict(canvas: Canvas) -> Tensor:
        return 8 * torch.randn(int(canvas.is_masked.sum()), VOCAB_SIZE, generator=generator)

    before = Canvas.open([1] * num_prefix, [], lengths, CONFIG.mask_token_id)
    steps = denoise(
        before,
        decoding(before, predict),
        constraint,
        options,
        pace=Pace(options),
        cancel=CancelToken(),
    )
    num_taken = 0
    for canvas in steps:
        num_taken += 1
        committed = before.is_masked & ~canvas.is_masked
        assert torch.equal(committed.any(dim=1), before.is_masked.any(dim=1))
        if num_taken < options.num_steps:
            assert not (committed & ~blocks.eligibility(before).is_open).any()
        before = canvas
    assert num_taken <= options.num_steps
    assert not before.is_masked.any()
