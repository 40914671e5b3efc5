"""Two opinions on every mask: the diffusion model's, which sees both sides, and a causal guide's, which sees the draft.

A diffusion model predicts its masks independently of each other; a causal model knows what goes together. Adaptive
parallel decoding (APD, Israel et al., arXiv 2506.00413) multiplies the two, p ∝ p_diffusion^(1−w) · p_guide^w, and
takes from the left as many of the diffusion model's tokens as the product would have put there too. Here the product
itself says which token each mask gets: the most probable one or, at a temperature, a sample. The guide's prediction for
a mask holds only if every mask left of it gets the token that the guide has read there. So from the left, choices are
kept as long as they agree with the draft, and the first that does not is kept, too. Predictions for masks far to the
right would hardly ever be used, so they are not computed.

APD's code differs in three points: it does not keep the first choice that disagrees; at a temperature it draws both
choices with the same noise, so that they agree more often than independent draws do; and its example gives the guide a
share w of 0.3, where the default here is 0.5.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodePlan
from dlm_model.device import send
from dlm_model.guides.causal_reader import CausalReader, Reading
from dlm_model.rules.ending import LineEnd
from dlm_model.rules.length import Row
from dlm_model.steps.selection import Guess, guess_tokens

REACH = 16
"""Masks of a row that the guide is asked about, from the left; a longer run takes two steps."""

_OTHER_SEED = 0x5EED


class Blend:
    """A judge of guesses; asks the guide once a step.

    Args:
        reader: The guide.
        options: Nucleus and seed for drawing; how positions are scored; whether the schedule needs the product itself.
        rows: The candidates: their temperatures, and w, the guide's share in each.
        line_end: Rules of a line break in a hole of one line; None if line breaks are allowed.
    """

    def __init__(
        self, reader: CausalReader, options: DecodePlan, rows: Sequence[Row], line_end: LineEnd | None
    ) -> None:
        self._reader, self._reading = reader, reader.reading_of_drafts()
        self._options = options
        self._weight = torch.tensor([row.guide_weight for row in rows])
        self._temperature = torch.tensor([row.temperature for row in rows])
        self._line_end = line_end
        # Not the seed of the draft: a choice must not depend on what it is compared with.
        self._generator = torch.Generator().manual_seed(options.seed ^ _OTHER_SEED)

    def __call__(self, canvas: Canvas, logits: Tensor, guess: Guess) -> tuple[Tensor, Guess]:
        """The logits, and the guess with its leftmost run settled by both; after it, the diffusion model's guess stays.

        If the schedule is `klass`, the logits of the run are the product's, too.

        The run ends with the first mask where the product chooses another token than the diffusion model alone.
        Inside the run, every field of the guess comes from the product. The same holds at reviewed positions: one
        model's opinion must not revise a token that both chose. Rows where the guide has no weight stay as they are.

        Args:
            canvas: Before the step; its prefix has one token at least.
            logits: [N, V] of the positions asked about; -inf rules a token out.
            guess: The diffusion model's, [N] each.
        """
        asked = canvas.is_asked
        is_guided = asked & (self._weight > 0)[:, None]
        is_heard = is_guided & is_in_reach(canvas)
        if not is_heard.any():
            return logits, guess
        heard = self._heard(canvas, guess, is_heard, logits.shape[1])
        is_guided, is_heard = is_guided[asked], is_heard[asked]
        rows, places = asked.nonzero()[:, 0][is_heard], send(is_heard.nonzero()[:, 0], logits.device)
        own = logits[places].float().log_softmax(dim=-1)
        product = blend(own, heard, send(self._weight[rows, None], logits.device))
        current_ids = canvas.as_draft().token_ids[asked][is_heard]
        both = guess_tokens(product, self._temperature[rows], current_ids, self._options, self._generator)
        is_same = both.predicted_ids == guess.predicted_ids[is_heard]
        is_settled = leftmost_run(torch.zeros_like(is_heard).masked_scatter(is_heard, is_same), canvas) & is_heard
        in_run = is_settled[is_heard]
        parts = zip(guess, both, strict=True)
        settled = Guess(*(alone.masked_scatter(is_settled, part[in_run]) for alone, part in parts))
        settled = settled._replace(is_guided=is_guided, is_settled=is_settled)
        # To copy all logits takes longer than their softmax, and only `StabilityCount` reads them after this.
        if self._options.schedule == "klass":
            # Looked up on the CPU, which would have to wait until a GPU has counted them.
            kept = in_run.nonzero()[:, 0]
            columns, kept = (send(each, logits.device) for each in (is_heard.nonzero()[kept, 0], kept))
            logits = logits.float().index_copy(0, columns, product[kept])
        return logits, settled

    def _heard(self, canvas: Canvas, guess: Guess, is_heard: Tensor, vocab_size: int) -> Tensor:
        """The guide's logits [H, V] at the positions `is_heard` [B, T], row by row; -inf where it is silent."""
        told = read_draft(self._reader, canvas, guess, is_heard, self._reading)
        num_shared = min(told.shape[1], vocab_size)
        heard = torch.full((len(told), vocab_size), -torch.inf, device=told.device)
        heard[:, :num_shared] = told[:, :num_shared].float()
        return self._line_end.fold(heard, canvas, is_heard) if self._line_end else heard


def read_draft(reader: CausalReader, canvas: Canvas, guess: Guess, is_heard: Tensor, reading: Reading | None) -> Tensor:
    """A causal model's logits at the positions `is_heard` [B, T] of a draft with this guess in it, [H, V].

    What the last step's draft began with as well, `reading`, is not read again.
    """
    spread, width = guess.spread(canvas.is_asked), int(is_heard.any(dim=0).nonzero().max()) + 1
    draft = canvas.guess(spread.predicted_ids, spread.confidence).as_draft().token_ids[:, :width]
    rows = is_heard.any(dim=1)
    return reader.logits(canvas.prefix_ids, draft[rows], is_heard[rows, :width], reading)


def blend(own: Tensor, heard: Tensor, weight: Tensor | float) -> Tensor:
    """The product of two opinions, as log-probabilities [N, V].

    Args:
        own: Log-probabilities [N, V]; -inf where a token is ruled out.
        heard: Logits [N, V]; -inf where the guide has no opinion, as on control tokens; there the own one stands.
        weight: The guide's share, in [0, 1]; one for all, or [N, 1].
    """
    is_shared = own.isfinite() & heard.isfinite()
    product = ((1 - weight) * own + weight * heard).masked_fill(~is_shared, -torch.inf)
    mass = own.masked_fill(~is_shared, -torch.inf).logsumexp(dim=-1, keepdim=True)
    return torch.where(is_shared, product - product.logsumexp(dim=-1, keepdim=True) + mass, own)


def is_in_reach(canvas: Canvas) -> Tensor:
    """Positions [B, T] up to the last mask that a guide is asked about; all, if committed positions are reviewed."""
    return (canvas.is_masked.cumsum(dim=1) <= REACH) | canvas.is_reviewed.any()


def leftmost_run(is_accepted: Tensor, canvas: Canvas) -> Tensor:
    """Positions asked about [N] that have only accepted masks left of them in their row."""
    ends_run = torch.zeros_like(canvas.is_asked).masked_scatter(canvas.is_asked, ~is_accepted) & canvas.is_masked
    is_behind = ends_run.cumsum(dim=1) - ends_run.long() > 0
    return ~is_behind[canvas.is_asked]
