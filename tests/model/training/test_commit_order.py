"""Training a commit order: it learns which guesses are right, from steps like those of a fill."""

from pathlib import Path

import pytest
import torch

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.opening import Opening
from dlm_model.request import InfillRequest
from dlm_model.steps.order import NUM_FEATURES
from dlm_model.training import commit_order
from dlm_model.training.commit_order import Observation, compare, observe, train_order, write_order
from dlm_model.training.evaluate import LineTask
from tests.model.tiny_checkpoints import CAUSAL, write_checkpoint

TASKS = [LineTask("def foo(self):\n    ", "return self.value", "\n"), LineTask("x = ", "1", "\n")]


def observations(num_lines: int, seed: int) -> list[Observation]:
    """Lines in which the place of a guess tells whether it is right, and confidence tells the opposite."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(num_lines):
        seen = torch.randn(6, NUM_FEATURES, generator=draw)
        found.append(Observation(seen, confidence=-seen[:, 3], is_right=seen[:, 3] > 0.5))
    return found


def test_the_head_learns_what_confidence_does_not_know() -> None:
    unseen = observations(60, seed=1)
    measured = compare(train_order(observations(60, seed=0)), unseen)
    possible = sum(bool(each.is_right.any()) for each in unseen) / len(unseen)
    assert measured.learned > possible - 0.05
    assert measured.confidence < 0.3


def test_a_line_is_cut_out_as_the_engine_cuts_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, "llama-gqa-untied", CAUSAL)
    engine = load_engine(str(tmp_path), "cpu")
    seen: list[Canvas] = []
    monkeypatch.setattr(commit_order, "_observe", lambda _network, canvas, _truth: seen.append(canvas))
    task = LineTask("def foo(self):\n    ret", "urn self.va", "lue\n")
    list(observe(engine.network, engine.tokenizer, [task] * 9))
    request = InfillRequest(task.prefix, task.suffix)
    opening = Opening.read(request, DecodeOptions(), engine.tokenizer, engine.network.config)
    for canvas in seen:
        assert canvas.prefix_ids.tolist() == opening.prefix_ids
        assert canvas.suffix_ids.tolist() == opening.suffix_ids
        assert not canvas.is_masked[0, 0], "the engine spells the boundaries before it asks for an order"
        assert not canvas.is_masked[0, -1]
    spellings = {engine.tokenizer.spell(canvas.as_draft().token_ids[0].tolist()) for canvas in seen}
    assert all(spelling.startswith(opening.head.spelling) for spelling in spellings)
    assert len(seen) == 9


def test_a_step_is_observed_for_every_line_of_several_tokens(tmp_path: Path) -> None:
    folder = tmp_path
    write_checkpoint(folder, "llama-gqa-untied", CAUSAL)
    engine: Engine = load_engine(str(folder), "cpu")
    found = list(observe(engine.network, engine.tokenizer, TASKS * 4))
    assert len(found) == 4
    for each in found:
        assert each.features.shape == (len(each.confidence), NUM_FEATURES)
        assert 2 <= len(each.is_right) <= len(engine.tokenizer.encode(TASKS[0].line).ids)
    write_order(train_order(found), folder)
    assert load_engine(str(folder), "cpu").decoder.order is not None
