"""The rules that a request's canvas is under: which tokens may stand where, which positions wait, which rows resize.

Before a step, `Constraint.rules` works out what the rules mean for the present canvas. `limit` applies them to the
logits, and the denoise loop to the positions that it commits. After the step, `fixed` says which positions no reviser
may touch, and `resize` lets rows shrink and grow. Three kinds of rules have a module of their own: `boundaries`,
`ending` and `block_pipeline`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dlm_model.canvas import Canvas, masked_columns
from dlm_model.device import send
from dlm_model.network.config import ModelConfig
from dlm_model.request import InfillRequest
from dlm_model.rules.anchors import without_glue
from dlm_model.rules.block_pipeline import BlockPipeline
from dlm_model.rules.boundaries import Boundaries, Frontier, frontier_columns, hold_frontiers
from dlm_model.rules.eligibility import Eligibility
from dlm_model.rules.ending import LineEnd, OpenEnd, TextEnd
from dlm_model.tokens.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one step.

    Attributes:
        eligibility: Which masks may be committed: others wait until their row's boundaries are respelled, or their
            block begins.
        is_urgent: [B, T], frontiers, which are committed in this step, whatever their score.
        frontier_tokens: For each frontier (row, column), the tokens that may stand there.
        may_grow: [B], whether a row may commit an expand token: not after it lacked room, nor in the last step.
    """

    eligibility: Eligibility
    is_urgent: Tensor
    frontier_tokens: dict[tuple[int, int], list[int]]
    may_grow: Tensor


