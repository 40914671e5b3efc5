"""Models that attend block by block: the sequence is cut into blocks of one length; each sees itself and those before.

    prefix blocks     computed once, and kept from request to request: exact, since nothing after them can be seen
    finished blocks   computed once more when their last mask is filled, and then as exact as the prefix
    all others        recomputed in every step

This is block diffusion (arXiv 2503.09573), as in SDAR, Fast-dLLM v2 and Stable-DiffCoder. Blocks are counted from the
start of the sequence, prefix included. Nothing after the canvas could be seen, so there is no suffix here.
`BlockPipeline` says which blocks are being filled, `BlockCausalPrompt` runs the network.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from dlm_model.cache.layout import pick, whole_positions, whole_tokens, whole_validity
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.device import send
from dlm_model.network.transformer import LayerKV, Memory, Recorder, Transformer

_PADDING = -1


class Waiting(NamedTuple):
    """The masks of a canvas that may not be committed freely, [B, T] bool each.

    Attributes:
        is_locked: Masks of blocks that have not begun.
        is_early: Masks of blocks that have begun before their turn: committed only where the schedule is certain.
    """

    is_locked: Tensor
    is_early: Tensor


class BlockPipeline:
    """Which blocks of a canvas are being filled: one after the other, or overlapping as in a pipeline.

    D2F (Discrete Diffusion Forcing, arXiv 2508.09192; github.com/zhijie-group/Discrete-Diffusion-Forcing): a block
    begins once the share of committed positions of every block before it reaches `block_add_threshold`, and is on its
    own, with a quota to fill, once that of its predecessor reaches `decoded_token_threshold`. At a first threshold
    of 1 a block waits until those before it are full. The prefix's part of a block does not count. Where the published
    loop owes a commit to every block that is on its own, this one owes the quota to them together.
    """

    def __init__(self, block_length: int, options: DecodeOptions) -> None:
        """Count nothing yet.

        Args:
            block_length: Tokens of a block.
            options: The two thresholds.
        """
        self._block_length = block_length
        self._options = options

    def waiting(self, canvas: Canvas) -> Waiting:
        """Look at the progress of every row's blocks."""
        block, _, progress = self._progress(canvas)
        begins = (progress >= self._options.block_add_threshold).long().cumprod(dim=1).bool()
        is_due = progress >= self._options.decoded_token_threshold
        has_begun, is_due = (_after(each).gather(1, block) for each in (begins, is_due))
        return Waiting(canvas.is_masked & ~has_begun, canvas.is_masked & has_begun & ~is_due)

    def num_missing(self, canvas: Canvas) -> Tensor:
        """Masks that each row lacks for the block that would begin now, [B]; 0 where none would."""
        _, num_valid, progress = self._progress(canvas)
        is_begun = ((progress >= self._options.block_add_threshold) | (num_valid == 0)).all(dim=1)
        return is_begun * self.num_to_boundary(len(canvas.prefix_ids) + canvas.lengths)

    def num_to_boundary(self, num_tokens: Tensor) -> Tensor:
        """Tokens up to the end of the block that the token after so many is in."""
        return self._block_length - num_tokens % self._block_length

    def _progress(self, canvas: Canvas) -> tuple[Tensor, Tensor, Tensor]:
        """The block of every column, [B, T]; how long every block is and what share of it is committed, [B, N]."""
        columns = len(canvas.prefix_ids) + torch.arange(canvas.is_masked.shape[1])
        block = (columns // self._block_length - columns[0] // self._block_length).expand_as(canvas.is_masked)
        # In double precision, so that one position of ten reaches a threshold of 0.1.
        zeros = torch.zeros(len(block), int(block[0, -1]) + 1, dtype=torch.float64)
        num_committed, num_valid = (
            zeros.scatter_add(1, block, positions.double()) for positions in (canvas.is_committed, canvas.is_valid)
        )
        return block, num_valid, num_committed / num_valid.clamp_min(1)


def _after(is_far: Tensor) -> Tensor:
    """[B, N] bool, shifted by one: whether a condition holds for the block before; true for the first block."""
    is_far = is_far.roll(1, dims=1)
    is_far[:, 0] = True
    return is_far


class BlockCausalPrompt:
    """canvas → logits [N, V] of the positions that it asks about, exact: finished blocks come from memory.

    Blocks that have not begun are computed too: a draft has a guess for every mask.

    Args:
        network: The transformer.
        prefix_cache: Its keys and values of prefixes, in the model's blocks.
        document: What the prompt is of.
    """

    def __init__(self, network: Transformer, prefix_cache: PrefixCache, document: str = "") -> None:
        self._network = network
        self._prefix_cache, self._document = prefix_cache, document
        self._block_length = prefix_cache.block_length
        self._known_ids = torch.empty(0, 0, dtype=torch.long)
        self._layers: list[LayerKV] = []
        self.num_forwards = 0

    def is_prefill(self, num_ahead: int) -> bool:
        """The first call alone, whatever of the prefix is known already."""
        return not self.num_forwards and num_ahead == 0

    @torch.inference_mode()
    def __call__(self, canvas: Canvas) -> Tensor:
        """One pass over the blocks that are not known yet, and those that a position asked about is read from."""
        shift, num_prefix = int(self._network.config.shift_logits), len(canvas.prefix_ids)
        token_ids = whole_tokens(canvas).masked_fill(~whole_validity(canvas), _PADDING)
        if not self.num_forwards:
            self._prefill(canvas.prefix_ids[: self._whole(num_prefix - shift)], len(token_ids))
        rows, columns = canvas.is_asked.nonzero(as_tuple=True)
        sources = num_prefix + columns - shift
        num_known = self._num_known(token_ids)
        start = min(num_known, self._whole(int(sources.min())))
        num_finished = self._whole(num_prefix + _num_leading(~canvas.is_masked))
        recorder = Recorder() if num_finished > num_known else None
        memory = None
        if start:
            memory = Memory([layer.first(start) for layer in self._layers], self._positions(start, len(token_ids)))
        hidden = self._run(
            whole_tokens(canvas)[:, start:],
            whole_positions(canvas)[:, start:],
            whole_validity(canvas),
            memory,
            recorder,
        )
        if recorder:
            fresh = [layer.first(num_finished - start) for layer in recorder.layers]
            if memory:
                fresh = [old.followed_by(new) for old, new in zip(memory.layers, fresh, strict=True)]
            self._layers = fresh
            self._known_ids = token_ids[:, :num_finished]
        return self._network.logits(pick(hidden, rows, sources - start))

    def check_integrity(self) -> None:
        """Assert that whole blocks are known, by a key and a value per token and layer; for tests.

        Raises:
            AssertionError: they are not.
        """
        num_rows, num_known = self._known_ids.shape
        assert num_known == self._whole(num_known)
        assert bool(self._layers) == (num_known > 0)
        for layer in self._layers:
            assert layer.keys.shape[:2] == layer.values.shape[:2] == (num_rows, num_known)

    def _prefill(self, token_ids: Tensor, num_rows: int) -> None:
        """Read the prefix's whole blocks; the rows share their memory."""
        self._known_ids = token_ids.expand(num_rows, -1)
        if len(token_ids):
            num_before = self._prefix_cache.num_forwards
            self._layers = [layer.for_rows(num_rows) for layer in self._prefix_cache.read(token_ids, self._document)]
            self.num_forwards += self._prefix_cache.num_forwards - num_before

    def _num_known(self, token_ids: Tensor) -> int:
        """Columns of whole blocks that hold in every row what they held when they were computed."""
        length = min(token_ids.shape[1], self._known_ids.shape[1])
        return self._whole(_num_leading(token_ids[:, :length] == self._known_ids[:, :length]))

    def _whole(self, num_columns: int) -> int:
        """Columns of the blocks that end within so many."""
        return num_columns // self._block_length * self._block_length

    def _run(
        self,
        token_ids: Tensor,
        positions: Tensor,
        is_valid: Tensor,
        memory: Memory | None,
        recorder: Recorder | None = None,
    ) -> Tensor:
        """Hidden states [B, T, C] of tokens [B, T] after a memory of S in earlier blocks; `is_valid` is [B, S + T]."""
        block = positions // self._block_length
        num_rows, num_tokens = token_ids.shape
        num_known = is_valid.shape[1] - num_tokens
        own = (block[:, None, :] <= block[:, :, None]) & is_valid[:, None, num_known:]
        is_visible = torch.cat((own, is_valid[:, None, :num_known].expand(num_rows, num_tokens, -1)), dim=2)
        self.num_forwards += 1
        device = self._network.device
        hidden: Tensor = self._network(
            send(token_ids, device),
            send(positions, device),
            is_valid=send(is_visible, device),
            memory=memory,
            recorder=recorder,
        )
        return hidden

    def _positions(self, stop: int, num_rows: int) -> Tensor:
        return torch.arange(stop, device=self._network.device).expand(num_rows, -1)


def _num_leading(holds: Tensor) -> int:
    """Columns of [B, N] before the first in which something does not hold."""
    return int(holds.all(dim=0).long().cumprod(dim=0).sum())
