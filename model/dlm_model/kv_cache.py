"""The prompt's keys and values, kept between the steps of one request.

    prefill   one pass over prefix | canvas | suffix; the prompt's keys (before RoPE) and values stay behind
    refine    one pass over the canvas alone, which reads them

The prompt's true keys change with every commit, since it sees the canvas; how stale they may get is
`prompt_refresh_interval`. When the canvas changes length the suffix is read at its new positions, nothing recomputed.
Prefill/refine follows dLLM-Cache's long-interval prompt caching (arXiv 2506.06295); the suffix segment is ours.
"""

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.request import DecodeOptions
from dlm_model.transformer import LayerKV, Memory, Recorder, Transformer


class CachedPredictor:
    """canvas → logits [N, V] of its masked positions, through a cached prompt.

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
        """One forward pass; only masked positions reach the head."""
        hidden = self._prefill(canvas) if self._options.is_prefill(self.num_forwards) else self._refine(canvas)
        self.num_forwards += 1
        return self._network.logits(hidden[canvas.is_masked.to(hidden.device)])

    def _prefill(self, canvas: Canvas) -> Tensor:
        """Hidden states that predict the canvas, [B, T, C]; remembers the prompt outside the window."""
        recorder = Recorder()
        hidden: Tensor = self._network(
            *self._to_device(_whole_tokens(canvas), _whole_positions(canvas)),
            is_valid=self._validity(_whole_validity(canvas)),
            recorder=recorder,
        )
        start, stop = self._window(canvas)
        self._layers = [
            LayerKV(_without(layer.keys, start, stop), _without(layer.values, start, stop)) for layer in recorder.layers
        ]
        return hidden[:, start : start + canvas.is_valid.shape[1]]

    def _refine(self, canvas: Canvas) -> Tensor:
        """As `_prefill`, with the prompt read from the cache."""
        start, stop = self._window(canvas)
        token_ids, position_ids, is_valid = (
            whole[:, start:stop] for whole in (_whole_tokens(canvas), _whole_positions(canvas), _whole_validity(canvas))
        )
        memory_positions = _without(_whole_positions(canvas), start, stop)
        is_valid = torch.cat((is_valid, torch.ones_like(memory_positions, dtype=torch.bool)), dim=1)
        memory = Memory(self._layers, memory_positions.to(self._network.device))
        hidden: Tensor = self._network(
            *self._to_device(token_ids, position_ids), is_valid=self._validity(is_valid), memory=memory
        )
        return hidden[:, : canvas.is_valid.shape[1]]

    def _window(self, canvas: Canvas) -> tuple[int, int]:
        """Columns [start, stop) that every step recomputes."""
        num_prefix = len(canvas.prefix_ids)
        return num_prefix - self._shift, num_prefix + canvas.is_valid.shape[1]

    def _to_device(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.to(self._network.device) for tensor in tensors)

    def _validity(self, is_valid: Tensor) -> Tensor | None:
        # Without a mask PyTorch picks its fastest attention; rows of one length need none.
        return None if is_valid.all() else is_valid.to(self._network.device)


def _whole_tokens(canvas: Canvas) -> Tensor:
    """Concatenate prefix | canvas | suffix, [B, P + T + S]."""
    num_rows = canvas.token_ids.shape[0]
    return torch.cat(
        (canvas.prefix_ids.expand(num_rows, -1), canvas.token_ids, canvas.suffix_ids.expand(num_rows, -1)), dim=1
    )


def _whole_positions(canvas: Canvas) -> Tensor:
    """Where each column stands in its row's text, [B, P + T + S]; the suffix follows the row's own length."""
    num_prefix, num_columns = len(canvas.prefix_ids), canvas.token_ids.shape[1]
    left = torch.arange(num_prefix + num_columns).expand(len(canvas.lengths), -1)
    right = num_prefix + canvas.lengths[:, None] + torch.arange(len(canvas.suffix_ids))
    return torch.cat((left, right), dim=1)


def _whole_validity(canvas: Canvas) -> Tensor:
    """False for the canvas' padding, [B, P + T + S]."""
    num_rows = canvas.is_valid.shape[0]
    left = torch.ones(num_rows, len(canvas.prefix_ids), dtype=torch.bool)
    right = torch.ones(num_rows, len(canvas.suffix_ids), dtype=torch.bool)
    return torch.cat((left, canvas.is_valid, right), dim=1)


def _without(columns: Tensor, start: int, stop: int) -> Tensor:
    """All columns but [start, stop)."""
    return torch.cat((columns[:, :start], columns[:, stop:]), dim=1)
