"""Two opinions on every mask: the diffusion model's, which sees both sides, and a causal guide's, which sees the draft.

A diffusion model predicts its masks independently of each other; a causal model knows what goes together. Adaptive
parallel decoding (APD, Israel et al., arXiv 2506.00413) multiplies the two, p ∝ p_diffusion^(1−w) · p_guide^w, and
takes from the left as many of the diffusion model's tokens as the product would have drawn too. Here they are accepted
as in speculative decoding (Leviathan et al., arXiv 2211.17192): the first that is not is drawn again from what the
product has beyond the draft, so that the run is distributed as the product is. Without a temperature that is simply
the longest run on which both agree, and one token more.
"""

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.ending import LineEnd
from dlm_model.guide import CausalReader
from dlm_model.selection import Guess


class Blend:
    """A judge of guesses; asks the guide once a step.

    Args:
        reader: The guide.
        weight: w, the guide's share.
        temperature: [B], as the diffusion model samples.
        line_end: What a line break says in a hole of one line; None where it may stand.
        seed: Of the draws.
    """

    def __init__(
        self, reader: CausalReader, weight: float, *, temperature: Tensor, line_end: LineEnd | None, seed: int
    ) -> None:
        self._reader = reader
        self._weight = weight
        self._temperature = temperature
        self._line_end = line_end
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def num_forwards(self) -> int:
        """Network calls of this request so far."""
        return self._reader.num_forwards

    def judge(self, canvas: Canvas, logits: Tensor, guess: Guess) -> Guess:
        """The guess with its leftmost run settled by both; behind the run the diffusion model's own stands.

        Args:
            canvas: Before the step.
            logits: [N, V] of the positions asked about; -inf rules a token out.
            guess: The diffusion model's, [N] each.
        """
        if not len(canvas.prefix_ids):
            return guess
        asked = canvas.is_asked
        spread = guess.spread(asked)
        draft = canvas.guess(spread.predicted_ids, spread.confidence).as_draft()
        heard = _widened(self._reader.logits(canvas.prefix_ids, draft.token_ids, asked), logits)
        if self._line_end:
            heard = self._line_end.fold(heard, canvas)
        own = logits.float().log_softmax(dim=-1)
        blended = blend(own, heard, self._weight)
        warmth = self._temperature[asked.nonzero()[:, 0]].to(logits.device)
        drawn_from, wanted = tempered(own, warmth), tempered(blended, warmth)
        ids = guess.predicted_ids.to(logits.device)[:, None]
        ratio = (wanted.gather(1, ids) / drawn_from.gather(1, ids).clamp_min(1e-9)).squeeze(1).cpu()
        is_accepted = torch.rand(ratio.shape, generator=self._generator) < ratio
        is_agreed = _leftmost_run(is_accepted, canvas)
        is_redrawn = is_agreed & ~is_accepted
        predicted_ids = guess.predicted_ids.clone()
        if is_redrawn.any():
            rows = is_redrawn.to(logits.device)
            beyond = (wanted[rows] - drawn_from[rows]).clamp_min(0)
            # Where rounding leaves nothing of the difference, any token that is wanted will do.
            beyond = (beyond + 1e-12 * wanted[rows]).cpu()
            predicted_ids[is_redrawn] = beyond.multinomial(1, generator=self._generator).squeeze(1)
        settled = blended.gather(1, predicted_ids.to(logits.device)[:, None]).squeeze(1).exp().cpu()
        return guess._replace(
            predicted_ids=predicted_ids,
            confidence=torch.where(is_agreed, settled, guess.confidence),
            score=torch.where(is_agreed, settled, guess.score),
            is_agreed=is_agreed,
        )


def blend(own: Tensor, heard: Tensor, weight: float) -> Tensor:
    """The product of two opinions, as log-probabilities [N, V].

    Args:
        own: Log-probabilities [N, V]; -inf where a token is ruled out.
        heard: Logits [N, V]; -inf where the guide has no opinion: there, as on control tokens, the own one stands.
        weight: The share of what is heard, in [0, 1].
    """
    is_shared = own.isfinite() & heard.isfinite()
    product = ((1 - weight) * own + weight * heard).masked_fill(~is_shared, -torch.inf)
    mass = own.masked_fill(~is_shared, -torch.inf).logsumexp(dim=-1, keepdim=True)
    return torch.where(is_shared, product - product.logsumexp(dim=-1, keepdim=True) + mass, own)


def tempered(log_probabilities: Tensor, temperature: Tensor) -> Tensor:
    """Probabilities [N, V] at a temperature [N]; at 0 the best token has all."""
    cold = torch.zeros_like(log_probabilities).scatter(1, log_probabilities.argmax(dim=-1, keepdim=True), 1.0)
    if not (temperature > 0).any():
        return cold
    warm = (log_probabilities / temperature.clamp_min(1e-6)[:, None]).softmax(dim=-1)
    return torch.where((temperature > 0)[:, None], warm, cold)


def _widened(heard: Tensor, logits: Tensor) -> Tensor:
    """The guide's logits for the diffusion model's vocabulary: [N, V]; -inf where it has fewer tokens."""
    num_shared = min(heard.shape[1], logits.shape[1])
    widened = torch.full(logits.shape, -torch.inf, device=logits.device)
    widened[:, :num_shared] = heard[:, :num_shared]
    return widened


def _leftmost_run(is_accepted: Tensor, canvas: Canvas) -> Tensor:
    """Masks [N] with no mask left of them in their row that was not accepted."""
    is_refused = torch.zeros_like(canvas.is_asked).masked_scatter(canvas.is_asked, ~is_accepted) & canvas.is_masked
    is_behind = is_refused.cumsum(dim=1) - is_refused.long() > 0
    return (canvas.is_masked & ~is_behind)[canvas.is_asked]
