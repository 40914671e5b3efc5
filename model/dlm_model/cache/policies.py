"""Keys and values kept between the steps of one request and, where they are exact, beyond it: the cache policies.

A policy is called with the canvas before every step, and returns the logits of the positions that the canvas asks
about. If the prompt sees the canvas, every key changes with every commit, and a policy is a bet on which columns of
prefix | canvas | suffix matter:

    interval     the canvas in every step, everything every few steps (dLLM-Cache's long interval, arXiv 2506.06295)
    vicinity     the same, and the prompt's columns next to the canvas
    delayed      only what is masked or was committed one step ago (dKV-Cache, arXiv 2505.15781)
    similarity   the columns whose values have drifted, layer by layer: `similarity_cache`

`prompt_reuse` makes a bet of the same kind from one request of a document to the next. Prompts that do not see the
canvas need no bet: see `causal_prompt` and `block_causal`.

Keys are kept before RoPE. When the canvas changes length, keys that move are read at their new place, and not
recomputed.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from dlm_model.cache.layout import origin_columns, pick, run_columns, whole_tokens
from dlm_model.cache.prompt_reuse import PromptReuse
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.device import send
from dlm_model.network.kv_cache import KVCache
from dlm_model.network.transformer import Recorder, Transformer


class CachePolicy(Protocol):
    """canvas → logits [N, V] of the positions that it asks about, with the keys and values that the policy keeps."""

    @property
    def num_forwards(self) -> int:
        """Network calls of this request so far, including those over a prompt that was not cached."""

    def is_prefill(self, num_ahead: int) -> bool:
        """Whether the call after `num_ahead` more computes the whole prompt, and so takes longer than most."""

    def __call__(self, canvas: Canvas) -> Tensor:
        """One denoise step's forward; only positions that are asked about reach the head."""


def is_refresh(step: int, options: DecodeOptions) -> bool:
    """Whether a prompt that sees the canvas is computed anew in this step, counted from 0."""
    interval = options.prompt_refresh_interval
    return step == 0 or (interval > 0 and step % interval == 0)


ColumnChoice = Callable[[Canvas, Canvas, int], Tensor]
"""The canvas of the last step, the present one, and 1 where logits are shifted → which columns are recomputed, bool
[P + T + S]. Every column that a masked position is predicted from must be among them."""


def choose_window(_before: Canvas, canvas: Canvas, shift: int, *, margin: int = 0) -> Tensor:
    """The canvas, and `margin` columns of the prompt on both sides.

    A model with shifted logits predicts position i from position i-1, so its last prefix token is always included.
    """
    num_prefix, num_columns = len(canvas.prefix_ids), canvas.is_valid.shape[1]
    columns = torch.arange(num_prefix + num_columns + len(canvas.suffix_ids))
    return (columns >= num_prefix - max(shift, margin)) & (columns < num_prefix + num_columns + margin)


def choose_delayed(before: Canvas, canvas: Canvas, shift: int) -> Tensor:
    """Columns asked about in any row, those that the last step changed, and those that predictions are read from.

    A token's keys settle only once it is visible itself, which is why they are kept one step late.
    """
    tokens_before = before.token_ids.gather(1, canvas.origin)
    has_changed = tokens_before != canvas.token_ids  # committed, or replaced where a row ended
    is_wanted = (canvas.is_asked | has_changed & canvas.is_valid).any(dim=0)
    left, right = (torch.zeros(len(ids), dtype=torch.bool) for ids in (canvas.prefix_ids, canvas.suffix_ids))
    columns = torch.cat((left, is_wanted, right))
    is_source = torch.cat((left, canvas.is_asked.any(dim=0), right)).roll(-shift)
    return columns | is_source


class _Kept(NamedTuple):
    """One forward's outcome: fresh keys and values of `columns`, and the memory that it read for all others.

    Attributes:
        columns: bool [P + T + S].
        fresh: Keys and values of the columns; none if every later step recomputes them anyway.
        memory: Keys and values of the rest.
        canvas: The canvas that the columns belong to.
    """

    columns: Tensor
    fresh: KVCache
    memory: KVCache
    canvas: Canvas


