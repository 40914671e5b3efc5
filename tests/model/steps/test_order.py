"""The learned order: what its head sees, and that the loop follows it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.errors import CheckpointError
from dlm_model.request import CancelToken, InfillRequest
from dlm_model.steps.order import NUM_FEATURES, ORDER_FILE, CommitOrder, features, load_order
from dlm_model.steps.selection import Guess
from tests.model.tiny_checkpoints import write_checkpoint

MASK = 90


def committed(*token_ids: int) -> Canvas:
    canvas = Canvas.open([1], [2], [len(token_ids)], MASK)
    ids = torch.tensor([token_ids])
    return canvas.guess(ids, torch.full(ids.shape, 0.5)).commit(ids != MASK)


def guess(num_positions: int) -> Guess:
    half = torch.full((num_positions,), 0.5)
    zeros = torch.zeros(num_positions)
    return Guess(**(dict.fromkeys(Guess._fields, zeros) | {"confidence": half, "gap": half * torch.inf}))


def test_the_head_sees_how_far_away_the_next_visible_tokens_are() -> None:
    seen = features(committed(MASK, MASK, 7, MASK, MASK, MASK), guess(5))
    assert seen.shape == (5, NUM_FEATURES)
    assert seen[:, 3].exp().round().tolist() == [1, 2, 1, 2, 3]
    assert seen[:, 4].exp().round().tolist() == [2, 1, 3, 2, 1]
    assert seen.isfinite().all()


def test_the_loop_commits_what_the_head_prefers(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "llama-gqa-untied")
    save_file(farthest_first().state_dict(), tmp_path / ORDER_FILE)
    engine = load_engine(str(tmp_path), "cpu")
    options = DecodeOptions(num_steps=5, schedule="linear", selection="learned", middle_length=5)
    first = next(engine.infill(InfillRequest("", ""), options, CancelToken()))
    states = [piece.state for piece in first.pieces for _ in range(piece.num_tokens)]
    assert states == ["guessed", "guessed", "committed", "guessed", "guessed"]


def farthest_first() -> CommitOrder:
    """A head that likes positions far from anything visible on both sides, and looks at nothing else."""
    order = CommitOrder()
    for parameter in order.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        order.hidden.weight[0, 3:] = 1.0
        order.output.weight[0, 0] = 1.0
    return order


def test_a_checkpoint_without_a_head_has_no_order(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "qwen2-tied")
    assert load_order(tmp_path) is None


def test_a_broken_head_is_named(tmp_path: Path) -> None:
    (tmp_path / ORDER_FILE).write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="is not a commit order"):
        load_order(tmp_path)


def test_the_engine_reads_the_head_beside_the_weights(causal_engine: Engine, fixed_engine: Engine) -> None:
    assert causal_engine.decoder.order is not None
    assert fixed_engine.decoder.order is None
