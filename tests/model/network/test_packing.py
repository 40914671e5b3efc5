"""Matrices in blocks, on tiny checkpoints: the same numbers as without, in the same places."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dlm_model.device import default_dtype
from dlm_model.engine import load_engine
from dlm_model.network import packing
from dlm_model.network.config import ModelConfig
from dlm_model.network.packing import PackedLinear, pack
from dlm_model.network.transformer import Transformer
from dlm_model.network.weights import load_transformer
from tests.model.families.published_checkpoints import PUBLISHED

CPU = torch.device("cpu")
DTYPES = [
    torch.float32,
    pytest.param(
        torch.bfloat16,
        marks=pytest.mark.skipif(
            default_dtype(CPU) != torch.bfloat16, reason="this processor has no instructions for bf16"
        ),
    ),
]


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Transformer:
    return load_transformer(folder, ModelConfig.from_checkpoint(folder), device=CPU, dtype=dtype)


def logits(network: Transformer, num_tokens: int) -> Tensor:
    tokens = torch.arange(2 * num_tokens).view(2, num_tokens)
    with torch.inference_mode():
        return network.logits(network(tokens, torch.arange(num_tokens).expand(2, -1)))


@pytest.mark.parametrize("num_tokens", [1, 20])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["causal_folder", "fixed_folder"])
def test_blocks_change_no_number(
    name: str, dtype: torch.dtype, num_tokens: int, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(name)
    network = load(folder, dtype)
    wanted = logits(network, num_tokens)
    pack(network)
    found = logits(network, num_tokens)
    if dtype == torch.bfloat16:
        assert torch.equal(found, wanted)
    else:
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("has_bias", [False, True])
def test_one_product(has_bias: bool) -> None:
    linear = nn.Linear(24, 40, bias=has_bias).requires_grad_(False)
    x = torch.randn(2, 5, 24)[:, 1:4]
    nothing = x[:, :0]
    packed = PackedLinear(linear.weight, linear.bias)
    torch.testing.assert_close(packed(x), linear(x))
    assert packed(nothing).shape == linear(nothing).shape
    assert torch.equal(packed.weight.to_dense(), linear.weight)


def test_every_matrix_of_an_engine_is_in_blocks_once(causal_folder: Path) -> None:
    network = load_engine(str(causal_folder), "cpu").network
    matrices = [module for module in network.modules() if isinstance(module, PackedLinear)]
    assert len(matrices) == 3 * 7 + 1
    assert not any(isinstance(module, nn.Linear) for module in network.modules())


def test_a_guide_with_the_same_head_shares_its_blocks() -> None:
    engine = load_engine(None, "cpu")
    guide = engine.decoder.guides._own[0]
    assert guide is not engine.network
    assert isinstance(guide.lm_head, PackedLinear)
    assert guide.lm_head is engine.network.lm_head


def test_a_guide_keeps_its_own_head(fixed_folder: Path) -> None:
    network, guide = load(fixed_folder), load(fixed_folder)
    guide.embed_tokens = network.embed_tokens
    guide.lm_head.weight.data.neg_()
    wanted = logits(guide, 3)
    pack(network)
    pack(guide, like=network)
    torch.testing.assert_close(logits(guide, 3), wanted, rtol=1e-5, atol=1e-5)


def test_a_router_stays_as_it_is(tmp_path: Path) -> None:
    PUBLISHED["llada-moe"](tmp_path)
    network = load(tmp_path)
    wanted = logits(network, 7)
    pack(network)
    torch.testing.assert_close(logits(network, 7), wanted, rtol=1e-5, atol=1e-5)
    assert {type(module).__name__ for module in network.modules() if isinstance(module, nn.Linear)} == {"Router"}


@pytest.mark.parametrize(("name", "value"), [("_can_pack", lambda: False), ("MAX_PACKED_BYTES", 1000)])
def test_without_the_operators_or_the_memory_nothing_changes(
    name: str, value: object, causal_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, name, value)
    network = load(causal_folder)
    wanted = logits(network, 3)
    pack(network)
    assert not any(isinstance(module, PackedLinear) for module in network.modules())
    assert torch.equal(logits(network, 3), wanted)
