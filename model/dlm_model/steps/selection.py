"""A guess for each position that the canvas asks about, from logits or a random draw, and a score to rank it by."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dlm_kernels.confidence import token_statistics
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodePlan, Selection
from dlm_model.device import send

NUCLEUS_TOKENS = 256
"""A nucleus is first looked for among this many of the most probable tokens, since it rarely holds more. For 128
positions this took 21 ms; sorting the whole vocabulary took 556 ms."""


Predictor = Callable[[Canvas], Tensor]
"""One forward pass: canvas → logits [N, V] of the N positions that the canvas asks about, row by row."""


class Guess(NamedTuple):
    """One step's predictions at the N positions asked about, all [N]; or spread over a canvas, all [B, T].

    Attributes:
        predicted_ids: The token each position would get.
        confidence: Probability of that token before any temperature.
        entropy: Of the whole distribution, in nats.
        score: Ranks the positions; the highest is committed first.
        gap: How far the best logit is above the second.
        current: Probability of the token that is there now, or was guessed there last.
        num_stable: Steps in a row in which the distribution hardly changed; 0 if they are not counted.
        is_guided: In a row that a guide has a say in.
        is_settled: The diffusion model and its guide have predicted the token together; only where guided. Elsewhere in
            such a row, a mask further left is unsettled.
        is_vetoed: A guide that checks objects to the token, or to one left of it.
    """

    predicted_ids: Tensor
    confidence: Tensor
    entropy: Tensor
    score: Tensor
    gap: Tensor
    current: Tensor
    num_stable: Tensor
    is_guided: Tensor
    is_settled: Tensor
    is_vetoed: Tensor

    def spread(self, is_asked: Tensor) -> "Guess":
        """The same predictions at their places on a canvas, row by row; zeros elsewhere."""
        return Guess(*(torch.zeros(is_asked.shape, dtype=part.dtype).masked_scatter(is_asked, part) for part in self))


Judge = Callable[[Canvas, Tensor, Guess], tuple[Tensor, Guess]]
"""Canvas, logits [N, V] and guess [N] → the logits that the next judge gets, and the guess with other tokens or scores,
or with fields that only the judge can fill: whether a guide has settled a token, and for how many steps a position has
been stable."""


def guess_tokens(
    logits: Tensor,
    temperature: Tensor,
    current_ids: Tensor,
    options: DecodePlan,
    generator: torch.Generator,
) -> Guess:
    """Predict a token for every position asked about and score the positions.

    Args:
        logits: [N, V]; -inf rules a token out. A row that rules out everything is not allowed.
        temperature: [N]; 0 takes the most probable token.
        current_ids: [N], the token that is there now, or was guessed there last; the mask token if there is none.
        options: `top_p`, the probability mass of the smallest set that is sampled from; `selection`, how positions are
            ranked.
        generator: On the CPU; the only source of randomness.
    """
    statistics = token_statistics(logits)
    best_ids = statistics.probabilities.argmax(dim=-1)
    current = statistics.probabilities.gather(1, send(current_ids, logits.device)[:, None]).squeeze(-1)
    # One transfer: each waits for the device. A token id is exact in fp32.
    best_ids, confidence, margin, gap, entropy, current = torch.stack(
        (best_ids.float(), statistics.confidence, statistics.margin, statistics.gap, statistics.entropy, current)
    ).cpu()
    predicted_ids = best_ids.long()
    is_sampled = temperature > 0
    if is_sampled.any():
        rows = send(is_sampled.nonzero()[:, 0], logits.device)
        drawn = sample(logits[rows], temperature[is_sampled], options.top_p, generator)
        predicted_ids[is_sampled], confidence[is_sampled] = drawn.token_ids, drawn.probability
    score = _score(options.selection, confidence, margin, entropy, generator)
    nowhere = torch.zeros_like(is_sampled)
    return Guess(
        predicted_ids,
        confidence,
        entropy,
        score,
        gap,
        current,
        num_stable=torch.zeros_like(predicted_ids),
        is_guided=nowhere,
        is_settled=nowhere,
        is_vetoed=nowhere,
    )


def _score(
    selection: Selection, confidence: Tensor, margin: Tensor, entropy: Tensor, generator: torch.Generator
) -> Tensor:
    """Scores that rank the positions, [N].

    LLaDA's low-confidence rule (arXiv 2502.09992) is `confidence`, Dream's topk_margin and entropy (arXiv 2508.15487)
    are the next two, and the original masked-diffusion sampler (arXiv 2406.07524) is `random`.
    """
    match selection:
        # The learned order judges the guess afterwards; `choose` knows what is leftmost.
        case "confidence" | "learned" | "leftmost":
            return confidence
        case "margin":
            return margin
        case "entropy":
            return -entropy
        case "random":
            return torch.rand(confidence.shape, generator=generator)


class Drawn(NamedTuple):
    """Tokens [N] on the CPU and their probabilities before any temperature, [N]."""

    token_ids: Tensor
    probability: Tensor


def sample(logits: Tensor, temperature: Tensor, top_p: float, generator: torch.Generator) -> Drawn:
    """Draw at temperatures [N] from the smallest set of tokens that holds `top_p` of each row of [N, V].

    Nucleus sampling, arXiv 1904.09751.
    """
    log_probabilities = logits.float().log_softmax(dim=-1)
    warmed = (logits.float() / send(temperature, logits.device)[:, None]).softmax(dim=-1)

    def fetched(ordered: Tensor, order: Tensor) -> Tensor:
        """Probabilities, tokens, and probabilities before the temperature; one transfer, as in `guess_tokens`."""
        return torch.stack((ordered, order.float(), log_probabilities.gather(1, order).exp())).cpu()

    ordered, order, probability = fetched(*warmed.topk(min(NUCLEUS_TOKENS, warmed.shape[1]), dim=-1))
    if (ordered.sum(dim=-1) < top_p).any():
        ordered, order, probability = fetched(*warmed.sort(dim=-1, descending=True))
    is_outside = ordered.cumsum(dim=-1) - ordered >= top_p
    drawn = ordered.masked_fill(is_outside, 0.0).multinomial(1, generator=generator)
    return Drawn(order.gather(1, drawn).squeeze(-1).long(), probability.gather(1, drawn).squeeze(-1))
