"""Which positions a step prefers, and what it would put there. Pure functions of one step's distributions."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dlm_kernels.confidence import TokenStatistics, token_statistics
from dlm_model.request import Selection


class Guess(NamedTuple):
    """One step's predictions at N masked positions, all [N]; or spread over a canvas, all [B, T].

    Attributes:
        predicted_ids: The token each position would get.
        confidence: Probability of that token before any temperature.
        entropy: Of the whole distribution, in nats.
        score: What positions are ranked by; higher is committed first.
    """

    predicted_ids: Tensor
    confidence: Tensor
    entropy: Tensor
    score: Tensor

    def spread(self, is_masked: Tensor) -> "Guess":
        """The same predictions at their places on a canvas, row by row; zeros elsewhere."""
        return Guess(*(torch.zeros(is_masked.shape, dtype=part.dtype).masked_scatter(is_masked, part) for part in self))


# LLaDA's low-confidence rule (arXiv 2502.09992) is `confidence`, Dream's topk_margin and entropy (arXiv 2508.15487)
# are the next two, and the original masked-diffusion sampler (arXiv 2406.07524) is `random`.
_SCORES: dict[Selection, Callable[[TokenStatistics, Tensor, torch.Generator], Tensor]] = {
    "confidence": lambda statistics, confidence, generator: confidence,  # noqa: ARG005 - one signature for all four
    "margin": lambda statistics, confidence, generator: statistics.margin,  # noqa: ARG005
    "entropy": lambda statistics, confidence, generator: -statistics.entropy,  # noqa: ARG005
    "random": lambda statistics, confidence, generator: torch.rand(confidence.shape, generator=generator),  # noqa: ARG005
}


def guess_tokens(
    logits: Tensor, temperature: Tensor, *, top_p: float, selection: Selection, generator: torch.Generator
) -> Guess:
    """Predict a token for every masked position and score the positions.

    Args:
        logits: [N, V]; -inf rules a token out. A row that rules out everything is not allowed.
        temperature: [N]; 0 takes the most probable token.
        top_p: Sampled tokens come from the smallest set holding this probability mass.
        selection: How positions are ranked.
        generator: On the CPU; the only source of randomness.
    """
    statistics = token_statistics(logits)
    predicted_ids = statistics.probabilities.argmax(dim=-1).cpu()
    is_sampled = temperature > 0
    if is_sampled.any():
        warmed = logits[is_sampled.to(logits.device)].float().cpu() / temperature[is_sampled, None]
        nucleus = _nucleus(warmed.softmax(dim=-1), top_p)
        predicted_ids[is_sampled] = nucleus.multinomial(1, generator=generator).squeeze(-1)
    columns = predicted_ids[:, None].to(logits.device)
    confidence = statistics.probabilities.gather(1, columns).squeeze(-1).cpu()
    score = _SCORES[selection](statistics, confidence, generator).cpu()
    return Guess(predicted_ids, confidence, statistics.entropy.cpu(), score)


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero everything outside the smallest set of tokens that holds `top_p` (arXiv 1904.09751), [N, V]."""
    if top_p >= 1:
        return probabilities
    ordered, order = probabilities.sort(dim=-1, descending=True)
    is_outside = ordered.cumsum(dim=-1) - ordered >= top_p
    return torch.zeros_like(probabilities).scatter(1, order, ordered.masked_fill(is_outside, 0.0))
