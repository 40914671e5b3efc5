"""Which experts a token passes and what for, by hand, and that sorting tokens by expert changes nothing."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from dlm_model.mixture import Mixture, Router
from dlm_model.mixture_config import MixtureConfig

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


@pytest.mark.parametrize("has_shared", [False, True])
def test_every_token_gets_what_its_experts_make_of_it(has_shared: bool) -> None:
    torch.manual_seed(0)
    experts, shared = [nn.Linear(4, 4) for _ in range(6)], nn.Linear(4, 4) if has_shared else None
    mixture = Mixture(4, GROUPED, experts, shared)
    # The last two groups win nowhere, so that there are experts without a token.
    mixture.gate.expert_bias.data = torch.tensor([5.0, 5.0, 5.0, 5.0, 0.0, 0.0])
    x = torch.randn(2, 5, 4)
    actual = mixture(x)
    for row, column in ((row, column) for row in range(2) for column in range(5)):
        token = x[row, column]
        weights, picked = (each[0] for each in mixture.gate.route(token[None]))
        assert set(picked.tolist()) <= {0, 1, 2, 3}
        expected = sum(weight * experts[index](token) for weight, index in zip(weights, picked.tolist(), strict=True))
        expected = expected if shared is None else expected + shared(token)
        torch.testing.assert_close(actual[row, column], expected)


def test_a_router_in_bf16_tells_experts_apart_whose_scores_bf16_does_not() -> None:
    router = Router(2, MixtureConfig(num_experts=2, num_active_experts=1, expert_size=8)).to(torch.bfloat16)
    router.weight.data = torch.tensor([[1.0, 0.0], [1.0, 2**-9]], dtype=torch.bfloat16)
    token = torch.ones(1, 2, dtype=torch.bfloat16)
    assert len(set(router(token)[0].tolist())) == 1
    assert router.route(token)[1].tolist() == [[1]]
