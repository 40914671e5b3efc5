"""Prompts that saw a canvas, kept from request to request: the last one of every document.

Unlike in `prefix_cache`, such keys and values hold for one text and one canvas only. `prompt_reuse` decides which of
them the next request may still read. This module bounds how much is kept, and forgets.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from dlm_model.cache.prefix_cache import MAX_STORED_TOKENS
from dlm_model.network.kv_cache import KVCache


class KeptPrompt(NamedTuple):
    """A prompt of P + S tokens, read as one text, beside a canvas of B rows.

    Attributes:
        token_ids: [P + S], on the CPU.
        num_prefix: P, where the canvas stood.
        cache: Their keys and values, in B rows.
        streams: The inputs of some layers, [B, P + S, C], by layer.
        drift: By how much each layer's values have drifted since they were computed together, [L], on the CPU.
    """

    token_ids: Tensor
    num_prefix: int
    cache: KVCache
    streams: dict[int, Tensor]
    drift: Tensor

    @property
    def num_tokens(self) -> int:
        """Tokens whose keys and values are held, all rows together."""
        return len(self.cache.layers[0].keys) * len(self.token_ids)


class PromptStore:
    """Forgets the documents that were used least recently once more than `MAX_STORED_TOKENS` tokens are stored.

    The last prompt stays, however long it is: the next request begins with it.

    Attributes:
        num_computed: Tokens that first passes have computed so far, canvas included; those that only the deeper layers
            computed count in proportion.
    """

    def __init__(self) -> None:
        self.num_computed = 0.0
        self._prompts: dict[str, KeptPrompt] = {}

    def find(self, document: str) -> KeptPrompt | None:
        """A document's last prompt."""
        return self._prompts.get(document)

    def keep(self, prompt: KeptPrompt, document: str) -> None:
        """Make a prompt its document's last one, and the most recently used."""
        self._prompts.pop(document, None)
        self._prompts[document] = prompt
        while len(self._prompts) > 1 and self.num_stored > MAX_STORED_TOKENS:
            del self._prompts[next(iter(self._prompts))]

    def forget(self, document: str | None = None) -> None:
        """Forget the prompt of a document, or all."""
        forgotten = list(self._prompts) if document is None else [document]
        for each in forgotten:
            self._prompts.pop(each, None)

    @property
    def num_stored(self) -> int:
        """Tokens whose keys and values are held, those of every row counted."""
        return sum(prompt.num_tokens for prompt in self._prompts.values())

    def check_integrity(self) -> None:
        """Assert the invariants of what is stored; for tests.

        Raises:
            AssertionError: naming the one that is broken.
        """
        for prompt in self._prompts.values():
            shape = prompt.cache.layers[0].keys.shape[:2]
            tensors = [tensor for layer in prompt.cache.layers for tensor in (layer.keys, layer.values)]
            assert shape[1] == len(prompt.token_ids), "one key per token"
            assert all(each.shape[:2] == shape for each in (*tensors, *prompt.streams.values())), "as much everywhere"
            assert 0 <= prompt.num_prefix <= len(prompt.token_ids), "the canvas stood in the text"
            assert prompt.drift.shape == (len(prompt.cache.layers),), "one drift per layer"
            assert bool(torch.isfinite(prompt.drift).all() and (prompt.drift >= 0).all()), "drift is an amount"
        assert len(self._prompts) <= 1 or self.num_stored <= MAX_STORED_TOKENS, "bounded"
