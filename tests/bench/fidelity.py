"""How much a cache changes the prediction: with it and exactly, on the same canvas.

Only steps that read the cache count. Steps that compute the prompt are exact anyway, and would flatter the cache. A
first step that begins with a kept prompt counts, even if it has to compute everything.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

from torch import Tensor

from dlm_model.cache.block_causal import BlockCausalPrompt
from dlm_model.cache.causal_prompt import CausalPrompt
from dlm_model.cache.policies import CachePolicy, ColumnCache, choose_window
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.decoding import Decoder
from dlm_model.network.transformer import Transformer


@dataclass
class Agreement:
    """Masked positions compared, and how many of them have the same argmax with the cache as without it."""

    num_positions: int = 0
    num_equal: int = 0

    @property
    def share(self) -> float:
        """In [0, 1]; 1 where nothing was compared."""
        return self.num_equal / self.num_positions if self.num_positions else 1.0


class Recomputed:
    """The specification of an exact cache: everything is computed anew in every step."""

    def __init__(self, open_policy: Callable[[], CachePolicy]) -> None:
        self._open_policy = open_policy
        self.num_forwards = 0

    def __call__(self, canvas: Canvas) -> Tensor:
        policy = self._open_policy()
        logits = policy(canvas)
        self.num_forwards += policy.num_forwards
        return logits

    def is_prefill(self, _num_ahead: int) -> bool:
        return True


class Compared:
    """A policy, with the exact one computed beside it; what is returned, and decoded with, is the policy's own.

    Args:
        policy: What is decoded with.
        exact: What it should predict.
        agreement: Counts how often it does.
        skips: Steps that do not count, as told before each: nothing is computed beside them.
    """

    def __init__(
        self, policy: CachePolicy, exact: CachePolicy, agreement: Agreement, skips: Callable[[], bool] = lambda: False
    ) -> None:
        self._policy, self._exact, self._agreement, self._skips = policy, exact, agreement, skips

    @property
    def num_forwards(self) -> int:
        return self._policy.num_forwards

    def is_prefill(self, num_ahead: int) -> bool:
        return self._policy.is_prefill(num_ahead)

    def __call__(self, canvas: Canvas) -> Tensor:
        is_skipped = self._skips()
        logits = self._policy(canvas)
        if not is_skipped:
            equal = logits.argmax(-1) == self._exact(canvas).argmax(-1)
            self._agreement.num_positions += equal.numel()
            self._agreement.num_equal += int(equal.sum())
        return logits


def exact_policy(network: Transformer, options: DecodeOptions) -> CachePolicy:
    """The cache policy that remembers nothing from step to step."""
    block_length = network.config.block_length
    if block_length is not None:
        return Recomputed(lambda: BlockCausalPrompt(network, PrefixCache(network, block_length), ""))
    if network.config.prompt_attention == "causal":
        return Recomputed(lambda: CausalPrompt(network, PrefixCache(network), ""))
    return ColumnCache(network, replace(options, prompt_refresh_interval=1), choose_window)


@contextmanager
def always_exact() -> Iterator[None]:
    """Within this context, engines remember nothing from step to step."""
    with patch.object(Decoder, "open_cache", lambda self, options, _document: exact_policy(self.network, options)):
        yield


@contextmanager
def compared_with_exact() -> Iterator[Agreement]:
    """Within this context, engines also compute every step exactly, and count how often both agree."""
    agreement = Agreement()
    open_cache = Decoder.open_cache

    def open_compared(decoder: Decoder, options: DecodeOptions, document: str) -> CachePolicy:
        policy, exact = open_cache(decoder, options, document), exact_policy(decoder.network, options)
        if isinstance(policy, CausalPrompt | BlockCausalPrompt) or options.prompt_refresh_interval == 1:
            return Compared(policy, exact, agreement)
        return Compared(policy, exact, agreement, skips=lambda: policy.is_prefill(0))

    with patch.object(Decoder, "open_cache", open_compared):
        yield agreement
