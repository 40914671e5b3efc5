"""What two texts have in common, against what a reader would say."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm_model.cache.prompt_diff import MIN_RUN, near, origins, place_of, seams

TEXT = list(range(100, 140))
TOKENS = st.lists(st.integers(1, 3), max_size=30)


def found_in(before: list[int], now: list[int]) -> list[int]:
    return origins(torch.tensor(before, dtype=torch.long), torch.tensor(now, dtype=torch.long)).tolist()


@settings(max_examples=60, deadline=None)
@given(TOKENS, TOKENS, TOKENS, TOKENS)
def test_what_is_found_is_the_same_token_in_the_same_order_and_in_runs(
    head: list[int], old: list[int], new: list[int], tail: list[int]
) -> None:
    before, now = head + old + tail, head + new + tail
    found = found_in(before, now)
    kept = [(index, origin) for index, origin in enumerate(found) if origin >= 0]
    assert all(now[index] == before[origin] for index, origin in kept)
    origins_in_order = [origin for _, origin in kept]
    assert origins_in_order == sorted(set(origins_in_order))
    runs: dict[int, int] = {}
    for index, origin in kept:
        runs[index - origin] = runs.get(index - origin, 0) + 1
    assert all(length >= MIN_RUN for length in runs.values())


def test_unchanged_runs_are_found_where_they_have_moved() -> None:
    assert found_in(TEXT, TEXT) == list(range(40))
    assert found_in(TEXT, [*TEXT[:20], 7, *TEXT[20:]]) == [*range(20), -1, *range(20, 40)]
    assert found_in(TEXT, [*TEXT[:15], *TEXT[18:]]) == [*range(15), *range(18, 40)]
    slid = found_in(TEXT, [*TEXT[10:25], 7, 8, *TEXT[25:], *range(200, 205)])
    assert slid == [*range(10, 25), -1, -1, *range(25, 40), *[-1] * 5]


def test_a_run_that_is_too_short_counts_as_changed() -> None:
    now = [*TEXT[:20], 7, *TEXT[20:24], 8, *TEXT[24:]]
    assert found_in(TEXT, now) == [*range(20), *[-1] * 6, *range(24, 40)]


def test_seams_are_where_neighbours_were_none() -> None:
    def seams_of(now: list[int]) -> list[int]:
        found = torch.tensor(found_in(TEXT, now))
        return [int(seam) for seam in seams(found, len(TEXT)).nonzero()]

    assert seams_of(TEXT) == []
    assert seams_of([*TEXT[:20], 7, *TEXT[20:]]) == [20, 21]
    assert seams_of([*TEXT[:20], 7, 7, *TEXT[20:]]) == [20, 21, 22]
    assert seams_of([*TEXT[:15], *TEXT[18:]]) == [15]
    assert seams_of(TEXT[10:]) == [0]
    assert seams_of(TEXT[:30]) == [30]


def test_what_is_near_a_boundary_is_on_both_sides_of_it() -> None:
    boundaries = torch.zeros(11, dtype=torch.bool)
    boundaries[[0, 5]] = True
    assert near(boundaries, 2).nonzero()[:, 0].tolist() == [0, 1, 3, 4, 5, 6]
    assert not near(boundaries, 0).any()
    assert near(boundaries, 99).all()


def test_a_boundary_is_found_again_behind_what_was_put_in_front_of_it() -> None:
    now = torch.tensor(found_in(TEXT, [7, 7, *TEXT[:30], *TEXT[32:]]))
    assert [place_of(now, boundary) for boundary in (0, 10, 31, 32, 40)] == [2, 12, 32, 32, 40]
