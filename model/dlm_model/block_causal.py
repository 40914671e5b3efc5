"""Models that attend block by block: the sequence is cut into blocks of one length, each sees itself and those before.

    prefix blocks    computed once, exact for the whole request
    canvas blocks    filled one after the other; recomputed in every step, from the block that the prefix ends in on

As block diffusion (arXiv 2503.09573) has it, and SDAR, Fast-dLLM v2 and Stable-DiffCoder after it. Blocks count from
the start of the sequence, prefix included. Nothing behind the canvas could be seen, so that there is no suffix here.
"""

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.layout import whole_positions, whole_tokens, whole_validity
from dlm_model.transformer import LayerKV, Memory, Recorder, Transformer


def later_blocks(canvas: Canvas, block_length: int) -> Tensor:
    """The masks of each row that have to wait until its first block with a mask is filled, [B, T] bool."""
    columns = len(canvas.prefix_ids) + torch.arange(canvas.is_masked.shape[1])
    block = (columns // block_length).expand_as(canvas.is_masked)
    current = block.masked_fill(~canvas.is_masked, int(columns[-1])).amin(dim=1, keepdim=True)
    return canvas.is_masked & (block > current)


class BlockCausalPrompt:
    """canvas → logits [N, V] of the positions that it asks about, exact: the prefix's whole blocks come from memory.

    Args:
        network: The transformer.
        block_length: Tokens of a block.
    """

    def __init__(self, network: Transformer, block_length: int) -> None:
        self._network = network
        self._block_length = block_length
        self._layers: list[LayerKV] = []
        self.num_forwards = 0

    @torch.inference_mode()
    def __call__(self, canvas: Canvas) -> Tensor:
        """One pass over the canvas and the block that the prefix ends in."""
        num_rows, num_columns = canvas.is_masked.shape
        first_read = len(canvas.prefix_ids) - int(self._network.config.shift_logits)
        start = first_read // self._block_length * self._block_length
        if start and not self._layers:
            self._layers = self._prefill(canvas.prefix_ids[:start])
        memory = Memory([_repeat(layer, num_rows) for layer in self._layers], self._positions(start, num_rows))
        hidden = self._run(
            whole_tokens(canvas)[:, start:],
            whole_positions(canvas)[:, start:],
            whole_validity(canvas)[:, start:],
            memory if start else None,
        )
        window = hidden[:, first_read - start : first_read - start + num_columns]
        return self._network.logits(window[canvas.is_asked.to(window.device)])

    def _prefill(self, token_ids: Tensor) -> list[LayerKV]:
        recorder = Recorder()
        positions = self._positions(len(token_ids), 1)
        self._run(token_ids[None], positions, torch.ones_like(positions, dtype=torch.bool), None, recorder)
        return recorder.layers

    def _run(
        self,
        token_ids: Tensor,
        positions: Tensor,
        is_valid: Tensor,
        memory: Memory | None,
        recorder: Recorder | None = None,
    ) -> Tensor:
        """Hidden states [B, T, C] of tokens [B, T]; everybody sees the memory, which lies in blocks before."""
        block = positions // self._block_length
        is_visible = (block[:, None, :] <= block[:, :, None]) & is_valid[:, None, :]
        if memory is not None:
            before = torch.ones(*block.shape, memory.position_ids.shape[1], dtype=torch.bool)
            is_visible = torch.cat((is_visible, before), dim=2)
        self.num_forwards += 1
        device = self._network.device
        hidden: Tensor = self._network(
            token_ids.to(device),
            positions.to(device),
            is_valid=is_visible.to(device),
            memory=memory,
            recorder=recorder,
        )
        return hidden

    def _positions(self, stop: int, num_rows: int) -> Tensor:
        return torch.arange(stop).expand(num_rows, -1).to(self._network.device)


def _repeat(layer: LayerKV, num_rows: int) -> LayerKV:
    return LayerKV(layer.keys.expand(num_rows, -1, -1, -1), layer.values.expand(num_rows, -1, -1, -1))
