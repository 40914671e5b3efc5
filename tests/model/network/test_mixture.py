"""The experts of a token and their weights by hand, for each way to multiply tokens by experts."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from dlm_model.device import send
from dlm_model.network.experts import Experts
from dlm_model.network.mixture import Mixture, Router
from dlm_model.network.mixture_config import MAX_FOR_EVERYBODY, MixtureConfig
from tests.model.pretended_cuda import CUDA, PretendedCuda, move

GROUPED = MixtureConfig(
    num_experts=6,
    num_active_experts=2,
    expert_size=8,
    score_function="sigmoid",
    normalizes_weights=True,
    weight_scale=2.5,
    has_expert_bias=True,
    num_groups=3,
    num_active_groups=1,
)
# Scores of one token with one feature: the router's weights are their logits.
SCORES = torch.tensor([0.9, 0.1, 0.6, 0.5, 0.3, 0.2])


def routed(config: MixtureConfig, bias: Tensor) -> tuple[list[float], list[int]]:
    router = Router(1, config)
    router.weight.data = (SCORES.logit() if config.score_function == "sigmoid" else SCORES.log())[:, None]
    router.expert_bias.data = bias
    weights, picked = router.route(torch.ones(1, 1))
    return weights[0].tolist(), picked[0].tolist()


def test_a_group_counts_by_its_best_two_and_the_rest_of_the_experts_are_out_of_reach() -> None:
    # Groups: .9 + .1, .6 + .5, .3 + .2. The best expert of all is not in the best group.
    weights, picked = routed(GROUPED, torch.zeros(6))
    assert picked == [2, 3]
    assert weights == pytest.approx([2.5 * 0.6 / 1.1, 2.5 * 0.5 / 1.1])


def test_a_bias_chooses_and_does_not_weigh() -> None:
    # The first group is the best now, 1.9 to 1.1, and in it the second expert, 1.0 to .9, whose weight is the smaller.
    weights, picked = routed(GROUPED, torch.tensor([0.0, 0.9, 0.0, 0.0, 0.0, 0.0]))
    assert picked == [1, 0]
    assert weights == pytest.approx([2.5 * 0.1 / 1.0, 2.5 * 0.9 / 1.0])


def test_without_groups_the_best_experts_are_picked() -> None:
    weights, picked = routed(replace(GROUPED, num_groups=1, normalizes_weights=False, weight_scale=1.0), torch.zeros(6))
    assert picked == [0, 2]
    assert weights == pytest.approx([0.9, 0.6])


def test_softmax_weights_are_shares_of_all_experts_unless_they_are_summed_to_one() -> None:
    plain = MixtureConfig(num_experts=6, num_active_experts=2, expert_size=8, has_expert_bias=True)
    weights, picked = routed(plain, torch.zeros(6))
    assert picked == [0, 2]
    assert weights == pytest.approx([0.9 / 2.6, 0.6 / 2.6])
    assert routed(replace(plain, normalizes_weights=True), torch.zeros(6))[0] == pytest.approx([0.9 / 1.5, 0.6 / 1.5])


class _Weight(Tensor):
    """A matrix in fewer bits is a tensor of a class of its own."""


class _Rounded(nn.Module):
    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.data.as_subclass(_Weight), requires_grad=False)


class Expert(nn.Module):
    """SwiGLU with the names that checkpoints have."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(16, 8, bias=False), nn.Linear(16, 8, bias=False)
        self.down_proj = nn.Linear(8, 16, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return made


def mixture_of(dtype: torch.dtype = torch.float32, *, has_shared: bool = False) -> Mixture:
    torch.manual_seed(0)
    mixture = Mixture(16, GROUPED, [Expert() for _ in range(6)], Expert() if has_shared else None)
    # The last two experts win nowhere, so that there are some without a token.
    mixture.gate.expert_bias.data = torch.tensor([5.0, 5.0, 5.0, 5.0, 0.0, 0.0])
    return mixture.to(dtype)


def one_by_one(_mixture: Mixture) -> None:
    """The mixture as it is made."""


def by_everybody(mixture: Mixture) -> None:
    mixture.stack(is_grouped=False)


def slice_by_slice(mixture: Mixture) -> None:
    """`by_everybody` with more tokens than it multiplies by all experts."""
    mixture.stack(is_grouped=False)
    mixture.experts.max_tokens_unwatched = 0


def grouped(mixture: Mixture) -> None:
    mixture.stack(is_grouped=True)


has_grouped_mm = pytest.mark.skipif(not hasattr(nn.functional, "grouped_mm"), reason="needs PyTorch 2.10")
UNWATCHED = [by_everybody, pytest.param(grouped, marks=has_grouped_mm)]
WAYS = [one_by_one, slice_by_slice, *UNWATCHED]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("has_shared", [False, True])
def test_every_token_gets_what_its_experts_make_of_it(has_shared: bool, way: Callable[[Mixture], None]) -> None:
    mixture = mixture_of(has_shared=has_shared)
    experts, shared = list(mixture.experts), mixture.shared_experts
    way(mixture)
    x = torch.randn(2, 5, 16)
    actual = mixture(x)
    for row, column in ((row, column) for row in range(2) for column in range(5)):
        token = x[row, column]
        weights, picked = (each[0] for each in mixture.gate.route(token[None]))
        assert set(picked.tolist()) <= {0, 1, 2, 3}
        expected = sum(weight * experts[index](token) for weight, index in zip(weights, picked.tolist(), strict=True))
        expected = expected if shared is None else expected + shared(token)
        torch.testing.assert_close(actual[row, column], expected)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("num_tokens", [1, 200])
def test_in_bf16_all_ways_are_within_its_rounding(num_tokens: int, way: Callable[[Mixture], None]) -> None:
    x = torch.randn(num_tokens, 16, generator=torch.Generator().manual_seed(1)).bfloat16()
    exact = mixture_of(torch.bfloat16).float()(x.float())
    mixture = mixture_of(torch.bfloat16)
    way(mixture)
    found = mixture(x)
    assert found.dtype == torch.bfloat16
    assert (found.float() - exact).norm() < 2**-7 * exact.norm()


@pytest.mark.parametrize("way", UNWATCHED)
def test_a_gpu_does_not_make_the_cpu_wait(way: Callable[[Mixture], None]) -> None:
    mixture = mixture_of()
    way(mixture)
    with PretendedCuda() as device:
        tokens = send(torch.randn(9, 16), CUDA)
        move(mixture)(tokens)
    assert not device.waits


def test_more_tokens_than_are_for_everybody_are_looked_up() -> None:
    mixture = mixture_of()
    mixture.stack(is_grouped=False)
    x = torch.randn(MAX_FOR_EVERYBODY + 1, 16)
    with PretendedCuda() as device:
        move(mixture)(send(x, CUDA))
    assert [line for line in device.waits if line.startswith("experts.py")]


@pytest.mark.parametrize("change", [lambda _: nn.Linear(16, 8), lambda expert: _Rounded(expert.gate_proj)])
def test_only_plain_matrices_are_put_together(change: Callable[[Expert], nn.Module]) -> None:
    mixture = mixture_of()
    for expert in mixture.experts:
        expert.gate_proj = change(expert)
    mixture.stack(is_grouped=True)
    assert type(mixture.experts) is Experts


def test_a_router_in_bf16_tells_experts_apart_whose_scores_bf16_does_not() -> None:
    router = Router(2, MixtureConfig(num_experts=2, num_active_experts=1, expert_size=8)).to(torch.bfloat16)
    router.weight.data = torch.tensor([[1.0, 0.0], [1.0, 2**-9]], dtype=torch.bfloat16)
    token = torch.ones(1, 2, dtype=torch.bfloat16)
    assert len(set(router(token)[0].tolist())) == 1
    assert router.route(token)[1].tolist() == [[1]]
