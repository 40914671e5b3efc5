"""Models that attend block by block: the sequence is cut into blocks of one length; each sees itself and those before.

    prefix blocks     computed once, and kept from request to request: exact, since nothing after them can be seen
    finished blocks   computed once more when their last mask is filled, and then as exact as the prefix
    all others        recomputed in every step

This is block diffusion (arXiv 2503.09573), as in SDAR, Fast-dLLM v2 and Stable-DiffCoder. Blocks are counted from the
start of the sequence, prefix included. Nothing after the canvas can be seen, so there is no suffix here.
`rules.block_pipeline` decides which blocks are being filled.
"""

import torch
from torch import Tensor

from dlm_model.cache.layout import pick, whole_positions, whole_tokens, whole_validity
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.network.kv_cache import KVCache
from dlm_model.network.transformer import Memory, Recorder, Transformer
from dlm_model.network.visibility import up_to_own_block

_PADDING = -1


class BlockCausalPrompt:
    """canvas → logits [N, V] of the positions that it asks about, exact: finished blocks come from memory.

    Blocks that have not begun are computed too: a draft has a guess for every mask.

    Args:
        network: The transformer.
        prefix_cache: Its keys and values of prefixes, in the model's blocks.
        document: What the prompt is of.
    """

    def __init__(self, network: Transformer, prefix_cache: PrefixCache, document: str) -> None:
        self._network = network
        self._prefix_cache, self._document = prefix_cache, document
        self._block_length = prefix_cache.block_length
        self._known_ids = torch.empty(0, 0, dtype=torch.long)
        self._known = KVCache()
        self.num_forwards = 0

    def is_prefill(self, num_ahead: int) -> bool:
        """The first call alone, whatever of the prefix is known already."""
        return not self.num_forwards and num_ahead == 0

    @torch.inference_mode()
    def __call__(self, canvas: Canvas) -> Tensor:
        """One pass over the blocks that are not known yet, and those that a position asked about is read from."""
        shift, num_prefix = int(self._network.config.shift_logits), len(canvas.prefix_ids)
        token_ids = whole_tokens(canvas).masked_fill(~whole_validity(canvas), _PADDING)
        if not self.num_forwards:
            self._prefill(canvas.prefix_ids[: self._whole(num_prefix - shift)], len(token_ids))
        rows, columns = canvas.is_asked.nonzero(as_tuple=True)
        sources = num_prefix + columns - shift
        num_known = self._num_known(token_ids)
        start = min(num_known, self._whole(int(sources.min())))
        num_finished = self._whole(num_prefix + _num_leading(~canvas.is_masked))
        recorder = Recorder() if num_finished > num_known else None
        known = self._known.first(start)
        hidden = self._run(
            whole_tokens(canvas)[:, start:],
            whole_positions(canvas)[:, start:],
            whole_validity(canvas).roll(-start, dims=1),
            Memory(known, self._positions(start, len(token_ids))) if start else None,
            recorder,
        )
        if recorder:
            self._known = known.followed_by(recorder.cache.first(num_finished - start))
            self._known_ids = token_ids[:, :num_finished]
        return self._network.logits(pick(hidden, rows, sources - start))

    def check_integrity(self) -> None:
        """Assert that whole blocks are known, by a key and a value per token and layer; for tests.

        Raises:
            AssertionError: they are not.
        """
        num_rows, num_known = self._known_ids.shape
        assert num_known == self._whole(num_known)
        assert self._known.num_tokens == num_known
        for layer in self._known.layers:
            assert layer.keys.shape[:2] == layer.values.shape[:2] == (num_rows, num_known)

    def _prefill(self, token_ids: Tensor, num_rows: int) -> None:
        """Read the prefix's whole blocks; the rows share their memory."""
        self._known_ids = token_ids.expand(num_rows, -1)
        if len(token_ids):
            num_before = self._prefix_cache.num_forwards
            self._known = self._prefix_cache.read(token_ids, self._document).for_rows(num_rows)
            self.num_forwards += self._prefix_cache.num_forwards - num_before

    def _num_known(self, token_ids: Tensor) -> int:
        """Columns of whole blocks that hold in every row what they held when they were computed."""
        length = min(token_ids.shape[1], self._known_ids.shape[1])
        return self._whole(_num_leading(token_ids[:, :length] == self._known_ids[:, :length]))

    def _whole(self, num_columns: int) -> int:
        """Columns of the blocks that end within so many."""
        return num_columns // self._block_length * self._block_length

    def _run(
        self,
        token_ids: Tensor,
        positions: Tensor,
        may_attend: Tensor,
        memory: Memory | None,
        recorder: Recorder | None = None,
    ) -> Tensor:
        """Hidden states [B, T, C] of tokens [B, T] after a memory of S in earlier blocks; `may_attend`: [B, T + S]."""
        self.num_forwards += 1
        device = self._network.device
        hidden: Tensor = self._network(
            send(token_ids, device),
            send(positions, device),
            may_attend=send(up_to_own_block(positions, self._block_length, may_attend), device),
            memory=memory,
            recorder=recorder,
        )
        return hidden

    def _positions(self, stop: int, num_rows: int) -> Tensor:
        return torch.arange(stop, device=self._network.device).expand(num_rows, -1)


def _num_leading(holds: Tensor) -> int:
    """Columns of [B, N] before the first in which something does not hold."""
    return int(holds.all(dim=0).long().cumprod(dim=0).sum())
