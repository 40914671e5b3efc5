"""A request as tokens: those on both sides of the canvas, and those in it from the beginning."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.network.config import ModelConfig
from dlm_model.prior import Proposal, propose
from dlm_model.request import InfillRequest
from dlm_model.rules.anchors import AnchorTokens, Arrangement, arrangements
from dlm_model.rules.boundaries import Fragment, split_nothing, split_prefix, split_suffix
from dlm_model.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Opening:
    """Everything about a canvas but its length.

    Attributes:
        prefix_ids: Token ids left of it.
        suffix_ids: Token ids right of it.
        head: The word that it takes over from the prefix.
        tail: The word that it takes over from the suffix.
        anchors: Texts that the request has put into it.
        arrangements: Ways to open a row around them.
        proposals: An earlier draft's tokens, position by position; empty without one.
        mask_token_id: Held by its masked positions.
    """

    prefix_ids: list[int]
    suffix_ids: list[int]
    head: Fragment
    tail: Fragment
    anchors: AnchorTokens
    arrangements: tuple[Arrangement, ...]
    proposals: list[Proposal]
    mask_token_id: int

    @classmethod
    def read(
        cls, request: InfillRequest, options: DecodeOptions, tokenizer: Tokenizer, config: ModelConfig
    ) -> "Opening":
        """Tokenise, each apart: both sides, the anchors, and the text of an earlier draft."""
        # A grammar governs the canvas alone, and a closing text ends it: then no word reaches beyond the hole.
        is_free = options.grammar == "none"
        prefix_ids, head = (split_prefix if is_free else split_nothing)(tokenizer, request.prefix)
        # A model that sees no suffix takes nothing over from it.
        suffix = request.suffix if config.sees_suffix else ""
        suffix_ids, tail = (split_suffix if is_free and not request.closing else split_nothing)(tokenizer, suffix)
        if config.bos_token_id is not None and (config.always_begins_with_bos or not prefix_ids):
            prefix_ids = [config.bos_token_id, *prefix_ids]
        if config.eos_token_id is not None:
            suffix_ids = [*suffix_ids, config.eos_token_id]
        anchors = AnchorTokens.of(request.keep, request.closing, tokenizer)
        is_ruled = options.grammar != "none" or options.middle_length is not None or anchors.num_tokens
        # A text that is written block by block cannot have a later block before an earlier one.
        is_alone = options.num_candidates == 1 and config.block_length is None
        is_heeded = options.warm_start is not None and is_alone and not is_ruled
        proposals = propose(request.prior, head, tail, tokenizer) if is_heeded else []
        return cls(
            prefix_ids,
            suffix_ids,
            head,
            tail,
            anchors,
            arrangements(request, tokenizer),
            proposals,
            config.mask_token_id,
        )

    @property
    def num_prompt_tokens(self) -> int:
        """Tokens of the prompt, on both sides."""
        return len(self.prefix_ids) + len(self.suffix_ids)

    @property
    def num_fixed(self) -> int:
        """Canvas positions besides the masks that a length policy asks for."""
        num_kept = max(each.num_tokens for each in (self.anchors, *(each.anchors for each in self.arrangements)))
        return self.head.num_tokens + self.tail.num_tokens + num_kept

    def canvas(self, num_masks: Sequence[int], chosen: Sequence[Arrangement | None] | None = None) -> Canvas:
        """One row for each number of masks [B], in the arrangement chosen for it [B] or with evenly shared masks."""
        rows = [
            (way.anchors, way.parts(masks)) if way else (self.anchors, self.anchors.evenly(masks))
            for masks, way in zip(num_masks, chosen or [None] * len(num_masks), strict=True)
        ]
        num_around = self.head.num_tokens + self.tail.num_tokens
        lengths = [num_around + sum(parts) + anchors.num_tokens for anchors, parts in rows]
        canvas = Canvas.open(self.prefix_ids, self.suffix_ids, lengths, self.mask_token_id)
        for row, (anchors, parts) in enumerate(rows):
            canvas = anchors.place(canvas, row, parts, self.head.num_tokens)
        return canvas

    def num_masks(self, wanted: int, block_length: int | None, longest: int) -> int:
        """Masks to open a row with: at least one for each part between anchors.

        Args:
            wanted: As many as a length policy asks for.
            block_length: Fill up the last block of this length: half a block would be written without its other half.
                None for models without blocks.
            longest: Positions that such a row may have.
        """
        masks = max(wanted, self.anchors.num_parts)
        if block_length is None:
            return masks
        num_before = len(self.prefix_ids) + self.num_fixed
        return max(1, min(masks + -(num_before + masks) % block_length, longest - self.num_fixed))

    def warm_canvas(self, bound: float) -> Canvas:
        """One row with the proposals: those at least as sure as the bound are committed, to be reviewed at once.

        The least sure one stays a guess unless all are certain, since a canvas without masks would never be checked.
        """
        token_ids = [self.mask_token_id if each.token_id is None else each.token_id for each in self.proposals]
        confidence = torch.tensor([[each.confidence for each in self.proposals]])
        is_sure = (confidence >= bound) & torch.tensor([[each.token_id is not None for each in self.proposals]])
        least_sure = int(confidence.argmin())
        is_sure[0, least_sure] &= bool(confidence[0, least_sure] == 1)
        canvas = Canvas.open(self.prefix_ids, self.suffix_ids, [len(token_ids)], self.mask_token_id)
        guessed = canvas.guess(torch.tensor([token_ids]), confidence).commit(is_sure)
        return guessed.review(is_sure)
