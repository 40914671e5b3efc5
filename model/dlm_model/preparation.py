"""From a request to everything that its first denoise step needs: tokens, the first canvas, and its rules.

    InfillRequest + DecodeOptions → Opening (tokens) → Rows (a length for each candidate) → Canvas and Constraint

Runs the network only to look for a length. Knows nothing of steps and drafts.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch

from dlm_model.cache.policies import CachePolicy
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.decoding import Decoder, Prepared
from dlm_model.errors import RequestError
from dlm_model.network.config import ModelConfig
from dlm_model.opening import Opening
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, InfillRequest
from dlm_model.row_reader import RowReader
from dlm_model.rules.block_pipeline import BlockPipeline
from dlm_model.rules.boundaries import Boundaries
from dlm_model.rules.constraint import Constraint
from dlm_model.rules.json_grammar import JsonConstraint
from dlm_model.rules.length import Row, open_rows, resizes
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.tokens.vocabulary import Vocabulary


class Preparation:
    """Prepares the requests to one model.

    Attributes:
        decoder: What will decode them; it resolves their options.
    """

    def __init__(
        self, config: ModelConfig, tokenizer: Tokenizer, vocabulary: Vocabulary, decoder: Decoder, model_name: str
    ) -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self.decoder = decoder
        self._model_name = model_name

    def prepare(self, request: InfillRequest, asked: DecodeOptions, pace: Pace, cancel: CancelToken) -> Prepared:
        """Tokenize, find the lengths, and open the canvas.

        Args:
            request: What to fill.
            asked: The options, as the caller sent them.
            pace: The request's clock: half of its time may be spent on looking for a length.
            cancel: Polled before each forward that does.

        Raises:
            RequestError: prompt and middle do not fit the model's context, or the request contradicts the options.
        """
        opening = Opening.read(request, asked, self._tokenizer, self._config)
        options = self.decoder.resolve(asked, has_prefix=bool(opening.prefix_ids))
        if opening.anchors.num_tokens and options.grammar != "none":
            raise RequestError("A grammar leaves no room for texts that the middle must contain.")
        max_length = self._longest_row(opening, options)
        is_resizing = resizes(self._config, request, options)
        # What is tried is not what the document's next request will see.
        open_cache = partial(self.decoder.open_cache, replace(options, drift_bound=None), request.document)
        trials = _LengthTrials(opening, open_cache, pace, cancel)
        if options.warm_start is not None and 0 < len(opening.proposals) <= max_length:
            rows = [Row(len(opening.proposals), options.temperature, options.guide_weight)]
            canvas = opening.warm_canvas(options.warm_start)
        else:
            rows = open_rows(
                request,
                options,
                longest=max_length - opening.num_fixed,
                is_resizing=is_resizing,
                confidence_at=trials.confidence_at,
                arrangements=opening.arrangements,
                least_masks=self._config.least_masks,
            )
            canvas = self._canvas(opening, rows, max_length, is_resizing=is_resizing)
        boundaries = Boundaries(self._vocabulary, opening.head.spelling, opening.tail.spelling)
        constraint = self._constrain(request, options, boundaries, max_length, is_resizing=is_resizing)
        reader = RowReader(self._vocabulary, boundaries, self._config.end_token_ids)
        return Prepared(request, options, canvas, rows, boundaries, reader, constraint, trials.num_forwards)

    def _canvas(self, opening: Opening, rows: Sequence[Row], max_length: int, *, is_resizing: bool) -> Canvas:
        """The rows' masks around the anchors of the request; no row is longer than `max_length` positions."""
        block_length = self._config.block_length if is_resizing else None
        num_masks = [opening.num_masks(row.num_masks, block_length, max_length) for row in rows]
        return opening.canvas(num_masks, [row.arrangement for row in rows])

    def _longest_row(self, opening: Opening, options: DecodeOptions) -> int:
        """Positions that a row of the canvas may have, before any forward is spent on the request.

        Raises:
            RequestError: not even the shortest middle fits the context beside the prompt.
        """
        shortest = opening.num_fixed + max(options.middle_length or 1, opening.anchors.num_parts)
        room = self._config.context_length - opening.num_prompt_tokens
        if shortest > room:
            raise RequestError(
                f"The prompt and its hole take at least {opening.num_prompt_tokens + shortest} tokens, "
                f"{self._model_name} sees {self._config.context_length}."
            )
        return min(options.max_middle_tokens + opening.num_fixed, room)

    def _constrain(
        self,
        request: InfillRequest,
        options: DecodeOptions,
        boundaries: Boundaries,
        max_length: int,
        *,
        is_resizing: bool,
    ) -> Constraint:
        if options.grammar == "json":
            is_one_line = request.single_line
            return JsonConstraint(self._config, self._vocabulary, single_line=is_one_line, is_resizing=is_resizing)
        length = self._config.block_length
        blocks = BlockPipeline(length, options) if length else None
        return Constraint(
            self._config,
            self._vocabulary,
            boundaries,
            request,
            max_length=max_length,
            is_resizing=is_resizing,
            max_revisions=options.max_revisions,
            blocks=blocks,
        )


class _LengthTrials:
    """First steps on canvases of several lengths, tried to compare how confident the model is of each.

    Attributes:
        num_forwards: Network calls so far.
    """

    def __init__(
        self, opening: Opening, open_cache: Callable[[], CachePolicy], pace: Pace, cancel: CancelToken
    ) -> None:
        self._opening = opening
        self._open_cache = open_cache
        self._pace = pace
        self._cancel = cancel
        self.num_forwards = 0

    def confidence_at(self, num_masks: Sequence[int]) -> list[float]:
        """Mean probability of the best tokens at each number of masks [B], from one forward; all 0 once it is late."""
        if self._cancel.is_cancelled or self._pace.is_half_over:
            return [0.0] * len(num_masks)
        cache = self._open_cache()
        canvas = self._opening.canvas(num_masks)
        confidence = torch.zeros(canvas.is_masked.shape)
        confidence[canvas.is_masked] = cache(canvas).float().softmax(dim=-1).amax(dim=-1).cpu()
        self.num_forwards += cache.num_forwards
        means: list[float] = (confidence.sum(dim=1) / canvas.is_masked.sum(dim=1)).tolist()
        return means
