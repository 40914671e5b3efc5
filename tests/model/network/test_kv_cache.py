"""Keys and values by hand: what is left of which token, and where; and which token sees which."""

import torch
from torch import Tensor

from dlm_model.network.kv_cache import KVCache, LayerKV
from dlm_model.network.visibility import up_to_own_block


def cache_of(*rows: list[int]) -> KVCache:
    """Two layers of one head of one number: in the first each token's own, in the second ten times as much."""
    keys = torch.tensor(rows)[:, :, None, None]
    return KVCache(tuple(LayerKV(factor * keys, -factor * keys) for factor in (1, 10)))


def rows_of(cache: KVCache) -> list[list[int]]:
    """What was given for each token, if all layers and both tensors of each still agree."""
    first, second = cache.layers
    for layer in cache.layers:
        assert torch.equal(layer.values, -layer.keys)
    assert torch.equal(second.keys, 10 * first.keys)
    rows: list[list[int]] = first.keys[:, :, 0, 0].tolist()
    return rows


def test_tokens_are_taken_from_every_layer() -> None:
    cache = cache_of([1, 2, 3], [4, 5, 6])
    assert cache.num_tokens == 3
    assert rows_of(cache.first(2)) == [[1, 2], [4, 5]]
    assert rows_of(cache.for_rows(3)) == [[1, 2, 3]] * 3
    assert rows_of(cache.for_rows(2)) == [[1, 2, 3], [4, 5, 6]]
    assert rows_of(cache.at(torch.tensor([2, 0]))) == [[3, 1], [6, 4]]
    assert rows_of(cache.at(torch.tensor([[2, 0], [1, 1]]))) == [[3, 1], [5, 5]]


def test_tokens_are_written_row_by_row_into_the_room_for_them() -> None:
    cache = cache_of([1, 2], [3, 4])
    grown = cache.with_room(2)
    grown.write(cache_of([7, 8], [9, 10]), torch.tensor([[1, 2], [2, 3]]))
    assert rows_of(grown) == [[1, 7, 8, 0], [3, 4, 9, 10]]
    assert rows_of(cache) == [[1, 2], [3, 4]], "a copy has the room"


def test_what_has_no_layers_joins_with_anything() -> None:
    cache, nothing = cache_of([1, 2]), KVCache()
    assert rows_of(cache.followed_by(cache_of([3]))) == [[1, 2, 3]]
    assert rows_of(nothing.followed_by(cache)) == rows_of(cache.followed_by(nothing)) == [[1, 2]]
    assert nothing.first(0).num_tokens == 0


def seen(positions: list[int], block_length: int, may_attend: Tensor) -> list[str]:
    """For each token, 1 for those that it sees, remembered ones last."""
    (rows,) = up_to_own_block(torch.tensor([positions]), block_length, may_attend)
    return ["".join(map(str, row)) for row in rows.int().tolist()]


def test_a_token_sees_the_end_of_its_block_and_all_that_is_remembered() -> None:
    everything = torch.ones(1, 5, dtype=torch.bool)
    assert seen([3, 4, 5, 6], 1, everything) == ["10001", "11001", "11101", "11111"]
    assert seen([3, 4, 5, 6], 3, everything) == ["11101", "11101", "11101", "11111"]
    without = torch.tensor([[True, True, False, True, False, True]])
    assert seen([0, 1, 2, 3], 2, without) == ["110001", "110001", "110101", "110101"]
