"""The prefix cache: keys and values of causal texts, kept from request to request.

A token of a causal text sees only the tokens before it, and keys are stored before RoPE. So the keys and values of the
first n tokens depend neither on the text after them nor on their place. A prefix that grew by a keystroke costs its new
tokens, and a suffix that only moved costs nothing; both are exact. One cache serves prefixes and suffixes of all
documents. It knows texts by their tokens, as the prefix caches of causal serving engines do (RadixAttention, arXiv
2312.07104).

The same holds, in whole blocks, for a text that attends block by block (`block_causal`): tokens of a block see each
other and the blocks before. A causal text is one with blocks of a single token.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dlm_model.cache.prompt_diff import num_common
from dlm_model.device import send
from dlm_model.network.kv_cache import KVCache, LayerKV
from dlm_model.network.transformer import Memory, Recorder, Transformer
from dlm_model.network.visibility import up_to_own_block

MAX_STORED_TOKENS = 6144
"""How much is kept of prompts that see no canvas and, apart from these, of prompts that do (`prompt_store`)."""

MIN_SHARED_TOKENS = 16
"""Tokens that a text must begin with in common with a stored one to be computed in two parts: with fewer that saves
nothing worth having, and it is rounded differently."""


class _Text(NamedTuple):
    """Token ids [N] on the CPU, their keys and values, in one row, and the document that they are of."""

    token_ids: Tensor
    cache: KVCache
    document: str

    def head(self, length: int) -> "_Text":
        """The first tokens alone; shares their memory."""
        return self._replace(token_ids=self.token_ids[:length], cache=self.cache.first(length))


class PrefixCache:
    """Evicts the least recently used texts once more than `MAX_STORED_TOKENS` tokens are stored.

    Texts that were read together never evict each other, however long they are: the next request begins with them.

    Attributes:
        block_length: Tokens that see each other; a text consists of whole blocks.
        num_forwards: Network calls so far.
        num_computed: Tokens that they computed.
    """

    def __init__(self, network: Transformer, block_length: int = 1) -> None:
        self._network = network
        self.block_length = block_length
        self._texts: list[_Text] = []
        self._num_together = 1
        self.num_forwards = 0
        self.num_computed = 0

    @torch.inference_mode()
    def read(self, token_ids: Tensor, document: str) -> KVCache:
        """Keys and values of a text [N], in one row; computes only what no stored text begins with."""
        return self.read_all([token_ids], document)[0]

    @torch.inference_mode()
    def read_all(self, texts: Sequence[Tensor], document: str) -> list[KVCache]:
        """As `read`, for several texts of a document that belong together."""
        num_before = self.num_computed
        read = [self._read(token_ids, document) for token_ids in texts]
        if self.num_computed > num_before:
            self._num_together = sum(len(token_ids) > 0 for token_ids in texts)
            while len(self._texts) > self._num_together and self.num_stored > MAX_STORED_TOKENS:
                del self._texts[0]
        return read

    def _read(self, token_ids: Tensor, document: str) -> KVCache:
        if not len(token_ids):
            return self._nothing()
        known = max(self._texts, key=lambda text: num_common(text.token_ids, token_ids), default=None)
        num_shared = num_common(known.token_ids, token_ids) if known else 0
        num_known = num_shared // self.block_length * self.block_length
        if known and num_known == len(token_ids):
            self._remember(known._replace(document=document))
            return known.head(num_known).cache
        is_worth_it = num_known >= MIN_SHARED_TOKENS
        cache = self._extend(known.head(num_known) if known and is_worth_it else None, token_ids)
        self._remember(_Text(token_ids, cache, document))
        return cache

    def forget(self, document: str | None = None) -> None:
        """Forget the texts that a document was the last to read, or all."""
        self._texts = [text for text in self._texts if document is not None and text.document != document]

    @property
    def num_stored(self) -> int:
        """Tokens whose keys and values are held."""
        return sum(len(text.token_ids) for text in self._texts)

    def check_integrity(self) -> None:
        """Assert the invariants of what is stored; for tests.

        Raises:
            AssertionError: naming the one that is broken.
        """
        for text in self._texts:
            lengths = {tensor.shape[1] for layer in text.cache.layers for tensor in (layer.keys, layer.values)}
            assert lengths == {len(text.token_ids)}, "one key and one value per token and layer"
            assert len(text.token_ids) % self.block_length == 0, "whole blocks"
        for index, text in enumerate(self._texts):
            others = self._texts[:index] + self._texts[index + 1 :]
            assert not any(_begins_with(other, text) for other in others), "no text is the beginning of another"
        assert len(self._texts) <= self._num_together or self.num_stored <= MAX_STORED_TOKENS, "bounded"

    def _nothing(self) -> KVCache:
        config, weight = self._network.config, self._network.embed_tokens.weight
        nothing = weight.new_empty(1, 0, config.num_kv_heads, config.head_dim)
        return KVCache((LayerKV(nothing, nothing),) * config.num_layers)

    def _extend(self, known: _Text | None, token_ids: Tensor) -> KVCache:
        num_known = len(known.token_ids) if known else 0
        fresh = token_ids[num_known:]
        device = self._network.device
        positions = torch.arange(len(token_ids), device=device)[None]
        recorder = Recorder()
        self._network(
            send(fresh[None], device),
            positions[:, num_known:],
            may_attend=up_to_own_block(positions[:, num_known:], self.block_length, torch.ones_like(positions).bool()),
            memory=Memory(known.cache, positions[:, :num_known]) if known else None,
            recorder=recorder,
        )
        self.num_forwards += 1
        self.num_computed += len(fresh)
        return known.cache.followed_by(recorder.cache) if known else recorder.cache

    def _remember(self, text: _Text) -> None:
        """Make a text the most recently used; it replaces those that it begins with."""
        others = [other for other in self._texts if not _begins_with(text, other)]
        self._texts = [*others, text]


def _begins_with(text: _Text, other: _Text) -> bool:
    return num_common(text.token_ids, other.token_ids) == len(other.token_ids)
