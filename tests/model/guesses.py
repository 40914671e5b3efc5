"""Guesses by hand."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlm_model.steps.selection import Guess

_DTYPES = {
    "predicted_ids": torch.long,
    "num_stable": torch.long,
    "is_guided": torch.bool,
    "is_settled": torch.bool,
    "is_vetoed": torch.bool,
}


def made_up(shape: Sequence[int], **parts: Tensor) -> Guess:
    """A guess with these parts; all others are zero, or false."""
    zeros = {name: torch.zeros(*shape, dtype=_DTYPES.get(name, torch.float)) for name in Guess._fields}
    return Guess(**(zeros | parts))
