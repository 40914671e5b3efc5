"""The prefix cache: whatever it holds, it returns what a computation from nothing does."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm_model.cache import prefix_cache
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.network.kv_cache import KVCache, LayerKV
from dlm_model.network.transformer import Transformer

TOKENS = st.lists(st.integers(1, 4), min_size=1, max_size=9)


@pytest.fixture(scope="module", autouse=True)
def any_beginning_is_shared() -> Iterator[None]:
    """The texts here are shorter than what is worth sharing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefix_cache, "MIN_SHARED_TOKENS", 1)
        yield


def one_by_one(network: Transformer, token_ids: list[int]) -> KVCache:
    """The oracle: every token is the last of a pass of its own over everything before it."""
    columns = []
    for length in range(1, len(token_ids) + 1):
        cache = PrefixCache(network)
        columns.append(cache.read(torch.tensor(token_ids[:length]), "").layers)
    return KVCache(
        tuple(
            LayerKV(
                torch.cat([column[layer].keys[:, -1:] for column in columns], dim=1),
                torch.cat([column[layer].values[:, -1:] for column in columns], dim=1),
            )
            for layer in range(len(columns[0]))
        )
    )


def assert_same(read: KVCache, expected: KVCache) -> None:
    for layer, other in zip(read.layers, expected.layers, strict=True):
        torch.testing.assert_close(layer.keys, other.keys, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(layer.values, other.values, atol=1e-4, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.lists(TOKENS, min_size=1, max_size=6))
def test_any_history_of_texts_reads_as_if_there_were_none(
    causal_network: Transformer, history: list[list[int]]
) -> None:
    cache = PrefixCache(causal_network)
    for token_ids in history:
        read = cache.read(torch.tensor(token_ids), "")
        cache.check_integrity()
    assert_same(read, one_by_one(causal_network, history[-1]))


def test_later_tokens_do_not_reach_back(causal_network: Transformer) -> None:
    short, long = (PrefixCache(causal_network).read(torch.tensor(ids), "") for ids in ([5, 6, 7], [5, 6, 7, 8, 9]))
    assert_same(long.first(3), short)


def test_a_longer_text_costs_its_new_tokens_and_a_shorter_one_nothing(causal_network: Transformer) -> None:
    cache = PrefixCache(causal_network)
    costs = []
    for token_ids in ([5, 6, 7, 8], [5, 6, 7, 8, 9], [5, 6], [5, 6, 7, 8, 9], [5, 6, 3]):
        cache.read(torch.tensor(token_ids), "")
        costs.append(cache.num_computed)
    assert costs == [4, 5, 5, 5, 6]


def test_the_least_recently_used_text_gives_way(causal_network: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_cache, "MAX_STORED_TOKENS", 8)
    cache = PrefixCache(causal_network)
    for token_ids in ([1, 1, 1], [2, 2, 2], [1, 1, 1], [3, 3, 3]):
        cache.read(torch.tensor(token_ids), "")
        cache.check_integrity()
    before = cache.num_computed
    cache.read(torch.tensor([1, 1, 1]), "")
    assert cache.num_computed == before
    cache.read(torch.tensor([2, 2, 2]), "")
    assert cache.num_computed == before + 3


def test_texts_that_are_read_together_never_give_way_to_each_other(
    causal_network: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix_cache, "MAX_STORED_TOKENS", 8)
    cache = PrefixCache(causal_network)
    prefix, suffix = torch.tensor([1, 1, 1, 1, 1, 1]), torch.tensor([2, 2, 2, 2])
    costs = []
    for _ in range(2):
        cache.read_all([prefix, suffix], "")
        cache.check_integrity()
        cache.read(prefix[:-1], "")  # a guide that shares the store reads the prefix alone
        costs.append(cache.num_computed)
    assert costs == [10, 10]
    cache.read(torch.tensor([3, 3]), "")
    assert cache.num_stored == 8  # the suffix, used least recently, gave way


def test_an_empty_text_uses_no_other(causal_network: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_cache, "MAX_STORED_TOKENS", 6)
    cache = PrefixCache(causal_network)
    (layer, *_) = cache.read(torch.tensor([], dtype=torch.long), "").layers
    assert layer.keys.shape == layer.values.shape == (1, 0, 2, 8)
    for token_ids in ([1, 1, 1], [2, 2, 2], [], [3, 3, 3], [2, 2, 2]):
        cache.read(torch.tensor(token_ids, dtype=torch.long), "")
        cache.check_integrity()
    assert cache.num_computed == 9


def test_everything_can_be_forgotten(causal_network: Transformer) -> None:
    cache = PrefixCache(causal_network)
    cache.read(torch.tensor([1, 2, 3]), "")
    cache.forget()
    assert cache.num_stored == 0


def test_a_document_is_forgotten_with_what_it_was_the_last_to_read(causal_network: Transformer) -> None:
    cache = PrefixCache(causal_network)
    for document, token_ids in (("a", [1, 2, 3]), ("b", [4, 4]), ("b", [1, 2, 3, 3]), ("a", [2, 2, 2])):
        cache.read(torch.tensor(token_ids), document)
    cache.forget("c")
    assert cache.num_stored == 9
    cache.forget("a")
    cache.check_integrity()
    assert cache.num_stored == 6
    cache.read(torch.tensor([1, 2, 3]), "")
    assert cache.num_computed == 3 + 2 + 1 + 3


def test_a_short_common_beginning_is_computed_again(
    causal_network: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix_cache, "MIN_SHARED_TOKENS", 3)
    cache = PrefixCache(causal_network)
    costs = []
    for token_ids in ([5, 6, 7, 8], [5, 6, 9, 9], [5, 6, 7, 9], [5, 6]):
        cache.read(torch.tensor(token_ids), "")
        cache.check_integrity()
        costs.append(cache.num_computed)
    assert costs == [4, 8, 9, 9]
