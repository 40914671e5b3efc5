"""Causal prompts: they see only themselves, and do not change while a canvas is filled beside them.

So what is known of one is exact: it bets on nothing, and is kept from request to request (`prefix_cache`).
"""

import torch
from torch import Tensor

from dlm_model.cache.layout import attention_mask, pick, whole_positions, whole_tokens, whole_validity, without
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.network.kv_cache import KVCache
from dlm_model.network.transformer import Memory, Transformer


class CausalPrompt:
    """For prompts that see only themselves: exact, whatever the canvas holds.

    With shifted logits, the canvas is predicted from the token left of it on. That token is read twice: as part of the
    prompt, which does not see the canvas, and in front of the canvas, as part of it.
    """

    def __init__(self, network: Transformer, prefix_cache: PrefixCache, document: str) -> None:
        self._network = network
        self._prefix_cache, self._document = prefix_cache, document
        self._prompt = KVCache()
        self.num_forwards = 0  # refine passes, and those over the part of the prompt that was not known yet

    def is_prefill(self, num_ahead: int) -> bool:
        """The first call alone, however much of the prompt is cached."""
        return not self._prompt.layers and num_ahead == 0

    @torch.inference_mode()
    def __call__(self, canvas: Canvas) -> Tensor:
        """One pass over the canvas."""
        num_prefix, num_columns = len(canvas.prefix_ids), canvas.is_valid.shape[1]
        window = slice(num_prefix - int(self._network.config.shift_logits), num_prefix + num_columns)
        if not self._prompt.layers:
            self._prompt = self._read_prompt(canvas)
        positions = without(whole_positions(canvas), num_prefix, num_prefix + num_columns)
        may_attend = torch.cat((whole_validity(canvas)[:, window], torch.ones_like(positions, dtype=torch.bool)), dim=1)
        device = self._network.device
        hidden = self._network(
            send(whole_tokens(canvas)[:, window], device),
            send(whole_positions(canvas)[:, window], device),
            may_attend=attention_mask(may_attend, device),
            memory=Memory(self._prompt, send(positions, device)),
        )
        self.num_forwards += 1
        return self._network.logits(pick(hidden, *canvas.is_asked.nonzero(as_tuple=True)))

    def check_integrity(self, canvas: Canvas) -> None:
        """Assert that the whole prompt of a canvas is kept, once for every row; for tests.

        Raises:
            AssertionError: it is not.
        """
        shape = len(canvas.lengths), len(canvas.prefix_ids) + len(canvas.suffix_ids)
        for layer in self._prompt.layers:
            assert layer.keys.shape[:2] == layer.values.shape[:2] == shape

    def _read_prompt(self, canvas: Canvas) -> KVCache:
        """Prefix and suffix after one another; the rows share their memory."""
        num_before = self._prefix_cache.num_forwards
        prefix, suffix = self._prefix_cache.read_all((canvas.prefix_ids, canvas.suffix_ids), self._document)
        self.num_forwards += self._prefix_cache.num_forwards - num_before
        return prefix.followed_by(suffix).for_rows(len(canvas.lengths))
