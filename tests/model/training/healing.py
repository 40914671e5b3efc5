"""Draws for which it is known whether the words around a hole are healed."""

import random


class Healing(random.Random):
    """The first two draws decide the healing of one hole, both in the same way; all others are random."""

    def __init__(self, seed: int, *, heals: bool) -> None:
        super().__init__(seed)
        self._healing_draws = [0.0 if heals else 1.0] * 2

    def random(self) -> float:
        """A number of [0, 1]."""
        return self._healing_draws.pop() if self._healing_draws else super().random()