class Constraint:
    """The rules of one request, and the row lengths that follow from them. `Rules` are their meaning in one step.

    Attributes:
        is_resizing: Whether the model may change the rows' lengths.
        line_end: The meaning of a line break, in a hole of one line.

    Args:
        config: Names the control tokens.
        vocabulary: What the tokens spell.
        boundaries: The text that the canvas must begin and end with.
        request: Says how the middle begins and ends, and whether it is one line.
        max_length: Rows of this length do not grow.
        is_resizing: Whether the model may change the rows' lengths.
        max_revisions: How many positions of a row may be taken back.
        blocks: Which blocks are filled now, if the model writes block by block.
    """

    def __init__(
        self,
        config: ModelConfig,
        vocabulary: Vocabulary,
        boundaries: Boundaries,
        request: InfillRequest,
        *,
        max_length: int,
        is_resizing: bool,
        max_revisions: int = 0,
        blocks: BlockPipeline | None = None,
    ) -> None:
        self._expand, self._delete = (config.expand_token_id, config.delete_token_id) if is_resizing else (None, None)
        ends = config.end_token_ids if is_resizing else ()
        self._open_end = OpenEnd(ends, blocks, max_length) if ends and blocks else None
        # By each of these the model says that nothing more comes.
        self._enders = [*([] if self._delete is None else [self._delete]), *(ends if self._open_end else ())]
        self.line_end: LineEnd | None = None
        if request.single_line and self._enders:
            is_line_begun = bool(request.prefix.rpartition("\n")[2].strip())
            self.line_end = LineEnd(vocabulary, self._enders[0], is_begun=is_line_begun)
        self._text_end = TextEnd(request.ending, boundaries, max_length) if request.ending else None
        self.is_resizing = is_resizing
        self._boundaries = boundaries
        self._vocabulary = vocabulary
        self._single_line = request.single_line
        self._first_word_ids = vocabulary.starting_with(request.first_words)
        self._blocks = blocks
        self._max_length = max_length
        self._max_revisions = max_revisions
        is_banned = ~vocabulary.is_text
        if request.single_line:
            is_banned |= vocabulary.has_line_break
        self._control_ids = [*self._enders, *([] if self._expand is None else [self._expand])]
        is_banned[self._control_ids] = False
        self._is_banned = is_banned

    def rules(self, canvas: Canvas, *, is_last: bool) -> Rules:
        """Look at both frontiers of every row.

        A row's other masks wait until its boundaries are respelled, piece by piece, because a token committed beside an
        unspelled boundary would not have seen it. In the last step nothing can wait: the rest of a boundary is pinned
        to its shortest spelling, and no row may grow.
        """
        eligibility = Eligibility(canvas.is_masked, canvas.is_masked, canvas.is_masked)
        if self._blocks is not None and not is_last:
            eligibility = self._blocks.eligibility(canvas)
        frontier_tokens = {
            (row, column): tokens
            for row in range(len(canvas.lengths))
            for column, tokens in self._required(canvas, row, is_last=is_last).items()
        }
        is_urgent = torch.zeros_like(canvas.is_masked)
        for row, column in frontier_tokens:
            is_urgent[row, column] = True
        if not is_last:
            eligibility = eligibility.after(is_urgent)
        return Rules(eligibility, is_urgent, frontier_tokens, may_grow=~canvas.lacked_room & (not is_last))

    def limit(self, logits: Tensor, canvas: Canvas, rules: Rules) -> Tensor:
        """The logits [N, V] of the positions that the canvas asks about, row by row, -inf for what is ruled out.

        Args:
            logits: The model's; not modified.
            canvas: Before the step.
            rules: From `rules`, for this canvas.
        """
        if self.line_end:
            logits = self.line_end.fold(logits, canvas)
        self._is_banned = send(self._is_banned, logits.device)
        limited = logits.masked_fill(self._is_banned, -torch.inf)
        rejected_ids = canvas.rejected_ids[canvas.is_asked]
        if (rejected_ids != canvas.mask_token_id).any():  # the mask token stands for none
            limited.scatter_(1, send(rejected_ids, logits.device), -torch.inf)
        is_filled = ~canvas.is_masked[canvas.is_asked]
        _forbid(limited, self._delete, is_filled)
        _forbid(limited, self._expand, is_filled | ~rules.may_grow[canvas.is_asked.nonzero()[:, 0]])
        limited = without_glue(limited, canvas, self._vocabulary)
        if self._open_end:
            limited = self._open_end.without_early_end(limited, canvas)
        if rules.frontier_tokens:
            hold_frontiers(limited, logits, canvas, rules.frontier_tokens)
        return limited

    def fixed(self, canvas: Canvas) -> Tensor:
        """Positions [B, T] that no reviser may touch: they spell a boundary, or are about to be resized."""
        is_control = torch.isin(canvas.token_ids, torch.tensor(self._control_ids, dtype=torch.long))
        return is_control | self._boundaries.spelled(canvas)

    def filled(self, canvas: Canvas) -> Tensor:
        """The committed share [B] of the positions being decoded: of a row, or of its blocks that are being filled.

        Anchors and positions that spell a boundary are not decoded, and do not count.
        """
        is_decoded = canvas.is_valid & ~canvas.is_anchored & ~self._boundaries.spelled(canvas)
        if self._blocks is not None:
            is_decoded &= self._blocks.being_filled(canvas)
        return (is_decoded & canvas.is_committed).sum(dim=1) / is_decoded.sum(dim=1).clamp_min(1)

    def resize(self, canvas: Canvas, *, is_last: bool = False) -> Canvas:
        """Carry out committed expand and delete tokens, cut off rows that are over, and let unfinished ones grow.

        Masks where a boundary is still to be spelled are never removed. Two kinds of rows grow, but not after the last
        step: a row that is full in the middle of a statement gets a few masks, and a text written block by block gets
        its next block.
        """
        canvas = self._carry_out(canvas)
        if self._open_end:
            canvas = self._open_end.grow(self._open_end.cut(canvas))
        if self._text_end:
            canvas = self._text_end.cut(canvas, self._protected(canvas))
            canvas = self._text_end.anchors.lead_to_anchor(canvas, limit=0 if is_last else self._max_revisions)
            # Models that write block by block continue by themselves.
            if self.is_resizing and not self._open_end and not is_last:
                canvas = self._text_end.grow(canvas)
        return self._open_end.drop_unfilled(canvas) if self._open_end and is_last else canvas

    def cut_off(self, canvas: Canvas) -> Canvas:
        """The canvas at a deadline, without the masks behind each row's text, if it may have any length.

        Most of them would have been deleted. A row that was revised keeps its guesses, which may be the tokens taken
        back.
        """
        is_text = (canvas.is_committed & ~self.fixed(canvas)) | (canvas.num_revised > 0)[:, None]
        has_text_behind = is_text.flip(1).cumsum(dim=1).flip(1) > 0
        return canvas.remove(canvas.is_masked & ~has_text_behind) if self.is_resizing else canvas

    def flaws(self, canvas: Canvas) -> list[int] | None:
        """See `AnchorOrder.flaws`; None where nothing must be kept."""
        return self._text_end.anchors.flaws(canvas) if self._text_end and canvas.is_anchored.any() else None

    def is_cut_short(self, canvas: Canvas) -> Tensor:
        """Rows [B] that fill all positions they may have, or asked for more, and whose text is not over."""
        is_used_up = canvas.lacked_room | (canvas.lengths >= self._max_length)
        if self._open_end:
            is_used_up &= ~self._open_end.is_end(canvas).any(dim=1)
        return is_used_up & ~self._text_end.is_over(canvas) if self._text_end else is_used_up

    def _carry_out(self, canvas: Canvas) -> Canvas:
        if self._expand is None or self._delete is None:
            return canvas
        if not ((canvas.token_ids == self._expand) | (canvas.token_ids == self._delete)).any():
            return canvas
        return canvas.resize(
            expand_token_id=self._expand,
            delete_token_id=self._delete,
            written=canvas.is_committed & ~self.fixed(canvas),
            protected=self._protected(canvas),
            max_length=self._max_length,
        )

    def _protected(self, canvas: Canvas) -> Tensor:
        """Masks [B, T] that no deletion may remove: a boundary still has to be spelled there."""
        is_unspelled = [
            not masked_columns(canvas, row).isdisjoint(frontier_columns(*self._boundaries.frontiers(canvas, row)))
            for row in range(len(canvas.lengths))
        ]
        return canvas.is_masked & torch.tensor(is_unspelled)[:, None]

    def _required(self, canvas: Canvas, row: int, *, is_last: bool) -> dict[int, list[int]]:
        """For each mask of a row that has to be committed now, the tokens that may stand there, by column."""
        head, tail = self._boundaries.frontiers(canvas, row)
        taken = canvas.is_committed[row].nonzero().flatten().tolist()
        tokens = self._pinned_tokens(head, tail) if is_last else self._frontier_tokens(head, tail, taken)
        written = self._boundaries.middle(canvas.token_ids[row, : head.position].tolist())
        if self._first_word_ids and not written.strip():
            num_left = self._vocabulary.beginnings.fewest_tokens(head.remaining)
            if is_last or not num_left:
                tokens.setdefault(head.position + num_left, sorted(self._first_word_ids))
        # A canvas opened with an earlier draft may have no mask where a boundary is still to be spelled.
        masked = masked_columns(canvas, row)
        return {column: allowed for column, allowed in tokens.items() if column in masked}

    def _frontier_tokens(self, head: Frontier, tail: Frontier, taken: list[int]) -> dict[int, list[int]]:
        """For the next column of each boundary, the tokens that may stand there.

        A token is left out if the rest of the boundary would then need a `taken` column, where something is committed,
        or one that the other boundary needs. If no token is left, those are allowed that keep to the shortest spelling:
        what is committed may still be revised, but a mask without an allowed token could never be filled.
        """
        room = tail.position + 1 - head.position
        head_needs, tail_needs = map(self._vocabulary.beginnings.fewest_tokens, (head.remaining, tail.remaining))
        between = [column for column in taken if head.position <= column <= tail.position]
        head_room = min([room - tail_needs, *(column - head.position for column in between)])
        tail_room = min([room - head_needs, *(tail.position - column for column in between)])
        tokens = {}
        for column in frontier_columns(head, tail):
            if column == head.position and head.remaining:
                fitting = self._head_tokens(head.remaining, head_room)
                tokens[column] = fitting or self._head_tokens(head.remaining, head_needs)
            else:
                fitting = self._tail_tokens(tail.remaining, tail_room)
                tokens[column] = fitting or self._tail_tokens(tail.remaining, tail_needs)
        return tokens

    def _pinned_tokens(self, head: Frontier, tail: Frontier) -> dict[int, list[int]]:
        """For every column that the shortest spelling of the boundaries takes, the tokens that may stand there.

        Each spells exactly its piece of the boundary. Only the piece next to the middle may go on beyond the boundary.
        """
        spellings = self._vocabulary.beginnings
        head_pieces, tail_pieces = spellings.shortest(head.remaining), spellings.shortest(tail.remaining)
        tail_start = tail.position + 1 - len(tail_pieces)
        tokens = {head.position + index: spellings.exact(piece) for index, piece in enumerate(head_pieces)}
        tokens |= {tail_start + index: spellings.exact(piece) for index, piece in enumerate(tail_pieces)}
        if head_pieces and not self._first_word_ids:
            tokens[head.position + len(head_pieces) - 1] = self._head_tokens(head_pieces[-1], room=1)
        if tail_pieces:
            tokens[tail_start] = self._tail_tokens(tail_pieces[0], room=1)
        return tokens

    def _head_tokens(self, remaining: bytes, room: int) -> list[int]:
        tokens = self._within_line(self._boundaries.head_tokens(remaining, room), slice(len(remaining), None))
        if not self._first_word_ids:
            return tokens
        token_bytes, size = self._vocabulary.token_bytes, len(remaining)
        return [each for each in tokens if not token_bytes[each][size:].strip() or each in self._first_word_ids]

    def _tail_tokens(self, remaining: bytes, room: int) -> list[int]:
        tokens = self._boundaries.tail_tokens(remaining, room)
        return self._within_line(tokens, slice(None, -len(remaining)))

    def _within_line(self, tokens: list[int], added: slice) -> list[int]:
        """In a one-line hole, the tokens whose `added` part, beyond the boundary, has no line break."""
        if not self._single_line:
            return tokens
        return [token for token in tokens if b"\n" not in self._vocabulary.token_bytes[token][added]]


def _forbid(logits: Tensor, token_id: int | None, is_forbidden: Tensor) -> None:
    """Rule a token out at some positions [N] of logits [N, V], in place; nothing if the model has no such token."""
    if token_id is not None and is_forbidden.any():
        logits[:, token_id].masked_fill_(send(is_forbidden, logits.device), -torch.inf)
