"""Weights of masked tokens by what is visible around them, against the formulas written out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_model.training.context_weights import CART_P, NEAREST_DECAY, cart, even, nearest
from dlm_model.training.sequence import Example

VISIBILITIES = st.lists(st.booleans(), min_size=1, max_size=40)


@given(VISIBILITIES)
def test_cart_is_its_formula(is_visible: list[bool]) -> None:
    def weight(i: int) -> float:
        distances = [abs(i - j) for j, visible in enumerate(is_visible) if visible and i != j]
        return 0.5 * sum(CART_P * (1 - CART_P) ** (distance - 1) for distance in distances)

    assert cart(is_visible) == pytest.approx([weight(i) for i in range(len(is_visible))])


def test_the_middle_of_a_gap_counts_least() -> None:
    gap = [True] + [False] * 4 + [True]
    assert nearest(gap)[1:-1] == pytest.approx([1, NEAREST_DECAY, NEAREST_DECAY, 1])
    assert even(gap) == [1.0] * 6
    far, near = cart([True] * 9 + [False] * 9)[-1], cart([True] * 9 + [False] * 9)[9]
    assert 0 < far < near


def test_only_what_has_a_weight_is_reweighted() -> None:
    example = Example()
    example.show([1])
    example.hide(9, 5)
    example.hide(9, 5, weight=0.5)
    example.show([2])
    example.reweight(lambda is_visible: [0.5] * len(is_visible))
    assert example.weights == [0, 0.5, 0.25, 0]
