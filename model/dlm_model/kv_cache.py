"""The prompt's keys and values, kept between the steps of one request and, where they are exact, beyond it.

    prefill   computes the prompt; its keys (before RoPE) and values stay behind
    refine    one pass over the canvas alone, which reads them

There are two kinds of model. A prompt that sees the canvas changes with every commit: how stale its keys may get is
`prompt_refresh_interval`, after dLLM-Cache's long-interval prompt caching (arXiv 2506.06295); the suffix segment is
ours. A causal prompt does not change, so that every step refines, and `CausalTexts` keeps it from request to request.
When the canvas changes length the suffix is read at its new positions, nothing recomputed.
"""

from typing import Protocol

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.causal_texts import CausalTexts
from dlm_model.layout import whole_positions, whole_tokens, whole_validity, without
from dlm_model.request import DecodeOptions
from dlm_model.transformer import LayerKV, Memory, Recorder, Transformer


class CachePolicy(Protocol):
    """canvas → logits [N, V] of its masked positions, by way of whatever the policy remembers."""

    @property
    def num_forwards(self) -> int:
        """Network calls of this request so far."""

    def __call__(self, canvas: Canvas) -> Tensor:
        """One denoise step's forward; only masked positions reach the head."""


class RefreshedPrompt:
    """For prompts that see the canvas: recomputed every few steps, read from the cache in between.

    Args:
        network: The transformer; a model with shifted logits reads position i's prediction off position i-1, so the
            last prefix token is always among the recomputed ones.
        options: Say in which steps the prompt is computed anew.
    """

    def __init__(self, network: Transformer, options: DecodeOptions) -> None:
        self._network = network
        self._options = options
        self._shift = int(network.config.shift_logits)
        self._layers: list[LayerKV] = []
        self.num_forwards = 0

    @torch.inference_mode()
    def __call__(self, canvas: Canvas) -> Tensor:
        """One forward pass over everything or over the canvas alone."""
        hidden = self._prefill(canvas) if self._options.is_prefill(self.num_forwards) else self._refine(canvas)
        self.num_forwards += 1
        return _masked_logits(self._network, hidden, canvas)

    def _prefill(self, canvas: Canvas) -> Tensor:
        """Hidden states that predict the canvas, [B, T, C]; remembers the prompt outside the window."""
        recorder = Recorder()
        device = self._network.device
        hidden: Tensor = self._network(
            whole_tokens(canvas).to(device),
            whole_positions(canvas).to(device),
            is_valid=_mask(whole_validity(canvas), device),
            recorder=recorder,
        )
        start, stop = self._window(canvas)
        self._layers = [
            LayerKV(without(layer.keys, start, stop), without(layer.values, start, stop)) for layer in recorder.layers
        ]
        return hidden[:, start : start + canvas.is_valid.shape[1]]

    def _refine(self, canvas: Canvas) -> Tensor:
        """As `_prefill`, with the prompt read from the cache."""
        start, stop = self._window(canvas)
        memory_positions = without(whole_positions(canvas), start, stop)
        hidden = _refine(self._network, canvas, start, Memory(self._layers, memory_positions))
        return hidden[:, : canvas.is_valid.shape[1]]

    def _window(self, canvas: Canvas) -> tuple[int, int]:
        """Columns [start, stop) that every step recomputes."""
        num_prefix = len(canvas.prefix_ids)
        return num_prefix - self._shift, num_prefix + canvas.is_valid.shape[1]


class CausalPrompt:
    """For prompts that see only themselves: exact, whatever the canvas holds.

    With shifted logits the canvas is predicted from one token further left on. That token is there twice: in the
    prompt, which has not seen the canvas, and in front of the canvas, which it is a part of.
    """

    def __init__(self, network: Transformer, texts: CausalTexts) -> None:
        self._network = network
        self._texts = texts
        self._memory: list[LayerKV] = []
        self._num_earlier_forwards = texts.num_forwards
        self._num_refines = 0

    @property
    def num_forwards(self) -> int:
        """Refine passes, and those over the part of the prompt that was not known yet."""
        return self._num_refines + self._texts.num_forwards - self._num_earlier_forwards

    @torch.inference_mode()
    def __call__(self, canvas: Canvas) -> Tensor:
        """One pass over the canvas."""
        num_prefix, num_columns = len(canvas.prefix_ids), canvas.is_valid.shape[1]
        self._memory = self._memory or self._read_prompt(canvas)
        positions = without(whole_positions(canvas), num_prefix, num_prefix + num_columns)
        start = num_prefix - int(self._network.config.shift_logits)
        hidden = _refine(self._network, canvas, start, Memory(self._memory, positions))
        self._num_refines += 1
        return _masked_logits(self._network, hidden[:, :num_columns], canvas)

    def _read_prompt(self, canvas: Canvas) -> list[LayerKV]:
        """Prefix and suffix behind one another, [B, P + S, K, D] per layer; the rows share their memory."""
        prefix, suffix = (self._texts.read(ids) for ids in (canvas.prefix_ids, canvas.suffix_ids))
        num_rows = len(canvas.lengths)
        return [
            LayerKV(_join(left.keys, right.keys, num_rows), _join(left.values, right.values, num_rows))
            for left, right in zip(prefix, suffix, strict=True)
        ]


def _refine(network: Transformer, canvas: Canvas, start: int, memory: Memory) -> Tensor:
    """Run columns [start, end of the canvas) of the layout; hidden states of all of them."""
    stop = len(canvas.prefix_ids) + canvas.is_valid.shape[1]
    device = network.device
    token_ids, position_ids, is_valid = (
        whole[:, start:stop] for whole in (whole_tokens(canvas), whole_positions(canvas), whole_validity(canvas))
    )
    is_valid = torch.cat((is_valid, torch.ones_like(memory.position_ids, dtype=torch.bool)), dim=1)
    hidden: Tensor = network(
        token_ids.to(device),
        position_ids.to(device),
        is_valid=_mask(is_valid, device),
        memory=Memory(memory.layers, memory.position_ids.to(device)),
    )
    return hidden


def _masked_logits(network: Transformer, hidden: Tensor, canvas: Canvas) -> Tensor:
    """Logits [N, V] where the canvas is masked, of hidden states [B, T, C]."""
    # Looked for on the CPU: a mask as index would make it wait for the device.
    places = canvas.is_masked.flatten().nonzero()[:, 0].to(hidden.device)
    return network.logits(hidden.flatten(0, 1)[places])


def _mask(is_valid: Tensor, device: torch.device) -> Tensor | None:
    # Without a mask PyTorch picks its fastest attention; rows of one length need none.
    return None if is_valid.all() else is_valid.to(device)


def _join(left: Tensor, right: Tensor, num_rows: int) -> Tensor:
    return torch.cat((left, right), dim=1).expand(num_rows, -1, -1, -1)
