"""A check on every guess: a causal model reads the draft, and tokens that it finds improbable are not committed.

Guided diffusion after FlashDLM (github.com/ZhanqiuHu/flash-dlm-experimental). The causal model drafts nothing. Once a
step it reads prefix and draft from left to right. From the left, it accepts masks as long as each token has a fair
share of the probability of its own best token. The masks after the first rejected token were read as if that one were
right, so they are guessed anew.

FlashDLM itself commits the causal model's own token where that rejects one, and judges the leftmost mask, too. Here
every token is the diffusion model's, which sees the suffix.
"""

import math

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.device import send
from dlm_model.guides.blend import is_in_reach, leftmost_run, read_draft
from dlm_model.guides.causal_reader import CausalReader
from dlm_model.steps.selection import Guess


class Check:
    """A judge of guesses; asks the guide once a step.

    Args:
        guide: What reads the drafts.
        options: Say how improbable a token has to be.
    """

    def __init__(self, guide: CausalReader, options: DecodeOptions) -> None:
        self._guide, self._reading = guide, guide.reading_of_drafts()
        self._least = math.log(options.guide_agreement)

    def __call__(self, canvas: Canvas, logits: Tensor, guess: Guess) -> tuple[Tensor, Guess]:
        """The logits, and the guess with the run of masks that the guide accepts settled, and all other masks vetoed.

        The leftmost mask of a row is accepted unread: all that the guide would judge it by is committed, and the
        diffusion model, which sees the suffix as well, has chosen. So are tokens that only the diffusion model knows.
        At reviewed positions, the guide has no objections.

        Args:
            canvas: Before the step; its prefix has one token at least.
            logits: [N, V] of the positions asked about.
            guess: The diffusion model's, [N] each.
        """
        is_heard = canvas.is_masked & is_in_reach(canvas)
        if not is_heard.any():
            return logits, guess
        own_ids = guess.predicted_ids[is_heard[canvas.is_asked]]
        expected = read_draft(self._guide, canvas, guess, is_heard, self._reading).float()
        is_known = own_ids < expected.shape[1]
        own = expected.gather(1, send((own_ids * is_known)[:, None], expected.device)).squeeze(1)
        is_probable = ((own - expected.amax(dim=1) >= self._least) | own.isinf()).cpu()
        is_first = canvas.is_masked & (canvas.is_masked.cumsum(dim=1) == 1)
        is_accepted = torch.zeros_like(is_heard).masked_scatter(is_heard, is_probable | ~is_known) | is_first
        is_accepted = is_accepted[canvas.is_asked]
        is_vetoed = canvas.is_masked[canvas.is_asked] & ~(is_accepted & leftmost_run(is_accepted, canvas))
        is_guided = torch.ones_like(is_vetoed)
        return logits, guess._replace(is_guided=is_guided, is_settled=~is_vetoed, is_vetoed=is_vetoed)
