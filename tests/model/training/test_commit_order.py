"""Training a commit order: it learns which guesses are right, from steps like those of a fill."""

from pathlib import Path

import torch

from dlm_model.engine import Engine, load_engine
from dlm_model.order import NUM_FEATURES
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
