"""Fixed text inside the hole: canvas positions that are committed before the first step (ICE, arXiv 2508.10736).

    masks | keep[0] | masks | keep[1] | masks | closing

An anchor is one of the request's `keep` texts, or its `closing` text. The canvas knows nothing of texts: the positions
that spell an anchor are `is_anchored`.

It is unknown how many masks each part needs, and a part that is far too long is filled with a whole text that leaves no
place for the next anchor. So a model that resizes decodes several arrangements side by side, each with few masks before
every anchor. For any other model, the masks are shared out evenly.

Two rules keep a row from passing an anchor by. No token may extend a kept word to another word (`without_glue`), and
whatever ends the text before an anchor is taken back (`anchor_order`). A row that passes one
nevertheless is ranked last.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.request import InfillRequest
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.tokens.vocabulary import Vocabulary

NUM_MASKS = 24
"""Masks of an arrangement in all; several are decoded at once, and one that is too short grows."""

BEFORE_KEPT = ((0, True), (1, True), (2, True), (4, False), (6, True))
"""Masks before a kept text, and whether the blank before a word is part of its first token.

So it is in `return total`, but not in `len(total`; a model seldom writes a blank as a token of its own.
"""

BEFORE_CLOSING = (8, 4, 0)
"""Masks before a closing text; the second if there are other anchors."""

BEHIND_NAME = (4, 8)
"""Masks between a name that the middle begins with and the closing text."""

MAX_NAMES = 2
"""Names that are tried."""

_NAME = re.compile(r"[^\W\d]\w*")


class AnchorTokens(NamedTuple):
    """Token ids of the kept texts, in order, and of the closing one."""

    keep: tuple[list[int], ...]
    closing: list[int]

    @classmethod
    def of(cls, keep: Sequence[str], closing: str, tokenizer: Tokenizer) -> "AnchorTokens":
        """Tokenise each text on its own."""
        return cls(tuple(tokenizer.encode(text).ids for text in keep), tokenizer.encode(closing).ids)

    @property
    def num_tokens(self) -> int:
        """Positions that they take."""
        return sum(map(len, self.keep)) + len(self.closing)

    @property
    def num_parts(self) -> int:
        """Runs of masks between them, each of which should have one mask at least."""
        return len(self.keep) + 1

    def evenly(self, num_masks: int) -> list[int]:
        """How many masks each part gets, where one may be as long as another."""
        return [num_masks // self.num_parts + (part < num_masks % self.num_parts) for part in range(self.num_parts)]

    def place(self, canvas: Canvas, row: int, parts: Sequence[int], first_column: int) -> Canvas:
        """Put them into a row that has room for them and for the masks of each part, from a column on."""
        column = first_column
        for num_masks, token_ids in zip(parts, (*self.keep, self.closing), strict=True):
            column += num_masks
            canvas = canvas.anchor(row, range(column, column + len(token_ids)), token_ids)
            column += len(token_ids)
        return canvas


class Arrangement(NamedTuple):
    """One way to open a row around the anchors.

    Attributes:
        anchors: Their tokens.
        num_before: Masks before each of its texts, the closing one included, as long as they last.
    """

    anchors: AnchorTokens
    num_before: tuple[int, ...]

    def parts(self, num_masks: int) -> list[int]:
        """How many masks each part gets; the rest stand after the last text, unless that closes the middle."""
        most = num_masks // self.anchors.num_parts
        parts = [min(masks, most) for masks in self.num_before]
        return parts if self.anchors.closing else [*parts, num_masks - sum(parts)]


def arrangements(request: InfillRequest, tokenizer: Tokenizer) -> tuple[Arrangement, ...]:
    """The arrangements of a request that are worth a try; none without anchors."""

    def arranged(keep: Sequence[str], *num_before: int) -> Arrangement:
        return Arrangement(AnchorTokens.of(keep, request.closing, tokenizer), num_before)

    if request.keep:
        closed = BEFORE_CLOSING[1:2] if request.closing else ()
        return tuple(
            arranged(_spelled(request, num_before, is_spaced=is_spaced), *[num_before] * len(request.keep), *closed)
            for num_before, is_spaced in BEFORE_KEPT
        )
    if request.closing:
        led = (arranged((name,), 0, masks) for name in _leading_names(request) for masks in BEHIND_NAME)
        return (*(arranged((), num_before) for num_before in BEFORE_CLOSING), *led)
    return ()


def _leading_names(request: InfillRequest) -> Iterator[str]:
    """Names of a closing line that the middle may begin with: those that it speaks of, and nothing before it does."""
    if request.closing.startswith("\n") and request.prefix[-1:].isspace():
        known = set(_NAME.findall(request.prefix))
        names = [name for name in dict.fromkeys(_NAME.findall(request.closing)) if name not in known]
        for name in names[-MAX_NAMES:]:
            if request.ending is None or not request.ending.is_over(name + request.closing[:-1]):
                yield _spaced(name) if _is_indented(request) else name


def without_glue(logits: Tensor, canvas: Canvas, vocabulary: Vocabulary) -> Tensor:
    """The logits [N, V] of the positions asked about, -inf for tokens that change a word of an anchor.

    A token that ends with part of a word changes the word after it, and one that begins with part of a word changes the
    word before it.
    """
    begins = canvas.is_anchored & vocabulary.begins_word[canvas.token_ids]
    ends = canvas.is_anchored & vocabulary.ends_word[canvas.token_ids]
    for is_word, shift, is_part in ((begins, -1, vocabulary.ends_word), (ends, 1, vocabulary.begins_word)):
        is_beside = is_word.roll(shift, dims=1) & canvas.is_masked
        is_beside[:, -1 if shift < 0 else 0] = False
        if is_beside.any():
            rows = send(is_beside[canvas.is_asked].nonzero(), logits.device)
            part_ids = send(is_part.nonzero()[:, 0], logits.device)
            logits = logits.index_put((rows, part_ids), logits.new_full((), -torch.inf))
    return logits


def _spelled(request: InfillRequest, num_before: int, *, is_spaced: bool) -> list[str]:
    """The kept texts; with a blank before a word if they are `is_spaced`, and the first has one to itself."""
    first, *others = request.keep
    is_first_spaced = is_spaced and (num_before > 0 or _is_indented(request))
    return [
        _spaced(first) if is_first_spaced else first,
        *(_spaced(text) if is_spaced else text for text in others),
    ]


def _is_indented(request: InfillRequest) -> bool:
    """Whether the prefix ends with blanks of which the last belongs to the token of the word that follows."""
    return request.prefix.endswith("  ")


def _spaced(text: str) -> str:
    return f" {text}" if _NAME.match(text) else text
