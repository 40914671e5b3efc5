"""The specification: softmax statistics of a batch of logits, computed in fp32 from stored probabilities."""

from typing import NamedTuple

from torch import Tensor


class TokenStatistics(NamedTuple):
    """What one step knows about N masked positions; probabilities [N, V] in fp32, the rest [N].

    Attributes:
        probabilities: The distribution itself.
        confidence: Highest probability.
        margin: Highest minus second highest.
        entropy: In nats.
    """

    probabilities: Tensor
    confidence: Tensor
    margin: Tensor
    entropy: Tensor


def token_statistics(logits: Tensor) -> TokenStatistics:
    """Statistics of logits [N, V]; tokens ruled out by -inf have probability 0 and add nothing to the entropy."""
    log_probabilities = logits.float().log_softmax(dim=-1)
    probabilities = log_probabilities.exp()
    best, second = probabilities.topk(2, dim=-1).values.unbind(dim=-1)
    entropy = -(probabilities * log_probabilities.clamp_min(-1e4)).sum(dim=-1)
    return TokenStatistics(probabilities, best, best - second, entropy)