class ColumnCache:
    """For prompts that see the canvas: recomputes the columns that a choice names, reads all others."""

    def __init__(
        self,
        network: Transformer,
        options: DecodeOptions,
        choose: ColumnChoice,
        begin: PromptReuse | None = None,
    ) -> None:
        """Remember nothing yet.

        Args:
            network: The transformer.
            options: Say in which steps everything is computed anew.
            choose: Picks the columns in all other steps.
            begin: Takes the first step, instead of a pass over everything.
        """
        self._network = network
        self._options = options
        self._choose = choose
        self._begin = begin
        self._shift = int(network.config.shift_logits)
        self._kept: _Kept | None = None
        self._step = 0
        self.num_forwards = 0

    def is_prefill(self, num_ahead: int) -> bool:
        """As the options say; a first step that begins with a cached prompt is none."""
        step = self._step + num_ahead
        is_warm = step == 0 and self._begin is not None and self._begin.is_warm
        return is_refresh(step, self._options) and not is_warm

    @torch.inference_mode()
    def __call__(self, canvas: Canvas) -> Tensor:
        """One forward pass over the chosen columns; the first step may take two."""
        if self._kept is None and self._begin is not None:
            columns, hidden, cache, num_forwards = self._begin(canvas)
            self._kept = _Kept(torch.ones_like(columns), cache, KVCache(), canvas)
        else:
            columns, hidden, num_forwards = *self._go_on(canvas), 1
        self._step += 1
        self.num_forwards += num_forwards
        places = columns.cumsum(0) - 1
        rows, positions = canvas.is_asked.nonzero(as_tuple=True)
        sources = places[len(canvas.prefix_ids) + positions - self._shift]
        return self._network.logits(pick(hidden, rows, sources))

    def _go_on(self, canvas: Canvas) -> tuple[Tensor, Tensor]:
        """The columns that are computed, and their hidden states."""
        if self._kept is None or self.is_prefill(0):
            columns = torch.ones(whole_tokens(canvas).shape[1], dtype=torch.bool)
            memory = KVCache()
        else:
            columns = self._choose(self._kept.canvas, canvas, self._shift)
            memory = _memory(self._kept, canvas, columns)
        # Columns that are recomputed in every step are never read from the cache; without them a pass can be recorded.
        recorder = Recorder() if not memory.layers or self._options.cache_policy == "delayed" else None
        hidden = run_columns(self._network, canvas, columns, memory, recorder)
        self._kept = _Kept(columns, recorder.cache if recorder else KVCache(), memory, canvas)
        return columns, hidden

    def check_integrity(self) -> None:
        """Assert that every column's keys and values are kept exactly once; for tests.

        Raises:
            AssertionError: they are not.
        """
        if self._kept:
            num_fresh, num_read = int(self._kept.columns.sum()), int((~self._kept.columns).sum())
            assert all(layer.keys.shape[1] == layer.values.shape[1] == num_fresh for layer in self._kept.fresh.layers)
            assert all(layer.keys.shape[1] == layer.values.shape[1] == num_read for layer in self._kept.memory.layers)


def _memory(kept: _Kept, canvas: Canvas, columns: Tensor) -> KVCache:
    """Keys and values of all columns but the chosen ones, where the canvas has them now."""
    origins = origin_columns(kept.canvas, canvas)
    has_moved = origins.shape[1] != len(kept.columns) or (origins != torch.arange(origins.shape[1])).any()
    if kept.memory.layers and not has_moved and torch.equal(columns, kept.columns):
        return kept.memory
    # Where a column was kept: the fresh ones, if any, stand in front of the remembered ones.
    num_fresh = kept.fresh.num_tokens
    places = torch.where(kept.columns, kept.columns.cumsum(0) - 1, num_fresh + (~kept.columns).cumsum(0) - 1)
    whole = kept.fresh.followed_by(kept.memory)
    return whole.at(send(places[origins[:, ~columns]], whole.layers[0].keys.device))


def column_choice(options: DecodeOptions) -> ColumnChoice:
    """The choice of columns that a policy's name stands for."""
    if options.cache_policy == "delayed":
        return choose_delayed
    return partial(choose_window, margin=options.vicinity if options.cache_policy == "vicinity" else 0)
