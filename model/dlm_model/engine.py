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
from dlm_model.causal_texts import CausalTexts
from dlm_model.config import ModelConfig
from dlm_model.constraint import Constraint
from dlm_model.cuda_graphs import GraphedTransformer
from dlm_model.denoise import denoise
from dlm_model.device import default_dtype, memory_errors, resolve_device
from dlm_model.drafts import RowReader, finish_reason
from dlm_model.errors import CheckpointError, RequestError
from dlm_model.kv_cache import CachePolicy, CausalPrompt, RefreshedPrompt
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
        DeviceError: there is no such device, or it has not enough memory.
    """
    folder = DEFAULT_CHECKPOINT if model is None else Path(model)
    if not folder.is_dir():
        raise CheckpointError(f"There is no model folder {folder}.")
    target = resolve_device(device)
    config = ModelConfig.from_checkpoint(folder)
    tokenizer = Tokenizer.from_checkpoint(folder, config.vocab_size)
    with memory_errors():
        network = load_transformer(folder, config, device=target, dtype=default_dtype(target))
    if target.type == "cuda":
        network = GraphedTransformer(network)
    return Engine(network, tokenizer, model_name=folder.resolve().name)


class Engine:
    """One loaded model. Not thread-safe: one caller at a time owns it and its device."""

    def __init__(self, network: Transformer, tokenizer: Tokenizer, model_name: str) -> None:
        self._network, self._config = network, network.config
        self._texts = CausalTexts(network)
        self._tokenizer = tokenizer
        # Whatever the tokenizer says they spell: no control token is text.
        control = {self._config.mask_token_id, self._config.expand_token_id, self._config.delete_token_id}
        self._vocabulary = Vocabulary([b"" if i in control else text for i, text in enumerate(tokenizer.token_bytes)])
        self.model_name = model_name

    @property
    def device(self) -> str:
        """Where the weights live, as torch spells it."""
        return str(self._network.device)

    @property
    def context_length(self) -> int:
        """Tokens that prefix, middle and suffix may have together."""
        return self._config.context_length - (self._config.bos_token_id is not None)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text on its own."""
        return self._tokenizer.count(text)

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        """Fill the hole, one draft per denoise step, and one more that says why it ended.

        Raises:
            RequestError: prompt and canvas do not fit the model's context.
            DeviceError: they do not fit the device's memory.
        """
        pace = Pace(options)
        opened, boundaries, constraint, temperature = self._prepare(request, options)
        predict = self._open_cache(options)
        reader = RowReader(self._vocabulary, boundaries)
        shown: int | None = None

        def draft(canvas: Canvas, row: int) -> Draft:
            pieces = reader.pieces(canvas, row)
            return Draft(pieces, pace.step, options.num_steps, predict.num_forwards, pace.elapsed_ms)

        canvas = opened
        steps = denoise(opened, predict, constraint, options, temperature=temperature, pace=pace, cancel=cancel)
        with memory_errors():
            for canvas in steps:
                # The row that looks best at first is followed to the end: text that jumped would be no draft.
                shown = reader.rank(canvas)[0] if shown is None else shown
                yield draft(canvas, shown)
        best = reader.rank(canvas)[0]
        yield replace(
            draft(canvas, best),
            finish_reason=finish_reason(canvas, best, is_cancelled=cancel.is_cancelled),
            candidates=reader.candidates(canvas, options.num_candidates),
        )

    def _open_cache(self, options: DecodeOptions) -> CachePolicy:
        if self._config.prompt_attention == "causal":
            return CausalPrompt(self._network, self._texts)
        return RefreshedPrompt(self._network, options)

    def _prepare(self, request: InfillRequest, options: DecodeOptions) -> "_Prepared":
        prefix_ids, head = split_prefix(self._tokenizer, request.prefix)
        suffix_ids, tail = split_suffix(self._tokenizer, request.suffix)
        if self._config.bos_token_id is not None:
            prefix_ids = [self._config.bos_token_id, *prefix_ids]
        rows = open_rows(request, options, can_resize=self._config.can_resize)
        num_fragment_tokens = head.num_tokens + tail.num_tokens
        lengths = [row.num_masks + num_fragment_tokens for row in rows]
        room = self._config.context_length - len(prefix_ids) - len(suffix_ids)
        if max(lengths) > room:
            raise RequestError(
                f"The prompt and its hole take {max(lengths) - room + self._config.context_length} tokens, "
                f"{self.model_name} sees {self._config.context_length}."
            )
        boundaries = Boundaries(self._vocabulary, head.spelling, tail.spelling)
        constraint = Constraint(
            self._config,
            self._vocabulary,
            boundaries,
            single_line=request.single_line,
            max_length=min(options.max_middle_tokens + num_fragment_tokens, room),
            is_resizing=self._config.can_resize and options.middle_length is None,
        )
        canvas = Canvas.open(prefix_ids, suffix_ids, lengths, self._config.mask_token_id)
        return _Prepared(canvas, boundaries, constraint, torch.tensor([row.temperature for row in rows]))


class _Prepared(NamedTuple):
    """What a request becomes before the first forward; `temperature` is [B]."""

    canvas: Canvas
    boundaries: Boundaries
    constraint: Constraint
    temperature: Tensor
