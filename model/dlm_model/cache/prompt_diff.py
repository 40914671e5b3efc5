"""What two prompts of a document have in common, and which tokens around the differences are computed anew.

Prefix and suffix are read as one text, so a cursor that moves changes only the place of the canvas. Knows token ids
alone.
"""

from difflib import SequenceMatcher

import torch
from torch import Tensor

MIN_RUN = 8
"""Tokens that must be unchanged in a row to be kept: shorter runs are found in any two texts."""

_CHANGED = -1


def num_common(left: Tensor, right: Tensor) -> int:
    """How many tokens two texts have in common from their start."""
    length = min(len(left), len(right))
    differs = (left[:length] != right[:length]).nonzero()
    return int(differs[0]) if len(differs) else length


def origins(before: Tensor, now: Tensor) -> Tensor:
    """Where each token of a text [N] stood in the one before [M], or -1; ascending where it did. All on the CPU."""
    found = torch.full((len(now),), _CHANGED)
    old, new = before.tolist(), now.tolist()
    head = num_common(before, now)
    tail = num_common(before[head:].flip(0), now[head:].flip(0))
    found[:head] = torch.arange(head)
    found[len(new) - tail :] = torch.arange(len(old) - tail, len(old))
    # What lies between is a few tokens after a keystroke; more where the prompt's ends have slid.
    between = SequenceMatcher(a=old[head : len(old) - tail], b=new[head : len(new) - tail])
    for run in between.get_matching_blocks():
        found[head + run.b : head + run.b + run.size] = torch.arange(head + run.a, head + run.a + run.size)
    return _without_short_runs(found)


def seams(found: Tensor, num_before: int) -> Tensor:
    """Which boundaries of a text of N tokens, numbered 0 to N, part two that were no neighbours before; bool [N + 1].

    Args:
        found: The text's `origins`.
        num_before: Tokens of the text before.
    """
    # Neighbours in both texts have origins that differ by one. Changed tokens are neighbours of none.
    changed = -2 * torch.arange(len(found)) - 9
    places = torch.where(found == _CHANGED, changed, found)
    ends = torch.tensor([-1]), torch.tensor([num_before])
    return torch.cat((places, ends[1])) != torch.cat((ends[0], places)) + 1


def near(boundaries: Tensor, margin: int) -> Tensor:
    """The `margin` tokens on both sides of each of the boundaries, bool [N + 1] → bool [N]."""
    num_tokens = len(boundaries) - 1
    # A running count of boundaries tells how many there are in any stretch.
    counts = torch.cat((torch.zeros(1, dtype=torch.long), boundaries.cumsum(0)))
    token = torch.arange(num_tokens)
    first, last = (token - margin + 1).clamp_min(0), (token + margin).clamp_max(num_tokens)
    return counts[last + 1] > counts[first]


def place_of(found: Tensor, boundary: int) -> int:
    """Where a boundary of the text before is in the one now: in front of the first token that stood behind it."""
    is_behind = (found >= boundary).nonzero()
    return int(is_behind[0]) if len(is_behind) else len(found)


def _without_short_runs(found: Tensor) -> Tensor:
    """The same, with tokens of runs below `MIN_RUN` counted as changed."""
    if not len(found):
        return found
    begins = torch.ones(len(found), dtype=torch.bool)
    begins[1:] = (found[1:] != found[:-1] + 1) | (found[:-1] == _CHANGED)
    runs = begins.cumsum(0) - 1
    return torch.where(torch.bincount(runs)[runs] >= MIN_RUN, found, _CHANGED)
