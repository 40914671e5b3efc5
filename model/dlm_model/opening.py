"""A request becomes tokens: what stands on both sides of the canvas, and what stands in it from the beginning."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dlm_model.anchors import Anchors
from dlm_model.boundaries import Fragment, split_prefix, split_suffix
from dlm_model.canvas import Canvas
from dlm_model.config import ModelConfig
from dlm_model.denoise import Predictor
from dlm_model.request import DecodeOptions, InfillRequest
from dlm_model.tokenizer import Tokenizer

_NOTHING = Fragment(b"", 0)


@dataclass(frozen=True, slots=True)
class Opening:
    """Everything about a canvas but its length.

    Attributes:
        prefix_ids: Token ids left of it.
        suffix_ids: Token ids right of it.
        head: The word that it takes over from the prefix.
        tail: The word that it takes over from the suffix.
        anchors: Texts that the request has put into it.
    """

    prefix_ids: list[int]
    suffix_ids: list[int]
    head: Fragment
    tail: Fragment
    anchors: Anchors

    @classmethod
    def read(
        cls, request: InfillRequest, options: DecodeOptions, tokenizer: Tokenizer, config: ModelConfig
    ) -> "Opening":
        """Tokenise both sides apart, and what must be kept."""
        prefix_ids, head = tokenizer.encode(request.prefix).ids, _NOTHING
        suffix_ids, tail = tokenizer.encode(request.suffix).ids, _NOTHING
        # A grammar rules the canvas alone, and a closing text ends it: there no word reaches beyond the hole.
        if options.grammar == "none":
            prefix_ids, head = split_prefix(tokenizer, request.prefix)
            if not request.closing:
                suffix_ids, tail = split_suffix(tokenizer, request.suffix)
        if config.bos_token_id is not None and (config.always_begins_with_bos or not prefix_ids):
            prefix_ids = [config.bos_token_id, *prefix_ids]
        if not config.sees_suffix:
            suffix_ids = []
        if config.eos_token_id is not None:
            suffix_ids = [*suffix_ids, config.eos_token_id]
        return cls(prefix_ids, suffix_ids, head, tail, Anchors.of(request, tokenizer))

    @property
    def num_prompt_tokens(self) -> int:
        """On both sides."""
        return len(self.prefix_ids) + len(self.suffix_ids)

    @property
    def num_fixed(self) -> int:
        """Canvas positions besides the masks that a length policy asks for."""
        return self.head.num_tokens + self.tail.num_tokens + self.anchors.num_tokens

    def canvas(self, num_masks: Sequence[int], mask_token_id: int) -> Canvas:
        """One row for each number of masks [B]."""
        lengths = [masks + self.num_fixed for masks in num_masks]
        canvas = Canvas.open(self.prefix_ids, self.suffix_ids, lengths, mask_token_id)
        return self.anchors.place(canvas, num_masks, self.head, self.tail)


def mean_confidence(canvas: Canvas, predict: Predictor) -> list[float]:
    """How sure the model is of its best tokens at the masks of each row, in the mean; one forward."""
    confidence = torch.zeros(canvas.is_masked.shape)
    confidence[canvas.is_masked] = predict(canvas).float().softmax(dim=-1).amax(dim=-1).cpu()
    means: list[float] = (confidence.sum(dim=1) / canvas.is_masked.sum(dim=1)).tolist()
    return means
