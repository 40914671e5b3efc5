"""The numbers of the table, against numbers worked out by hand."""

import pytest

from tests.bench.infilling_metrics import Outcome, Setting, percentile, summarize, wilson_interval

SETTING = Setting("engine", 8, 0.9)


def outcome(*, is_passed: bool, num_tokens: int, num_forwards: int, elapsed_ms: float) -> Outcome:
    return Outcome("single-line", "a", SETTING, "x", is_passed, is_passed, True, num_tokens, num_forwards, elapsed_ms)


def test_outcomes_are_summed_up() -> None:
    row = summarize(
        [
            outcome(is_passed=True, num_tokens=6, num_forwards=4, elapsed_ms=10),
            outcome(is_passed=False, num_tokens=2, num_forwards=4, elapsed_ms=30),
            outcome(is_passed=False, num_tokens=1, num_forwards=1, elapsed_ms=20),
            outcome(is_passed=False, num_tokens=0, num_forwards=3, elapsed_ms=400),
        ]
    )
    assert (row.split, row.setting, row.num_problems) == ("single-line", SETTING, 4)
    assert (row.pass_at_1, row.exact_match, row.parse_valid) == (0.25, 0.25, 1.0)
    assert (row.mean_forwards, row.tokens_per_forward) == (3.0, 0.75)
    assert (row.p50_ms, row.p95_ms) == (20, 400)


def test_without_forwards_there_are_no_tokens_per_forward() -> None:
    row = summarize([outcome(is_passed=True, num_tokens=0, num_forwards=0, elapsed_ms=0)])
    assert row.tokens_per_forward is None


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 10), (0.51, 11), (0.95, 19), (1.0, 20)])
def test_percentiles_are_values_that_occurred(share: float, expected: int) -> None:
    assert percentile(range(20, 0, -1), share) == expected


def test_intervals_are_wilsons() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    expected = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (num_hits, num_tries), interval in expected.items():
        assert wilson_interval(num_hits, num_tries) == pytest.approx(interval, abs=5e-5)
