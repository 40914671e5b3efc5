"""The canvas: token ids being filled between a prefix and a suffix, several candidates side by side.

Rows are candidates of the same hole and may differ in length; a row is left-aligned and padded to the longest. A
canvas never changes: committing, reopening and resizing return the next one. It is bookkeeping, and lives on the CPU;
only what the network reads is sent to the device.

    columns   [0, L_b) the row's positions, masked or committed · [L_b, T) padding
    a row's text reads prefix_ids | its L_b positions | suffix_ids
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from dlm_model.deletion import reach_of_deletions


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
        guessed_ids: [B, T], the last step's prediction where masked; `mask_token_id` where there is none yet.
        origin: [B, T], each position's column when the last step began; both masks of an expand token have its column.
        rejected_ids: [B, T, R], tokens that were taken back and must not come again; `mask_token_id` where a position
            has fewer than R.
        is_anchored: [B, T], committed by the request itself: never reopened, deleted or replaced.
        is_reviewed: [B, T], committed positions that are predicted again.
        was_reopened: [B, T], positions whose token was taken back, whatever they hold now.
        num_revised: [B], positions reopened or replaced so far.
        lacked_room: [B], whether the model has asked for more positions than the row may have.
        mask_token_id: Held by masked positions. Never committed, so it can mean "none" in `guessed_ids` and
            `rejected_ids`.
    """

    prefix_ids: Tensor
    suffix_ids: Tensor
    token_ids: Tensor
    is_masked: Tensor
    is_valid: Tensor
    confidence: Tensor
    guessed_ids: Tensor
    origin: Tensor
    rejected_ids: Tensor
    is_anchored: Tensor
    is_reviewed: Tensor
    was_reopened: Tensor
    num_revised: Tensor
    lacked_room: Tensor
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
            rejected_ids=masks[..., None][..., :0],
            is_anchored=torch.zeros_like(is_valid),
            is_reviewed=torch.zeros_like(is_valid),
            was_reopened=torch.zeros_like(is_valid),
            num_revised=torch.zeros(len(lengths), dtype=torch.long),
            lacked_room=torch.zeros(len(lengths), dtype=torch.bool),
            mask_token_id=mask_token_id,
        )

    @property
    def lengths(self) -> Tensor:
        """[B], positions of each row."""
        return self.is_valid.sum(dim=1)

    @property
    def is_committed(self) -> Tensor:
        """[B, T], positions that hold a token, even if it may still be taken back."""
        return self.is_valid & ~self.is_masked

    @property
    def is_asked(self) -> Tensor:
        """[B, T], positions that the network is asked about, in row-major order: N in all."""
        return self.is_masked | self.is_reviewed

    @property
    def is_guessed(self) -> Tensor:
        """[B, T], masked positions with a guess; false for those opened since the last step guessed."""
        return self.is_masked & (self.guessed_ids != self.mask_token_id)

    def as_draft(self) -> "Canvas":
        """The canvas with every guess in place, as in the draft."""
        return replace(self, token_ids=torch.where(self.is_guessed, self.guessed_ids, self.token_ids))

    def anchor(self, row: int, columns: Sequence[int], token_ids: Sequence[int]) -> "Canvas":
        """Put given tokens at given columns of a row for good."""
        tokens, anchored = self.token_ids.clone(), self.is_anchored.clone()
        tokens[row, list(columns)] = torch.tensor(token_ids, dtype=torch.long)
        anchored[row, list(columns)] = True
        is_masked, confidence = self.is_masked & ~anchored, torch.where(anchored, 1.0, self.confidence)
        return replace(self, token_ids=tokens, is_masked=is_masked, is_anchored=anchored, confidence=confidence)

    def review(self, positions: Tensor) -> "Canvas":
        """Ask the network about committed `positions` [B, T] too."""
        return replace(self, is_reviewed=positions & self.is_committed)

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

    def reopen(self, positions: Tensor, *, limit: int) -> "Canvas":
        """Take back what is committed at `positions` [B, T], as long as a row has been revised at most `limit` times.

        The token stays as the position's guess, so that a draft keeps its text.
        """
        reopened = self._revisable(positions, limit)
        return replace(
            self,
            token_ids=self.token_ids.masked_fill(reopened, self.mask_token_id),
            guessed_ids=torch.where(reopened, self.token_ids, self.guessed_ids),
            is_masked=self.is_masked | reopened,
            is_reviewed=self.is_reviewed & ~reopened,
            was_reopened=self.was_reopened | reopened,
            num_revised=self.num_revised + reopened.sum(dim=1),
        )

    def reject(self, positions: Tensor, *, limit: int) -> "Canvas":
        """Reopen `positions` [B, T], and never commit the same tokens there again."""
        reopened = self.reopen(positions, limit=limit)
        is_rejected = reopened.is_masked & ~self.is_masked
        if not is_rejected.any():
            return reopened
        rejected_ids = self.token_ids.masked_fill(~is_rejected, self.mask_token_id)
        return replace(reopened, rejected_ids=torch.cat((self.rejected_ids, rejected_ids[..., None]), dim=2))

    def overwrite(self, positions: Tensor, token_ids: Tensor, confidence: Tensor, *, limit: int) -> "Canvas":
        """Replace what is committed at `positions`, within the limit of `reopen`; all [B, T]."""
        replaced = self._revisable(positions, limit)
        return replace(
            self,
            token_ids=torch.where(replaced, token_ids, self.token_ids),
            confidence=torch.where(replaced, confidence, self.confidence),
            num_revised=self.num_revised + replaced.sum(dim=1),
        )

    def _revisable(self, positions: Tensor, limit: int) -> Tensor:
        """Those of `positions` [B, T] that may be revised; if the limit forbids some, the leftmost."""
        positions = positions & self.is_committed & ~self.is_anchored
        room = (limit - self.num_revised).clamp_min(0)
        return positions & (positions.cumsum(dim=1) <= room[:, None])

    def resize(
        self, *, expand_token_id: int, delete_token_id: int, written: Tensor, protected: Tensor, max_length: int
    ) -> "Canvas":
        """Carry out committed expand and delete tokens (DreamOn).

        A delete token vanishes and takes every mask right of it along, up to the next anchored position (deletion is
        broadcast), except the `protected` ones [B, T] that a boundary needs. A delete token with `written` text [B, T]
        to its right, before that position, only shortens its spot. It removes no mask whose own token was taken back.
        If it stands where a token was taken back, it removes only itself. An expand token becomes two masks, as long as
        the row stays within `max_length`, and otherwise one.
        """
        is_deleted = self.is_committed & (self.token_ids == delete_token_id)
        is_expanded = self.is_committed & (self.token_ids == expand_token_id)
        is_within_reach = reach_of_deletions(is_deleted, written, self.is_anchored, self.was_reopened)
        is_deleted |= is_within_reach & self.is_masked & ~protected
        room = (max_length - self.lengths + is_deleted.sum(dim=1)).clamp_min(0)
        is_granted = is_expanded & (is_expanded.cumsum(1) <= room[:, None])
        copies = self.is_valid.long() - is_deleted.long() + is_granted
        return replace(
            self,
            token_ids=self.token_ids.masked_fill(is_expanded, self.mask_token_id),
            guessed_ids=self.guessed_ids.masked_fill(is_expanded, self.mask_token_id),
            is_masked=self.is_masked | is_expanded,
            is_reviewed=self.is_reviewed & ~is_expanded,
            confidence=self.confidence.masked_fill(is_expanded, 0.0),
            lacked_room=self.lacked_room | (is_expanded & ~is_granted).any(dim=1),
        )._repeat(copies)

    def remove(self, positions: Tensor) -> "Canvas":
        """Drop `positions` [B, T]; the positions right of them move left."""
        return self._repeat((self.is_valid & ~positions).long())

    def extend(self, num_masks: Tensor) -> "Canvas":
        """Open `num_masks` [B] more masks at the end of each row; a row that grows is not empty."""
        is_last = torch.arange(self.is_valid.shape[1]) == self.lengths[:, None] - 1
        longer = self._repeat(self.is_valid + is_last * num_masks[:, None])
        is_new = longer.is_valid & (torch.arange(longer.is_valid.shape[1]) >= self.lengths[:, None])
        return replace(
            longer,
            token_ids=longer.token_ids.masked_fill(is_new, self.mask_token_id),
            is_masked=longer.is_masked | is_new,
            confidence=longer.confidence.masked_fill(is_new, 0.0),
            guessed_ids=longer.guessed_ids.masked_fill(is_new, self.mask_token_id),
            rejected_ids=longer.rejected_ids.masked_fill(is_new[..., None], self.mask_token_id),
            is_anchored=longer.is_anchored & ~is_new,
            is_reviewed=longer.is_reviewed & ~is_new,
            was_reopened=longer.was_reopened & ~is_new,
        )

    def end(self, row: int, num_kept: int, token_ids: Sequence[int], *, lacked_room: bool) -> "Canvas":
        """End a row early: its first `num_kept` positions stay, then come these tokens, and nothing else.

        Args:
            row: Which.
            num_kept: Positions that stay, all anchors among them.
            token_ids: No more than the row has positions left. Each takes the confidence of the token committed in its
                place, or 1 if none was.
            lacked_room: Whether the row ends here only because it had no room to go on.
        """
        length = num_kept + len(token_ids)
        columns = torch.arange(self.is_valid.shape[1])
        is_row = torch.arange(len(self.lengths))[:, None] == row
        ended = self.remove(is_row & (columns >= length))
        columns = columns[: ended.is_valid.shape[1]]
        is_new = is_row & (columns >= num_kept) & (columns < length)
        return replace(
            ended,
            token_ids=ended.token_ids.masked_scatter(is_new, torch.tensor(token_ids, dtype=torch.long)),
            is_masked=ended.is_masked & ~is_new,
            confidence=ended.confidence.masked_fill(is_new & ended.is_masked, 1.0),
            guessed_ids=ended.guessed_ids.masked_fill(is_new, self.mask_token_id),
            rejected_ids=ended.rejected_ids.masked_fill(is_new[..., None], self.mask_token_id),
            is_reviewed=ended.is_reviewed & ~is_new,
            lacked_room=torch.where(is_row[:, 0], lacked_room, ended.lacked_room),
        )

    def _repeat(self, copies: Tensor) -> "Canvas":
        """Keep `copies` [B, T] of every position, close the gaps, and pad to the longest row."""
        lengths = copies.sum(dim=1)
        is_valid = torch.arange(int(lengths.max())) < lengths[:, None]
        sources = torch.zeros(is_valid.shape, dtype=torch.long)
        columns = torch.arange(copies.shape[1]).expand_as(copies)
        sources[is_valid] = columns.flatten().repeat_interleave(copies.flatten())
        rows = torch.arange(len(lengths))[:, None]
        moved: dict[str, Any] = {name: values[rows, sources] for name, values in self._per_position.items()}
        # In padding, nothing is true.
        moved |= {name: values & is_valid for name, values in moved.items() if values.dtype == torch.bool}
        return replace(self, **moved)

    @property
    def _per_position(self) -> dict[str, Tensor]:
        """All that is known of each position, by name: [B, T] or, of rejected tokens, [B, T, R]."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor) and value.dim() > 1}

    def check_integrity(self) -> None:
        """Assert the invariants of the module docstring; for tests.

        Raises:
            AssertionError: naming the broken one.
        """
        columns = torch.arange(self.is_valid.shape[1])
        assert torch.equal(self.is_valid, columns < self.lengths[:, None]), "rows are left-aligned"
        assert not (self.is_masked & ~self.is_valid).any(), "padding is never masked"
        assert (self.token_ids[self.is_masked] == self.mask_token_id).all(), "a masked position holds the mask token"
        assert not ((self.is_anchored | self.is_reviewed) & self.is_masked).any(), "anchored and reviewed are committed"
        for origins in (row[:length] for row, length in zip(self.origin, self.lengths.tolist(), strict=True)):
            assert (origins.diff() >= 0).all(), "resizing keeps the order"
        assert (self.token_ids[self.is_committed] != self.mask_token_id).all(), "the mask token is never committed"


def masked_columns(canvas: Canvas, row: int) -> set[int]:
    """Where a row is masked."""
    return set(canvas.is_masked[row].nonzero().flatten().tolist())


def _identity(columns: Tensor) -> Tensor:
    """Every column's own number, [B, T]."""
    return torch.arange(columns.shape[1]).expand_as(columns)
