"""How far a cached prompt leads away from the exact one: both predictions of every step, on the same canvas."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from torch import Tensor

from dlm_model import engine
from dlm_model.canvas import Canvas
from dlm_model.kv_cache import CachedPredictor
from dlm_model.transformer import Transformer


@dataclass
class Agreement:
    """Masked positions seen, and those where the cached argmax is the exact one."""

    num_positions: int = 0
    num_equal: int = 0

    @property
    def share(self) -> float:
        """In [0, 1]; 1 where nothing was compared."""
        return self.num_equal / self.num_positions if self.num_positions else 1.0


@contextmanager
def compared_with_exact() -> Iterator[Agreement]:
    """Within it, engines also compute every step exactly; the trajectory stays the cached one."""
    agreement = Agreement()

    class ComparingPredictor(CachedPredictor):
        def __init__(self, network: Transformer, refresh_interval: int) -> None:
            super().__init__(network, refresh_interval)
            self._exact = CachedPredictor(network, refresh_interval=1)

        def __call__(self, canvas: Canvas) -> Tensor:
            logits = super().__call__(canvas)
            equal = logits.argmax(-1) == self._exact(canvas).argmax(-1)
            agreement.num_positions += equal.numel()
            agreement.num_equal += int(equal.sum())
            return logits

    with patch.object(engine, "CachedPredictor", ComparingPredictor):
        yield agreement
