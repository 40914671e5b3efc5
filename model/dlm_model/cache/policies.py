"""Keys and values kept between the steps of one request and, where they are exact, beyond it: the cache policies.

A policy is called with the canvas before every step, and returns the logits of the positions that the canvas asks
about. If the prompt sees the canvas, every key changes with every commit, and a policy is a bet on which columns of
prefix | canvas | suffix matter:

    interval     the canvas in every step, everything every few steps (dLLM-Cache's long interval, arXiv 2506.06295)
    vicinity     the same, and the prompt's columns next to the canvas
    delayed      only what is masked or was committed one step ago (dKV-Cache, arXiv 2505.15781)
    similarity   the columns whose values have drifted, layer by layer: `similarity_cache`

`prompt_reuse` makes a bet of the same kind from one request of a document to the next. A causal prompt does not change:
`CausalPrompt` is exact, bets on nothing, and keeps the prompt from request to request.

Keys are kept before RoPE. When the canvas changes length, keys that move are read at their new place, and not
recomputed.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from dlm_model.cache.layout import origin_columns, pick, whole_positions, whole_tokens, whole_validity, without
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.device import send
from dlm_model.network.kv_cache import KVCache
from dlm_model.network.transformer import Memory, Recorder, Transformer


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


class FirstPass(NamedTuple):
    """Outcome of the first step: computed, or found in a cache.

    Attributes:
        columns: bool [P + T + S], those that were computed last.
        hidden: Their hidden states, [B, n, C].
        cache: Keys and values of all columns, in order.
        num_forwards: Network calls.
    """

    columns: Tensor
    hidden: Tensor
    cache: KVCache
    num_forwards: int


class Beginning(Protocol):
    """Takes a request's first step, with keys and values that earlier requests have left."""

    @property
    def is_warm(self) -> bool:
        """Whether there are any."""

    def __call__(self, canvas: Canvas) -> FirstPass:
        """One forward pass or two."""


class ColumnCache:
    """For prompts that see the canvas: recomputes the columns that a choice names, reads all others."""

    def __init__(
        self,
        network: Transformer,
        options: DecodeOptions,
        choose: ColumnChoice,
        begin: Beginning | None = None,
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


def run_columns(
    network: Transformer, canvas: Canvas, columns: Tensor, memory: KVCache, recorder: Recorder | None
) -> Tensor:
    """Hidden states [B, n, C] of some columns, bool [P + T + S], from one pass that reads the memory of all others."""
    device = network.device
    positions, validity = whole_positions(canvas), whole_validity(canvas)
    hidden: Tensor = network(
        send(whole_tokens(canvas)[:, columns], device),
        send(positions[:, columns], device),
        is_valid=mask_of(torch.cat((validity[:, columns], validity[:, ~columns]), dim=1), device),
        memory=Memory(memory, send(positions[:, ~columns], device)) if memory.layers else None,
        recorder=recorder,
    )
    return hidden


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


class CausalPrompt:
    """For prompts that see only themselves: exact, whatever the canvas holds.

    With shifted logits, the canvas is predicted from the token left of it on. That token is read twice: as part of the
    prompt, which does not see the canvas, and in front of the canvas, as part of it.
    """

    def __init__(self, network: Transformer, prefix_cache: PrefixCache, document: str = "") -> None:
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
        is_valid = torch.cat((whole_validity(canvas)[:, window], torch.ones_like(positions, dtype=torch.bool)), dim=1)
        device = self._network.device
        hidden = self._network(
            send(whole_tokens(canvas)[:, window], device),
            send(whole_positions(canvas)[:, window], device),
            is_valid=mask_of(is_valid, device),
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


def mask_of(is_valid: Tensor, device: torch.device) -> Tensor | None:
    """Attention mask, on the device; None for everything, which lets PyTorch pick its fastest attention."""
    return None if is_valid.all() else send(is_valid, device)


def column_choice(options: DecodeOptions) -> ColumnChoice:
    """The choice of columns that a policy's name stands for."""
    if options.cache_policy == "delayed":
        return choose_delayed
    return partial(choose_window, margin=options.vicinity if options.cache_policy == "vicinity" else 0)
