"""Keys and values of tokens: what a forward pass leaves behind, and what a later one reads.

Keys are held before RoPE, so they serve wherever their tokens move.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
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
        """The first row, repeated for several; they share its memory."""
        return self._each(lambda states: states[:1].expand(num_rows, -1, -1, -1))

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
        """A copy with room for so many tokens more, which `write` fills: until then they hold anything."""

        def grown(states: Tensor) -> Tensor:
            num_rows, num_known, *per_token = states.shape
            room = states.new_empty(num_rows, num_known + num_tokens, *per_token)
            room[:, :num_known] = states
            return room

        return self._each(grown)

    def write(self, later: "KVCache", start: int) -> None:
        """Put those of later tokens into the room for them, from token `start` on, in place."""
        for layer, new in zip(self.layers, later.layers, strict=True):
            stop = start + new.keys.shape[1]
            layer.keys[:, start:stop], layer.values[:, start:stop] = new.keys, new.values

    def _each(self, change: Callable[[Tensor], Tensor]) -> "KVCache":
        return KVCache(tuple(LayerKV(change(layer.keys), change(layer.values)) for layer in self.layers))
