"""Classifier-free guidance by the suffix (arXiv 2207.12598): what the suffix adds to a prediction, exaggerated.

    logits = without + weight · (with − without)

Infillers are often trained to continue a text first, and to join up with the suffix only later. If a model attends too
little to the right, a weight above 1 makes it attend more.
"""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from dlm_model.cache.policies import CachePolicy
from dlm_model.canvas import Canvas


class SuffixGuidance:
    """A predictor that runs two passes, with the suffix and without it.

    Args:
        open_cache: Makes the two predictors, which keep what they know of their prompts apart.
        weight: 1 is the model as it is, 0 ignores the suffix.
    """

    def __init__(self, open_cache: Callable[[], CachePolicy], weight: float) -> None:
        self._with_suffix, self._without_suffix = open_cache(), open_cache()
        self._weight = weight

    @property
    def num_forwards(self) -> int:
        """Network calls of this request so far; a causal prompt, which the two share, counts once."""
        return self._with_suffix.num_forwards + self._without_suffix.num_forwards

    def is_prefill(self, num_ahead: int) -> bool:
        """When either does; both do at the same time."""
        return self._with_suffix.is_prefill(num_ahead)

    def __call__(self, canvas: Canvas) -> Tensor:
        """Logits [N, V] of the positions asked about."""
        # In fp32: in bf16 each of the three operations would round, and another token might come out best.
        guided = self._with_suffix(canvas).float()
        unguided = self._without_suffix(replace(canvas, suffix_ids=canvas.suffix_ids[:0])).float()
        return unguided + self._weight * (guided - unguided)
