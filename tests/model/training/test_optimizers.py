"""Which weights decay, and that the moments of all trained weights outlive a run."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dlm_model.training.optimizers import OptimizerName, build_optimizers, set_learning_rate
from dlm_model.training.run_state import Progress, gather_state, load_moments, save_state

NAMES = ("embed_tokens.weight", "layers.0.self_attn.q_proj.weight", "layers.0.input_layernorm.weight", "lm_head.weight")


def weights() -> dict[str, Tensor]:
    return {name: torch.ones(4 if "norm" in name else (4, 4), requires_grad=True) for name in NAMES}


def step(trained: dict[str, Tensor], name: OptimizerName, gradient: float) -> list[torch.optim.Optimizer]:
    optimizers = build_optimizers(trained, name, weight_decay=0.5)
    set_learning_rate(optimizers, 0.1)
    for weight in trained.values():
        weight.grad = torch.full_like(weight, gradient)
    for optimizer in optimizers:
        optimizer.step()
    return optimizers


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_the_matrices_of_the_layers_decay_and_nothing_else(name: OptimizerName) -> None:
    trained = weights()
    step(trained, name, gradient=0.0)
    shrunk = {key for key, weight in trained.items() if not torch.equal(weight, torch.ones_like(weight))}
    assert shrunk == {"layers.0.self_attn.q_proj.weight"}
    torch.testing.assert_close(trained["layers.0.self_attn.q_proj.weight"].detach(), torch.full((4, 4), 0.95))


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_every_moment_comes_back(name: OptimizerName, tmp_path: Path) -> None:
    trained = weights()
    before = step(trained, name, gradient=1.0)
    save_state(tmp_path / "state.safetensors", Progress("any", step=1), gather_state(trained, before))
    after = build_optimizers(trained, name, weight_decay=0.5)
    load_moments(tmp_path / "state.safetensors", trained, after)
    for old, new in zip(before, after, strict=True):
        assert old.state.keys() == new.state.keys()
        for weight, state in old.state.items():
            for kind, value in state.items():
                assert torch.equal(torch.as_tensor(new.state[weight][kind]), torch.as_tensor(value)), kind
