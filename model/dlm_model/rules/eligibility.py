"""Which masks a step may commit, and which of these it must: what the rules tell the schedule."""

from typing import NamedTuple

import torch
from torch import Tensor


class Eligibility(NamedTuple):
    """Which positions a step may commit; all [B, T].

    Attributes:
        is_masked: All masks; the quota is their number divided by the steps left, or as the cosine schedule computes
            it.
        is_open: Masks that may be committed in this step.
        is_due: Open masks that the quota is taken from. The other open ones are committed only if they are certain.
    """

    is_masked: Tensor
    is_open: Tensor
    is_due: Tensor

    def after(self, is_urgent: Tensor) -> "Eligibility":
        """The same, but in rows with urgent masks [B, T] these alone: all others wait for them."""
        is_free = ~is_urgent.any(dim=1, keepdim=True)
        return Eligibility(self.is_masked, (self.is_open & is_free) | is_urgent, (self.is_due & is_free) | is_urgent)

    def without(self, vetoed: Tensor) -> "Eligibility":
        """The same without `vetoed` masks [B, T], as far as a row has others that are due."""
        is_due = self.is_due & ~vetoed
        is_due = torch.where(is_due.any(dim=1, keepdim=True), is_due, self.is_due)
        return Eligibility(self.is_masked, (self.is_open & ~vetoed) | is_due, is_due)
