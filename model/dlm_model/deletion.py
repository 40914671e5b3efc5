"""How far a delete token reaches: deletion is broadcast to the masks right of it (DreamOn, github.com/DreamLM/DreamOn).

An anchor has a place of its own in a row: the text before it ends there, as it does at the tail of the row, and no
deletion reaches beyond. So a row is read once in each direction, and each anchored position starts afresh.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def reach_of_deletions(is_deleted: Tensor, written: Tensor, is_anchored: Tensor, was_reopened: Tensor) -> Tensor:
    """Positions [B, T] where a mask goes along with a delete token left of it; all arguments [B, T].

    Args:
        is_deleted: Committed delete tokens.
        written: Committed text. A deletion with text behind it says nothing about where the whole text ends: it takes
            no mask along whose token was taken back.
        is_anchored: Positions that the request itself has filled.
        was_reopened: Positions whose token was taken back, whatever they hold now. A deletion in such a place takes
            nothing along, unless no text is behind it.
    """
    reach = torch.zeros_like(is_deleted)
    for row in is_deleted.any(dim=1).nonzero().flatten().tolist():
        flags = (is_deleted, written, is_anchored, was_reopened)
        deleted, text, anchored, reopened = (each[row].tolist() for each in flags)
        ends_text = [there and not behind for there, behind in zip(deleted, _has_behind(text, anchored), strict=True)]
        reach[row] = torch.tensor(list(_reach(deleted, ends_text, anchored, reopened)))
    return reach


def _has_behind(text: Sequence[bool], anchored: Sequence[bool]) -> list[bool]:
    """For each position, whether text stands there or right of it, before the next anchored position."""
    found, has_text = [], False
    for is_text, is_anchored in zip(reversed(text), reversed(anchored), strict=True):
        has_text = not is_anchored and (has_text or is_text)
        found.append(has_text)
    return found[::-1]


def _reach(
    deleted: Sequence[bool], ends_text: Sequence[bool], anchored: Sequence[bool], reopened: Sequence[bool]
) -> Iterator[bool]:
    """For each position of a row, whether a mask would go there; `ends_text` are deletions without text behind them."""
    takes_reopened = takes_others = False
    for is_deleted, is_end, is_anchored, was_reopened in zip(deleted, ends_text, anchored, reopened, strict=True):
        if is_anchored:
            takes_reopened = takes_others = False
        else:
            takes_reopened |= is_end
            takes_others |= is_end or (is_deleted and not was_reopened)
        yield takes_reopened if was_reopened else takes_others
