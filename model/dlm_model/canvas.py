"""The canvas: token ids being filled between a prefix and a suffix, several candidates side by side.

Rows are candidates of the same hole and may differ in length; a row is left-aligned and padded to the longest. A
canvas never changes: committing and resizing return the next one. It is bookkeeping and lives on the CPU; only what
the network reads of it travels to the device.

    columns   [0, L_b) the row's positions, masked or committed · [L_b, T) padding
    a row's text reads prefix_ids | its L_b positions | suffix_ids
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Canvas:
    """Canvas state after some step.

    Attributes:
        prefix_ids: [P], the prompt left of the hole.
        suffix_ids: [S], the prompt right of the hole.
        token_ids: [B, T], the mask token where masked; anything where padding.
        is_masked: [B, T], still to be filled; never true for padding.
        is_valid: [B, T], false for padding.
        confidence: [B, T], probability of the committed token or of the last guess; 0 where there is neither.
        guessed_ids: [B, T], the last step's prediction where masked; the mask token where there is none yet.
        origin: [B, T], which column each position was when the step began.
        was_refused: [B], whether the model asked for more positions than the row may have.
        mask_token_id: Stands for "not yet known".
    """

    prefix_ids: Tensor
    suffix_ids: Tensor
    token_ids: Tensor
    is_masked: Tensor
    is_valid: Tensor
    confidence: Tensor
    guessed_ids: Tensor
    origin: Tensor
    was_refused: Tensor
    mask_token_id: int

    @classmethod
    def open(
        cls, prefix_ids: Sequence[int], suffix_ids: Sequence[int], lengths: Sequence[int], mask_token_id: int
    ) -> "Canvas":
        """A canvas of masks alone, one row per length."""
        is_valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        masks = torch.full(is_valid.shape, mask_token_id)
        return cls(
            prefix_ids=torch.tensor(prefix_ids, dtype=torch.long),
            suffix_ids=torch.tensor(suffix_ids, dtype=torch.long),
            token_ids=masks,
            is_masked=is_valid,
            is_valid=is_valid,
            confidence=torch.zeros(is_valid.shape),
            guessed_ids=masks,
            origin=_identity(masks),
            was_refused=torch.zeros(len(lengths), dtype=torch.bool),
            mask_token_id=mask_token_id,
        )

    @property
    def lengths(self) -> Tensor:
        """[B], positions of each row."""
        return self.is_valid.sum(dim=1)

    def guess(self, predicted_ids: Tensor, confidence: Tensor) -> "Canvas":
        """Begin a step: note its predictions [B, T] at the masked positions without committing any."""
        return replace(
            self,
            guessed_ids=torch.where(self.is_masked, predicted_ids, self.guessed_ids),
            confidence=torch.where(self.is_masked, confidence, self.confidence),
            origin=_identity(self.token_ids),
        )

    def commit(self, positions: Tensor) -> "Canvas":
        """Make the guesses at `positions` [B, T] final."""
        return replace(
            self,
            token_ids=torch.where(positions, self.guessed_ids, self.token_ids),
            is_masked=self.is_masked & ~positions,
        )

    def resize(self, *, expand_token_id: int, delete_token_id: int, protected: Tensor, max_length: int) -> "Canvas":
        """Carry out committed expand and delete tokens (DreamOn).

        A delete token vanishes and takes every mask right of it along (deletion is broadcast), except the `protected`
        ones [B, T] that a boundary needs; an expand token becomes two masks, as long as the row stays within
        `max_length`, and otherwise one.
        """
        is_committed = self.is_valid & ~self.is_masked
        is_deleted = is_committed & (self.token_ids == delete_token_id)
        is_expanded = is_committed & (self.token_ids == expand_token_id)
        if not (is_deleted | is_expanded).any():
            return self
        is_deleted |= (is_deleted.cumsum(dim=1) > 0) & self.is_masked & ~protected
        room = (max_length - self.lengths + is_deleted.sum(dim=1)).clamp_min(0)
        is_granted = is_expanded & (is_expanded.cumsum(1) <= room[:, None])
        copies = self.is_valid.long() - is_deleted.long() + is_granted
        reopened = replace(
            self,
            token_ids=self.token_ids.masked_fill(is_expanded, self.mask_token_id),
            guessed_ids=self.guessed_ids.masked_fill(is_expanded, self.mask_token_id),
            is_masked=self.is_masked | is_expanded,
            confidence=self.confidence.masked_fill(is_expanded, 0.0),
            was_refused=self.was_refused | (is_expanded & ~is_granted).any(dim=1),
        )
        return reopened._repeat(copies)

    def _repeat(self, copies: Tensor) -> "Canvas":
        """Keep `copies` [B, T] of every position, close the gaps, and pad to the longest row."""
        lengths = copies.sum(dim=1)
        is_valid = torch.arange(int(lengths.max())) < lengths[:, None]
        sources = torch.zeros(is_valid.shape, dtype=torch.long)
        columns = torch.arange(copies.shape[1]).expand_as(copies)
        sources[is_valid] = columns.flatten().repeat_interleave(copies.flatten())
        return replace(
            self,
            token_ids=self.token_ids.gather(1, sources),
            is_masked=self.is_masked.gather(1, sources) & is_valid,
            is_valid=is_valid,
            confidence=self.confidence.gather(1, sources),
            guessed_ids=self.guessed_ids.gather(1, sources),
            origin=self.origin.gather(1, sources),
        )

    def check_integrity(self) -> None:
        """Assert the invariants of the module docstring; for tests.

        Raises:
            AssertionError: naming the broken one.
        """
        columns = torch.arange(self.is_valid.shape[1])
        assert torch.equal(self.is_valid, columns < self.lengths[:, None]), "rows are left-aligned"
        assert not (self.is_masked & ~self.is_valid).any(), "padding is never masked"
        assert (self.token_ids[self.is_masked] == self.mask_token_id).all(), "a masked position holds the mask token"
        committed = self.token_ids[self.is_valid & ~self.is_masked]
        assert (committed != self.mask_token_id).all(), "the mask token is never committed"


def _identity(columns: Tensor) -> Tensor:
    """Every column's own number, [B, T]."""
    return torch.arange(columns.shape[1]).expand_as(columns)
