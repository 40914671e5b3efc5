"""Which tokens see which in a text that is read block by block; a causal text has blocks of a single token."""

import torch.nn.functional as F
from torch import Tensor


def up_to_own_block(position_ids: Tensor, block_length: int, may_attend: Tensor) -> Tensor:
    """What each token may attend to: those up to the end of its block, and all that is remembered from before.

    Args:
        position_ids: [B, T]
        block_length: Tokens of a block, counted from position 0.
        may_attend: [B, T + S], tokens first, then memory; false for what no token sees.

    Returns:
        [B, T, T + S], as `Transformer.forward` takes it.
    """
    block = position_ids // block_length
    is_later = block[:, None, :] > block[:, :, None]
    num_remembered = may_attend.shape[1] - position_ids.shape[1]
    return may_attend[:, None] & ~F.pad(is_later, (0, num_remembered))
