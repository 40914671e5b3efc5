"""Adapters: nothing changes when they are added, only they are trained, and merging keeps what they learned."""

from pathlib import Path

import pytest
import torch

from dlm_model.network.transformer import Transformer
from dlm_model.training import adapters
from dlm_model.training.adapters import add_adapters, merge_adapters, trained_state
from tests.model.tiny_checkpoints import load_network

TOKEN_IDS = torch.tensor([[5, 9, 317, 30], [0, 318, 7, 319]])
POSITION_IDS = torch.arange(4).expand_as(TOKEN_IDS)


@pytest.fixture(params=["resizing_folder", "tied_folder"])
def network(request: pytest.FixtureRequest) -> Transformer:
    folder: Path = request.getfixturevalue(request.param)
    return load_network(folder)


def logits(network: Transformer) -> torch.Tensor:
    with torch.no_grad():
        return adapters.logits(network, network(TOKEN_IDS, POSITION_IDS))


def disturb(network: Transformer) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in trained_state(network).values():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))


def test_fresh_adapters_change_nothing(network: Transformer) -> None:
    before = logits(network)
    add_adapters(network, rank=4, alpha=8, num_trained_rows=3)
    torch.testing.assert_close(logits(network), before)


def test_merging_keeps_what_was_learned_and_restores_the_names(network: Transformer) -> None:
    names = set(network.state_dict())
    before = logits(network)
    add_adapters(network, rank=4, alpha=8, num_trained_rows=3)
    disturb(network)
    learned = logits(network)
    merge_adapters(network)
    torch.testing.assert_close(logits(network), learned, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(learned, before, atol=0.1)
    assert set(network.state_dict()) == names
    assert not trained_state(network)


def test_only_the_added_rows_of_the_embedding_are_trained(network: Transformer) -> None:
    original = network.embed_tokens.weight.clone()
    add_adapters(network, rank=4, alpha=8, num_trained_rows=3)
    disturb(network)
    merge_adapters(network)
    changed = (network.embed_tokens.weight != original).any(dim=1)
    assert changed.nonzero().flatten().tolist() == [317, 318, 319]


def test_every_trained_weight_gets_a_gradient(network: Transformer) -> None:
    add_adapters(network, rank=4, alpha=8, num_trained_rows=3)
    disturb(network)
    adapters.logits(network, network(TOKEN_IDS, POSITION_IDS)).square().sum().backward()
    without = [name for name, weight in trained_state(network).items() if weight.grad is None or not weight.grad.any()]
    assert not without
