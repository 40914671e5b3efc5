"""Keys and values of tokens: what a forward pass leaves behind, and what a later one reads.

Keys are held before RoPE, so they serve wherever their tokens move.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LayerKV:
    """One layer's keys (before RoPE) and values, [B, S, K, D] each."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True, slots=True)
class KVCache:
    """Keys and values of S tokens in all layers; before any pass there are none, and no layers.

    Attributes:
        layers: One entry per layer.
    """

    layers: tuple[LayerKV, ...] = ()

    @property
    def num_tokens(self) -> int:
        """How many tokens, S."""
        return self.layers[0].keys.shape[1] if self.layers else 0

    def first(self, num_tokens: int) -> "KVCache":
        """Those of the first tokens; shares their memory."""
        return self._each(lambda states: states[:, :num_tokens])

    def at(self, index: Tensor) -> "KVCache":
        """A copy of those of some tokens: the same [n] in every row or, row by row, [B, n]; on their device."""
        if index.dim() == 1:
            return self._each(lambda states: states[:, index])
        return self._each(lambda states: states.gather(1, index[:, :, None, None].expand(-1, -1, *states.shape[2:])))

    def for_rows(self, num_rows: int) -> "KVCache":
        """These rows, if they are so many, and else the first one for each; shares their memory."""
        return self._each(lambda states: states if len(states) == num_rows else states[:1].expand(num_rows, -1, -1, -1))

    def followed_by(self, later: "KVCache") -> "KVCache":
        """These, and those of later tokens after them; a copy, unless one of the two has no layers."""
        if not (self.layers and later.layers):
            return self if self.layers else later
        return KVCache(
            tuple(
                LayerKV(torch.cat((old.keys, new.keys), dim=1), torch.cat((old.values, new.values), dim=1))
                for old, new in zip(self.layers, later.layers, strict=True)
            )
        )

    def with_room(self, num_tokens: int) -> "KVCache":
        """A copy with room for so many tokens more, which `write` fills."""
        # Zeros: whatever else is there might be no number, and what no query attends to is still multiplied by 0.
        return self._each(lambda states: F.pad(states, (0, 0, 0, 0, 0, num_tokens)))

    def write(self, later: "KVCache", columns: Tensor) -> None:
        """Put those of other tokens into the room for them, at `columns` [B, n] of each row, in place."""
        rows = torch.arange(len(columns), device=columns.device)[:, None]
        for layer, new in zip(self.layers, later.layers, strict=True):
            layer.keys[rows, columns], layer.values[rows, columns] = new.keys, new.values

    def _each(self, change: Callable[[Tensor], Tensor]) -> "KVCache":
        return KVCache(tuple(LayerKV(change(layer.keys), change(layer.values)) for layer in self.layers))
