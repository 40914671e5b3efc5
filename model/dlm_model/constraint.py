"""What may not be committed: control tokens, line breaks in a one-line hole, boundaries' frontiers out of turn.

The rules of a step are looked up once (`Constraint.rules`) and then applied to logits and to positions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dlm_model.boundaries import Boundaries
from dlm_model.canvas import Canvas
from dlm_model.config import ModelConfig
from dlm_model.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one step.

    Attributes:
        is_locked: [B, T], positions that must wait until a boundary left or right of them is respelled.
        is_urgent: [B, T], frontiers: committed first, whatever their score.
        frontier_tokens: For each frontier (row, column), the tokens that may stand there.
        may_grow: [B], whether a row may still commit an expand token.
    """

    is_locked: Tensor
    is_urgent: Tensor
    frontier_tokens: dict[tuple[int, int], list[int]]
    may_grow: Tensor


class Constraint:
    """The standing rules of one request.

    Args:
        config: Names the control tokens.
        vocabulary: What the tokens spell.
        boundaries: What the canvas must begin and end with.
        single_line: No line break after the head.
        max_length: Rows of this length do not grow.
        is_resizing: Whether the model may change the rows' lengths.
    """

    def __init__(
        self,
        config: ModelConfig,
        vocabulary: Vocabulary,
        boundaries: Boundaries,
        *,
        single_line: bool,
        max_length: int,
        is_resizing: bool,
    ) -> None:
        self._expand, self._delete = (config.expand_token_id, config.delete_token_id) if is_resizing else (None, None)
        self.is_resizing = is_resizing
        self._boundaries = boundaries
        self._vocabulary = vocabulary
        self._single_line = single_line
        self._max_length = max_length
        is_banned = ~vocabulary.is_text
        if single_line:
            is_banned |= vocabulary.has_line_break
        # Some checkpoints list their mask among the ordinary tokens.
        is_banned[config.mask_token_id] = True
        is_banned[[token_id for token_id in (self._expand, self._delete) if token_id is not None]] = False
        self._is_banned = is_banned

    def rules(self, canvas: Canvas, *, may_grow: bool) -> Rules:
        """Look at both frontiers of every row; a row's masks near an unspelled boundary are locked."""
        is_locked, is_urgent = torch.zeros_like(canvas.is_masked), torch.zeros_like(canvas.is_masked)
        frontier_tokens: dict[tuple[int, int], list[int]] = {}
        for row, length in enumerate(canvas.lengths.tolist()):
            ids, masked = canvas.token_ids[row, :length].tolist(), canvas.is_masked[row, :length].tolist()
            head, tail = self._boundaries.head_frontier(ids, masked), self._boundaries.tail_frontier(ids, masked)
            head_needs, tail_needs = map(self._vocabulary.beginnings.fewest_tokens, (head.remaining, tail.remaining))
            # Positions that neither boundary needs; both frontiers move in the same step, so each may count on half.
            spare = max(0, tail.position + 1 - head.position - head_needs - tail_needs)
            if head.remaining:
                is_locked[row, head.position : head.position + len(head.remaining)] = True
                frontier_tokens[row, head.position] = self._head_tokens(head.remaining, head_needs + spare // 2)
            if tail.remaining:
                is_locked[row, max(0, tail.position + 1 - len(tail.remaining)) : tail.position + 1] = True
                frontier_tokens[row, tail.position] = self._boundaries.tail_tokens(
                    tail.remaining, tail_needs + spare // 2
                )
        for row, column in frontier_tokens:
            is_locked[row, column], is_urgent[row, column] = False, True
        growing = (canvas.lengths < self._max_length) & may_grow
        return Rules(is_locked & canvas.is_masked, is_urgent, frontier_tokens, growing)

    def limit(self, logits: Tensor, canvas: Canvas, rules: Rules) -> Tensor:
        """Rule tokens out of the logits [N, V] of the canvas' masked positions, in row-major order."""
        limited = logits.masked_fill(self._is_banned.to(logits.device), -torch.inf)
        rows, columns = canvas.is_masked.nonzero(as_tuple=True)
        if self._expand is not None:
            limited[(~rules.may_grow[rows]).to(logits.device), self._expand] = -torch.inf
        for (row, column), tokens in rules.frontier_tokens.items():
            index = int(((rows == row) & (columns == column)).nonzero())
            only = torch.full_like(limited[index], -torch.inf)
            only[tokens] = logits[index, tokens]
            limited[index] = only
        return limited

    def resize(self, canvas: Canvas) -> Canvas:
        """Carry out the expand and delete tokens that were committed; deletion spares what the boundaries need."""
        if self._expand is None or self._delete is None:
            return canvas
        rules = self.rules(canvas, may_grow=True)
        return canvas.resize(
            expand_token_id=self._expand,
            delete_token_id=self._delete,
            protected=rules.is_locked | rules.is_urgent,
            max_length=self._max_length,
        )

    def _head_tokens(self, remaining: bytes, room: int) -> list[int]:
        tokens = self._boundaries.head_tokens(remaining, room)
        if not self._single_line:
            return tokens
        return [token for token in tokens if b"\n" not in self._vocabulary.token_bytes[token][len(remaining) :]]
