"""The order in which the blocks of a text are filled; `cache.block_causal` runs the network for it.

Blocks are counted from the start of the sequence, prefix included.
"""

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.rules.eligibility import Eligibility


class BlockPipeline:
    """Which blocks of a canvas are being filled: one after the other, or overlapping as in a pipeline.

    D2F (Discrete Diffusion Forcing, arXiv 2508.09192; github.com/zhijie-group/Discrete-Diffusion-Forcing): a block
    begins once the share of committed positions of every block before it reaches `block_add_threshold`, and is on its
    own, with a quota to fill, once that of its predecessor reaches `decoded_token_threshold`. At a first threshold
    of 1 a block waits until those before it are full. The prefix's part of a block does not count. Where the published
    loop owes a commit to every block that is on its own, here one quota covers all of them.
    """

    def __init__(self, block_length: int, options: DecodeOptions) -> None:
        """Count nothing yet.

        Args:
            block_length: Tokens of a block.
            options: The two thresholds.
        """
        self._block_length = block_length
        self._options = options

    def eligibility(self, canvas: Canvas) -> Eligibility:
        """Open are the masks of blocks that have begun; those of blocks that began before their turn are not due."""
        block, _, progress = self._progress(canvas)
        has_begun = self._has_begun(progress).gather(1, block)
        is_due = _after(progress >= self._options.decoded_token_threshold).gather(1, block)
        is_open = canvas.is_masked & has_begun
        return Eligibility(canvas.is_masked, is_open, is_open & is_due)

    def being_filled(self, canvas: Canvas) -> Tensor:
        """Positions [B, T] of the blocks that have begun and are not full."""
        block, _, progress = self._progress(canvas)
        return (self._has_begun(progress) & (progress < 1)).gather(1, block)

    def num_missing(self, canvas: Canvas) -> Tensor:
        """Masks that each row lacks for the block that would begin now, [B]; 0 where none would."""
        _, num_valid, progress = self._progress(canvas)
        is_begun = ((progress >= self._options.block_add_threshold) | (num_valid == 0)).all(dim=1)
        return is_begun * self.num_to_boundary(len(canvas.prefix_ids) + canvas.lengths)

    def num_to_boundary(self, num_tokens: Tensor) -> Tensor:
        """Tokens up to the end of the block that the token after so many is in."""
        return self._block_length - num_tokens % self._block_length

    def _has_begun(self, progress: Tensor) -> Tensor:
        """Whether all blocks before each have come far enough, [B, N]."""
        return _after((progress >= self._options.block_add_threshold).long().cumprod(dim=1).bool())

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
