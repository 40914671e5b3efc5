"""How much a masked token counts, by what is visible around it: the options for context-adaptive token noise.

A mask in the middle of a long gap is a guess that no fill commits to early. Each weighting maps `is_visible`, one flag
a position, to one factor a position. The factor of a visible position does not matter, because it is never supervised.
"""

from collections.abc import Callable, Mapping

ContextWeighting = Callable[[list[bool]], list[float]]

NEAREST_DECAY = 0.85
CART_P = 0.1


def even(is_visible: list[bool]) -> list[float]:
    """Every mask counts the same."""
    return [1.0] * len(is_visible)


def nearest(is_visible: list[bool], decay: float = NEAREST_DECAY) -> list[float]:
    """`decay ** (d - 1)`, where d is the distance to the nearest visible token on either side."""
    left, right = _distances(is_visible), _distances(is_visible[::-1])[::-1]
    return [decay ** (max(1, min(pair)) - 1) for pair in zip(left, right, strict=True)]


def cart(is_visible: list[bool], p: float = CART_P) -> list[float]:
    """Dream's context-adaptive reweighting of tokens (CART, arXiv 2508.15487).

    `w_i = ½ Σ_{j visible} p (1 - p)^(|i - j| - 1)`: a geometric mixture over the distances to all visible tokens, near
    one where both sides are in full view. Both sums are one recurrence each.
    """
    left, right = _geometric_sums(is_visible, p), _geometric_sums(is_visible[::-1], p)[::-1]
    return [(before + after) / 2 for before, after in zip(left, right, strict=True)]


CONTEXT_WEIGHTINGS: Mapping[str, ContextWeighting] = {"nearest": nearest, "cart": cart, "even": even}


def _distances(is_visible: list[bool]) -> list[int]:
    """How many positions back the last visible one is, for every position."""
    distances, distance = [], len(is_visible)
    for visible in is_visible:
        distance = 0 if visible else distance + 1
        distances.append(distance)
    return distances


def _geometric_sums(is_visible: list[bool], p: float) -> list[float]:
    """`Σ_{j < i, visible} p (1 - p)^(i - j - 1)` for every position i."""
    sums, total = [], 0.0
    for visible in is_visible:
        sums.append(total)
        total = (1 - p) * total + (p if visible else 0.0)
    return sums
