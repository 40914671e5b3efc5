"""How far a cached prompt leads away from the exact one: both predictions, on the same canvas.

Only the steps that read the cache count; those that compute the prompt are exact by nature and would flatter it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

from torch import Tensor

from dlm_model import engine
from dlm_model.canvas import Canvas
from dlm_model.kv_cache import ColumnCache, ColumnChoice, choose_window
from dlm_model.request import DecodeOptions
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

    class ComparingCache(ColumnCache):
        def __init__(self, network: Transformer, options: DecodeOptions, choose: ColumnChoice) -> None:
            super().__init__(network, options, choose)
            self._exact = ColumnCache(network, replace(options, prompt_refresh_interval=1), choose_window)

        def __call__(self, canvas: Canvas) -> Tensor:
            is_prefill = self._options.is_prefill(self.num_forwards)
            logits = super().__call__(canvas)
            if not is_prefill or self._options.prompt_refresh_interval == 1:
                equal = logits.argmax(-1) == self._exact(canvas).argmax(-1)
                agreement.num_positions += equal.numel()
                agreement.num_equal += int(equal.sum())
            return logits

    with patch.object(engine, "ColumnCache", ComparingCache):
        yield agreement
