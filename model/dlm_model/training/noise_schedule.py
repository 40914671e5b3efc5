"""From easy to hard: the noise of a hole is drawn below a ceiling that rises to 1 over the first steps of a run.

Stable-DiffCoder warms up its highest mask ratio in the same way (arXiv 2601.15892).
"""

import random
from dataclasses import dataclass

from dlm_model.training.examples import HoleNoise, NoiseSource, draw_noise


@dataclass(frozen=True, slots=True)
class NoiseCurriculum:
    """A linear ceiling on the share of masked tokens.

    Attributes:
        first_ceiling: Of step 0, in (0, 1].
        num_steps: Steps until anything may be masked; 0 is no curriculum.
    """

    first_ceiling: float = 0.3
    num_steps: int = 0

    def ceiling(self, step: int) -> float:
        """The highest share of masked tokens at a step, in (0, 1]."""
        progress = min(1.0, step / self.num_steps) if self.num_steps else 1.0
        return self.first_ceiling + (1 - self.first_ceiling) * progress

    def at(self, step: int) -> NoiseSource:
        """How noise is drawn at a step."""
        ceiling = self.ceiling(step)

        def draw(rng: random.Random) -> HoleNoise:
            noise = draw_noise(rng)
            return noise._replace(level=noise.level * ceiling)

        return draw
