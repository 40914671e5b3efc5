"""From causal to bidirectional attention: over the first steps of a run, a canvas sees ever further to the right.

A causal checkpoint has never looked ahead. With a reach of 0, a shifted head and the text left of the hole, it does
what it was trained for. As the reach grows, it sees masks and suffix. DiffuLLaMA (arXiv 2410.17891) reveals single
pairs of tokens at random instead, which takes a mask of its own for every sequence.
"""

from dataclasses import dataclass

FULL_REACH = 1 << 20
"""More than any sequence is long."""

_LAST_REACH = 512


@dataclass(frozen=True, slots=True)
class AttentionAnnealing:
    """How far a canvas sees to the right.

    Attributes:
        num_steps: Steps until it sees everything; 0 is no annealing.
    """

    num_steps: int = 0

    def reach(self, step: int) -> int:
        """Tokens to the right that a canvas token sees at a step, its suffix' included; doubled at equal intervals."""
        return round(_LAST_REACH ** (step / self.num_steps)) - 1 if step < self.num_steps else FULL_REACH
