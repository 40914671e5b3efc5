"""Two opinions on every mask: the diffusion model's, which sees both sides, and a causal guide's, which sees the draft.

A diffusion model predicts its masks independently of each other; a causal model knows what goes together. Adaptive
parallel decoding (APD, Israel et al., arXiv 2506.00413) multiplies the two, p ∝ p_diffusion^(1−w) · p_guide^w, and
takes from the left as many of the diffusion model's tokens as the product would have put there too. Here the product
makes its own choice at every mask, drawn or best. The guide's prediction for a mask holds only if every mask left of it
gets the token that the guide has read there. So the leftmost choices that agree with the draft are kept, and the first
that does not. Predictions for masks far to the right would hardly ever be used, and are not asked for.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.device import send
from dlm_model.guides.causal_reader import CausalReader
from dlm_model.rules.ending import LineEnd
from dlm_model.rules.length import Row
from dlm_model.steps.selection import Guess, sample

REACH = 16
"""Masks of a row that the guide is asked about, from the left: a longer run takes two steps."""

_OTHER_SEED = 0x5EED


class Blend:
    """A judge of guesses; asks the guide once a step.

    Args:
        reader: The guide.
        options: Nucleus and seed for drawing; the threshold for rows that the guide has no share in.
        rows: The candidates: their temperatures, and w, the guide's share in each.
        line_end: What a line break means in a hole of one line; None if line breaks are allowed.
    """

    def __init__(
        self, reader: CausalReader, options: DecodeOptions, rows: Sequence[Row], line_end: LineEnd | None
    ) -> None:
        self._reader = reader
        self._options = options
        self._weight = torch.tensor([row.guide_weight for row in rows])
        self._temperature = torch.tensor([row.temperature for row in rows])
        self._line_end = line_end
        # Not the seed of the draft: a choice must not depend on what it is compared with.
        self._generator = torch.Generator().manual_seed(options.seed ^ _OTHER_SEED)

    def judge(self, canvas: Canvas, logits: Tensor, guess: Guess) -> Guess:
        """The guess with its leftmost run settled by both; after the run, the diffusion model's own guess stays.

        In rows that the guide has no share in, positions that reach the threshold are settled.

        Args:
            canvas: Before the step; its prefix has one token at least.
            logits: [N, V] of the positions asked about; -inf rules a token out.
            guess: The diffusion model's, [N] each.
        """
        asked = canvas.is_asked
        guess = guess._replace(is_agreed=guess.confidence >= self._options.confidence_threshold)
        is_guided = asked & (self._weight > 0)[:, None]
        is_heard = is_guided & is_in_reach(canvas)
        if not is_heard.any():
            return guess
        heard = self._heard(canvas, guess, is_heard, logits.shape[1])
        is_guided, is_heard = is_guided[asked], is_heard[asked]
        rows = asked.nonzero()[:, 0][is_heard]
        own = logits[send(is_heard.nonzero()[:, 0], logits.device)].float().log_softmax(dim=-1)
        blended = blend(own, heard, send(self._weight[rows, None], logits.device))
        # One transfer, as in `guess_tokens`.
        best = blended.argmax(dim=-1, keepdim=True)
        confidence, best_ids = torch.cat((blended.gather(1, best).exp(), best.float()), dim=1).cpu().unbind(dim=1)
        chosen, temperature = best_ids.long(), self._temperature[rows]
        if (is_warm := temperature > 0).any():
            warm = blended[send(is_warm.nonzero()[:, 0], logits.device)]
            drawn = sample(warm, temperature[is_warm], self._options.top_p, self._generator)
            chosen[is_warm], confidence[is_warm] = drawn.token_ids, drawn.probability
        is_settled = torch.zeros_like(is_guided)
        is_settled[is_heard] = chosen == guess.predicted_ids[is_heard]
        is_settled = leftmost_run(is_settled, canvas) & is_heard
        in_run = is_settled[is_heard]
        return guess._replace(
            predicted_ids=guess.predicted_ids.masked_scatter(is_settled, chosen[in_run]),
            confidence=guess.confidence.masked_scatter(is_settled, confidence[in_run]),
            score=guess.score.masked_scatter(is_settled, confidence[in_run]),
            is_agreed=torch.where(is_guided, is_settled, guess.is_agreed),
        )

    def _heard(self, canvas: Canvas, guess: Guess, is_heard: Tensor, vocab_size: int) -> Tensor:
        """The guide's logits [H, V] at the positions `is_heard` [B, T], row by row; -inf where it is silent."""
        told = read_draft(self._reader, canvas, guess, is_heard)
        num_shared = min(told.shape[1], vocab_size)
        heard = torch.full((len(told), vocab_size), -torch.inf, device=told.device)
        heard[:, :num_shared] = told[:, :num_shared].float()
        return self._line_end.fold(heard, canvas, is_heard) if self._line_end else heard


def read_draft(reader: CausalReader, canvas: Canvas, guess: Guess, is_heard: Tensor) -> Tensor:
    """What a causal model expects at the positions `is_heard` [B, T] of a draft with this guess in it, [H, V]."""
    spread, width = guess.spread(canvas.is_asked), int(is_heard.any(dim=0).nonzero().max()) + 1
    draft = canvas.guess(spread.predicted_ids, spread.confidence).as_draft().token_ids[:, :width]
    rows = is_heard.any(dim=1)
    return reader.logits(canvas.prefix_ids, draft[rows], is_heard[rows, :width])


def blend(own: Tensor, heard: Tensor, weight: Tensor | float) -> Tensor:
    """The product of two opinions, as log-probabilities [N, V].

    Args:
        own: Log-probabilities [N, V]; -inf where a token is ruled out.
        heard: Logits [N, V]; -inf where the guide has no opinion: there, as on control tokens, the own one stands.
        weight: The share of what is heard, in [0, 1]; one for all, or [N, 1].
    """
    is_shared = own.isfinite() & heard.isfinite()
    product = ((1 - weight) * own + weight * heard).masked_fill(~is_shared, -torch.inf)
    mass = own.masked_fill(~is_shared, -torch.inf).logsumexp(dim=-1, keepdim=True)
    return torch.where(is_shared, product - product.logsumexp(dim=-1, keepdim=True) + mass, own)


def is_in_reach(canvas: Canvas) -> Tensor:
    """Positions [B, T] up to the last mask that a guide is asked about; all, if committed positions are reviewed."""
    return (canvas.is_masked.cumsum(dim=1) <= REACH) | canvas.is_reviewed.any()


def leftmost_run(is_accepted: Tensor, canvas: Canvas) -> Tensor:
    """Masks [N] that have only accepted masks left of them in their row: the run, and the first that is refused."""
    is_refused = torch.zeros_like(canvas.is_asked).masked_scatter(canvas.is_asked, ~is_accepted) & canvas.is_masked
    is_behind = is_refused.cumsum(dim=1) - is_refused.long() > 0
    return (canvas.is_masked & ~is_behind)[canvas.is_asked]
