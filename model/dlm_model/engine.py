"""The engine: an infill request in, drafts out. Text becomes tokens here, and tokens text.

InfillRequest → tokens, boundaries → Canvas → denoise ⟳ → Draft, Draft, …
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dlm_model.boundaries import Boundaries, split_prefix, split_suffix
from dlm_model.canvas import Canvas
from dlm_model.config import ModelConfig
from dlm_model.constraint import Constraint
from dlm_model.denoise import denoise
from dlm_model.device import default_dtype, resolve_device
from dlm_model.drafts import best_pieces, candidates, finish_reason
from dlm_model.errors import CheckpointError, RequestError
from dlm_model.kv_cache import CachedPredictor
from dlm_model.length import open_rows
from dlm_model.request import CancelToken, DecodeOptions, Draft, InfillRequest
from dlm_model.schedule import Pace
from dlm_model.tokenizer import Tokenizer
from dlm_model.transformer import Transformer
from dlm_model.vocabulary import Vocabulary
from dlm_model.weights import load_transformer

DEFAULT_CHECKPOINT = Path(__file__).parent / "checkpoints" / "smollm2-135m-infill"


def load_engine(model: str | None = None, device: str = "auto") -> "Engine":
    """Load a checkpoint folder onto a device.

    Args:
        model: Folder of a checkpoint; None is the one that ships with this package.
        device: As torch spells it; `auto` takes the first CUDA GPU and otherwise the CPU.

    Raises:
        CheckpointError: there is no such checkpoint, or it is broken.
        DeviceError: there is no such device.
    """
    folder = DEFAULT_CHECKPOINT if model is None else Path(model).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"There is no model folder {folder}.")
    target = resolve_device(device)
    config = ModelConfig.from_checkpoint(folder)
    tokenizer = Tokenizer.from_checkpoint(folder, config.vocab_size)
    network = load_transformer(folder, config, device=target, dtype=default_dtype(target))
    return Engine(network, tokenizer, model_name=folder.name)


class Engine:
    """One loaded model. Not thread-safe: one caller at a time owns it and its device."""

    def __init__(self, network: Transformer, tokenizer: Tokenizer, model_name: str) -> None:
        self._network, self._config = network, network.config
        self._tokenizer = tokenizer
        self._vocabulary = Vocabulary(tokenizer.token_bytes)
        self.model_name = model_name

    @property
    def device(self) -> str:
        """Where the weights live, as torch spells it."""
        return str(self._network.device)

    @property
    def context_length(self) -> int:
        """Tokens that prefix, middle and suffix may have together."""
        return self._config.context_length

    def count_tokens(self, text: str) -> int:
        """Tokens of a text on its own."""
        return self._tokenizer.count(text)

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        """Fill the hole, one draft per denoise step, and one more that says why it ended.

        Raises:
            RequestError: prompt and canvas do not fit the model's context.
        """
        pace = Pace(options)
        opened, boundaries, constraint, temperature = self._prepare(request, options)
        predict = CachedPredictor(self._network, options.prompt_refresh_interval)

        def draft(canvas: Canvas) -> Draft:
            pieces = best_pieces(canvas, self._vocabulary, boundaries)
            return Draft(pieces, pace.step, options.num_steps, predict.num_forwards, pace.elapsed_ms)

        canvas = opened
        steps = denoise(opened, predict, constraint, options, temperature=temperature, pace=pace, cancel=cancel)
        for canvas in steps:
            yield draft(canvas)
        yield replace(
            draft(canvas),
            finish_reason=finish_reason(canvas, is_cancelled=cancel.is_cancelled, is_resizing=constraint.is_resizing),
            candidates=candidates(canvas, self._vocabulary, boundaries, options.num_candidates),
        )

    def _prepare(self, request: InfillRequest, options: DecodeOptions) -> "_Prepared":
        prefix_ids, head = split_prefix(self._tokenizer, request.prefix)
        suffix_ids, tail = split_suffix(self._tokenizer, request.suffix)
        if self._config.bos_token_id is not None:
            prefix_ids = [self._config.bos_token_id, *prefix_ids]
        rows = open_rows(request, options, can_resize=self._config.can_resize)
        num_fragment_tokens = head.num_tokens + tail.num_tokens
        lengths = [row.num_masks + num_fragment_tokens for row in rows]
        self._check_context(len(prefix_ids) + max(lengths) + len(suffix_ids))
        boundaries = Boundaries(self._vocabulary, head.spelling, tail.spelling)
        constraint = Constraint(
            self._config,
            self._vocabulary,
            boundaries,
            single_line=request.single_line,
            max_length=options.max_middle_tokens + num_fragment_tokens,
            is_resizing=self._config.can_resize and options.middle_length is None,
        )
        canvas = Canvas.open(prefix_ids, suffix_ids, lengths, self._config.mask_token_id)
        return _Prepared(canvas, boundaries, constraint, torch.tensor([row.temperature for row in rows]))

    def _check_context(self, num_tokens: int) -> None:
        if num_tokens > self.context_length:
            raise RequestError(
                f"The prompt and its hole take {num_tokens} tokens, {self.model_name} sees {self.context_length}."
            )


class _Prepared(NamedTuple):
    """What a request becomes before the first forward; `temperature` is [B]."""

    canvas: Canvas
    boundaries: Boundaries
    constraint: Constraint
    temperature: Tensor
