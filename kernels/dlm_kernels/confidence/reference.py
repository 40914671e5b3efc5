"""The specification: softmax statistics of logits, computed in fp32 from stored probabilities."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class TokenStatistics(NamedTuple):
    """What one step knows of N masked positions; probabilities [N, V] in fp32, all others [N].

    Attributes:
        probabilities: The distribution itself.
        confidence: Highest probability.
        margin: Highest minus second highest.
        gap: Highest minus second highest logit; infinite where all tokens but one are ruled out.
        entropy: In nats.
    """

    probabilities: Tensor
    confidence: Tensor
    margin: Tensor
    gap: Tensor
    entropy: Tensor


def token_statistics(logits: Tensor) -> TokenStatistics:
    """Statistics of logits [N, V]; tokens ruled out by -inf have probability 0 and add nothing to the entropy."""
    log_probabilities = logits.float().log_softmax(dim=-1)
    probabilities = log_probabilities.exp()
    highest = log_probabilities.topk(2, dim=-1).values
    best, second = highest.exp().unbind(dim=-1)
    # Not from the probabilities: where the best rounds to 1, the second may round to 0.
    gap = highest[:, 0] - highest[:, 1]
    entropy = -(probabilities * log_probabilities.clamp_min(-1e4)).sum(dim=-1)
    return TokenStatistics(probabilities, best, best - second, gap, entropy)


class HeadStatistics(NamedTuple):
    """What is needed of N distributions when nothing is sampled, all [N]: as `TokenStatistics`, and the best token."""

    predicted_ids: Tensor
    confidence: Tensor
    margin: Tensor
    gap: Tensor
    entropy: Tensor


def head_statistics(hidden: Tensor, weight: Tensor, is_banned: Tensor) -> HeadStatistics:
    """Statistics of the tokens that the head predicts.

    Args:
        hidden: [N, C]
        weight: [V, C], the head.
        is_banned: [V], tokens that are ruled out; at least two are not.
    """
    logits = F.linear(hidden.float(), weight.float()).masked_fill(is_banned, -torch.inf)
    statistics = token_statistics(logits)
    return HeadStatistics(statistics.probabilities.argmax(dim=-1), *statistics[1:])
