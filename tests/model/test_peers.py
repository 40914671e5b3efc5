"""The peers of the latency bench on a tiny network; the published loops are played by code of their shape."""

import sys
from pathlib import Path

import pytest
from transformers import LlamaForCausalLM

from dlm_model.engine import Engine
from tests.bench.latency import parser
from tests.bench.peers import _as_causal_model, measure_peers
from tests.bench.report import GateError
from tests.model.tiny_checkpoints import CAUSAL, write_checkpoint

DREAM = {
    "configuration_dream.py": """
class DreamConfig:
    def __init__(self, **shape):
        self.shape = shape
""",
    "modeling_dream.py": """
from torch import nn

class DreamModel(nn.Linear):
    def __init__(self, config):
        super().__init__(config.shape["hidden_size"], 2)

    def diffusion_generate(self, ids, *, max_new_tokens, steps, temperature, alg):
        assert ids.shape == (1, 16) and (max_new_tokens, steps, temperature, alg) == (4, 2, 0.0, "entropy")
""",
    "generation_utils_block.py": """
class DreamGenerationMixin:
    def diffusion_generate(self, ids, *, max_new_tokens, steps, temperature, alg, block_length):
        assert block_length == max_new_tokens
        self._sample()

    def _sample(self):
        assert self.in_features == 32
""",
    "generator.py": """
from dataclasses import dataclass

@dataclass
class MDMGeneratorArgs:
    steps: int = 512

class MDMGenerator:
    def __init__(self, cfg, model, tokenizer):
        self.cfg, self.tokenizer = cfg, tokenizer

    def batch_generate(self, ids):
        assert ids.shape == (1, 20) and self.cfg.steps == 4
        assert (ids == self.tokenizer.mask_id).nonzero()[:, 1].tolist() == [8, 9, 10, 11]
""",
}


@pytest.fixture
def dream_code(tmp_path: Path) -> Path:
    for name, text in DREAM.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_every_peer_that_is_named_gets_a_row(causal_engine: Engine, dream_code: Path) -> None:
    arguments = parser().parse_args(["--dream-code", str(dream_code), "--dreamon-code", str(dream_code)])
    assert arguments.dream_python == sys.executable
    rows = list(measure_peers(causal_engine, ((16, 4),), arguments, 2))
    assert [(row.policy, row.prompt_tokens, row.middle_tokens) for row in rows] == [
        ("transformers generate, left to right", 16, 4),
        ("Dream's loop, 2 steps", 16, 4),
        ("Fast-dLLM's loop, 2 steps", 16, 4),
        ("DreamOn's loop, 4 steps", 16, 4),
    ]
    for row, num_steps in zip(rows, (4, 2, 2, 4), strict=True):
        assert row.ms_per_fill is not None
        assert row.ms_per_step == pytest.approx(row.ms_per_fill / num_steps)


def test_a_loop_that_breaks_is_one_sentence(causal_engine: Engine, dream_code: Path) -> None:
    (dream_code / "modeling_dream.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    arguments = parser().parse_args(["--dream-code", str(dream_code)])
    with pytest.raises(GateError, match="do not run with"):
        list(measure_peers(causal_engine, ((16, 4),), arguments, 2))


def test_the_model_of_transformers_holds_our_weights(causal_engine: Engine, tmp_path: Path) -> None:
    model, oracle = _as_causal_model(causal_engine.network), write_checkpoint(tmp_path, "llama-gqa-untied", CAUSAL)
    assert isinstance(model, LlamaForCausalLM)
    weights = oracle.state_dict()
    for name, weight in model.state_dict().items():
        assert (weight.float() - weights[name]).abs().max() <= 1e-2
