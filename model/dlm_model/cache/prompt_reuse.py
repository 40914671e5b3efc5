"""Reuse of a prompt that sees the canvas: a request begins with the keys and values of the document's last one.

In such a prompt every key and value depends on everything, so to keep one after an edit is a bet, as in `policies`.
This is what is kept, what is computed, and how far the bet is trusted:

    unchanged runs      keep their entries; keys are kept before RoPE, so one that moved is read at its new place
    seams               where something was typed or erased, where the canvas stands, and where it stood before
    the window          the canvas, all changed tokens, and `vicinity` tokens on both sides of every seam: computed anew
    drift               1 - cosine of a value that was kept and the same one computed anew, over the vicinity, by layer,
                        added up from request to request, since what is outside the window grows ever older
    beyond the bound    the first layer that has drifted too far, and all deeper ones, compute everything anew, from
                        what entered them: shallow layers stay true for long, deep ones do not
    a large edit        everything is computed anew

The first layer's values depend on nothing but their tokens. Where it alone is trusted, everything is computed anew.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dlm_model.cache.layout import attention_mask, run_columns, whole_positions, whole_tokens, whole_validity
from dlm_model.cache.prompt_diff import near, origins, place_of, seams
from dlm_model.cache.prompt_store import KeptPrompt, PromptStore
from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.network.kv_cache import KVCache
from dlm_model.network.transformer import Recorder, Transformer

MAX_CHANGED_SHARE = 0.25
"""Changed tokens of a prompt, as a share of all, beyond which nothing of the last one is read."""

STREAM_SHARES = (0.25, 0.5, 0.75)
"""Depths, in shares of all layers, at which a layer's input is kept, so that the layers from there on can run alone."""


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


class _Known(NamedTuple):
    """What the passes of a first step leave, computed now or before.

    Attributes:
        cache: Keys and values of all columns, in order.
        streams: The inputs of some layers, [B, P + T + S, C], by layer.
        drift: By how much each layer's values have drifted, [L], on the CPU.
    """

    cache: KVCache
    streams: dict[int, Tensor]
    drift: Tensor


class PromptReuse:
    """Takes a request's first step."""

    def __init__(
        self, network: Transformer, store: PromptStore, document: str, *, drift_bound: float, vicinity: int
    ) -> None:
        """Look nothing up yet.

        Args:
            network: The transformer.
            store: Holds the document's last prompt, and takes this one.
            document: The prompt's document.
            drift_bound: How far a layer's values may have drifted (1 − cosine) and still be read.
            vicinity: How many tokens on each side of a seam are computed anew.
        """
        num_layers = network.config.num_layers
        self._network, self._store, self._document = network, store, document
        self._bound = drift_bound
        # Beside the hole at least one token is compared, and the one that shifted logits are read from is computed.
        self._margin = max(vicinity, 1)
        self._stream_layers = frozenset(int(share * num_layers) for share in STREAM_SHARES) - {0}

    @property
    def is_warm(self) -> bool:
        """Whether anything is kept of the document; how much of it can be read depends on the canvas."""
        return self._store.find(self._document) is not None

    @torch.inference_mode()
    def __call__(self, canvas: Canvas) -> FirstPass:
        """One pass over the columns that cannot be kept, and one more over any layers that drifted too far."""
        before = self._store.find(self._document)
        found = origins(before.token_ids, _text(canvas)) if before else None
        # Of an empty prompt nothing has changed, and nothing can be kept.
        if before is None or found is None or not (found < 0).float().mean() <= MAX_CHANGED_SHARE:
            return self._begin_anew(canvas)
        columns, hidden, known = self._refine(canvas, _for_rows(before, len(canvas.lengths)), found)
        num_computed, num_forwards = float(columns.sum()), 1
        stale = (known.drift > self._bound).nonzero()
        if len(stale):
            first = max((each for each in self._stream_layers if each < int(stale[0])), default=0)
            hidden, known = self._deepen(canvas, known, first)
            columns = torch.ones_like(columns)
            num_computed += (1 - first / len(known.drift)) * len(columns)
            num_forwards = 2
        self._keep(canvas, known, num_computed)
        return FirstPass(columns, hidden, known.cache, num_forwards)

    def _begin_anew(self, canvas: Canvas) -> FirstPass:
        """Compute everything."""
        columns, recorder = torch.ones(whole_tokens(canvas).shape[1], dtype=torch.bool), self._recorder()
        hidden = run_columns(self._network, canvas, columns, KVCache(), recorder)
        known = _Known(recorder.cache, recorder.streams, torch.zeros(len(recorder.layers)))
        self._keep(canvas, known, float(columns.sum()))
        return FirstPass(columns, hidden, recorder.cache, num_forwards=1)

    def _refine(self, canvas: Canvas, before: KeptPrompt, found: Tensor) -> tuple[Tensor, Tensor, _Known]:
        """Compute the window alone → its columns, their hidden states, and what is known of all columns."""
        num_prefix, num_columns = len(canvas.prefix_ids), canvas.is_valid.shape[1]
        # A changed token has a seam on both sides, so that it is near one.
        is_new = near(_all_seams(before, found, num_prefix), self._margin)
        columns = _spread(is_new, num_prefix, num_columns, fill=True)
        sources = _spread(found, num_prefix, num_columns, fill=-1)
        device = self._network.device
        index = send(sources[~columns], device)
        kept = before.cache.at(index)
        recorder = self._recorder()
        hidden = run_columns(self._network, canvas, columns, kept, recorder)
        drift = before.drift + _drift(before.cache, recorder.cache, columns, sources)
        order = send(_order(columns), device)
        streams = {
            layer: torch.cat((fresh, before.streams[layer][:, index]), dim=1)[:, order]
            for layer, fresh in recorder.streams.items()
        }
        return columns, hidden, _Known(recorder.cache.followed_by(kept).at(order), streams, drift)

    def _deepen(self, canvas: Canvas, known: _Known, first: int) -> tuple[Tensor, _Known]:
        """Compute all columns from a layer on → their hidden states, and what is known after that."""
        device = self._network.device
        stream = known.streams[first] if first else self._network.embed_tokens(send(whole_tokens(canvas), device))
        deeper = self._recorder()
        hidden = self._network.run(
            stream,
            send(whole_positions(canvas), device),
            attention_mask(whole_validity(canvas), device),
            recorder=deeper,
            first_layer=first,
        )
        drift = known.drift.clone()
        # Deeper layers are as true now as what they were computed from.
        drift[first:] = drift[first] if first else 0
        cache = KVCache((*known.cache.layers[:first], *deeper.layers))
        return hidden, _Known(cache, known.streams | deeper.streams, drift)

    def _recorder(self) -> Recorder:
        return Recorder(stream_layers=self._stream_layers)

    def _keep(self, canvas: Canvas, known: _Known, num_computed: float) -> None:
        """Leave the prompt to the document's next request, and count what it took."""
        num_prefix, num_columns = len(canvas.prefix_ids), canvas.is_valid.shape[1]
        text = _text(canvas)
        if not len(text):
            return
        place = torch.arange(len(text))
        index = send(place + num_columns * (place >= num_prefix), self._network.device)
        self._store.num_computed += num_computed
        self._store.keep(
            KeptPrompt(
                text,
                num_prefix,
                known.cache.at(index),
                {layer: stream[:, index] for layer, stream in known.streams.items()},
                known.drift,
            ),
            self._document,
        )


def _text(canvas: Canvas) -> Tensor:
    """The prompt as one text, [P + S]."""
    return torch.cat((canvas.prefix_ids, canvas.suffix_ids))


def _for_rows(prompt: KeptPrompt, num_rows: int) -> KeptPrompt:
    """The same beside a canvas of so many rows: if it had not as many, all see what the first one did."""
    if len(prompt.cache.layers[0].keys) == num_rows:
        return prompt
    streams = {layer: stream[:1].expand(num_rows, -1, -1) for layer, stream in prompt.streams.items()}
    return prompt._replace(cache=prompt.cache.for_rows(num_rows), streams=streams)


def _all_seams(before: KeptPrompt, found: Tensor, num_prefix: int) -> Tensor:
    """Those of the edit, and where the canvas is and was; bool [P + S + 1]."""
    boundaries = seams(found, len(before.token_ids))
    boundaries[[num_prefix, place_of(found, before.num_prefix)]] = True
    return boundaries


def _spread(of_prompt: Tensor, num_prefix: int, num_columns: int, *, fill: float) -> Tensor:
    """[P + S] → [P + T + S], with the canvas filled."""
    of_canvas = torch.full((num_columns,), fill, dtype=of_prompt.dtype)
    return torch.cat((of_prompt[:num_prefix], of_canvas, of_prompt[num_prefix:]))


def _order(columns: Tensor) -> Tensor:
    """Where each column [N] is, if the chosen ones stand in front of the others."""
    return torch.where(columns, columns.cumsum(0) - 1, int(columns.sum()) + (~columns).cumsum(0) - 1)


def _drift(kept: KVCache, fresh: KVCache, columns: Tensor, sources: Tensor) -> Tensor:
    """By how much, on average, values of computed columns differ from what was kept of them; [L], on the CPU."""
    is_compared = columns & (sources >= 0)
    if not is_compared.any():
        return torch.zeros(len(fresh.layers))
    device = fresh.layers[0].values.device
    places = send((columns.cumsum(0) - 1)[is_compared], device)
    index = send(sources[is_compared], device)
    similarities = [
        F.cosine_similarity(
            new.values[:, places].flatten(2).float(), old.values[:, index].flatten(2).float(), dim=-1
        ).mean()
        for new, old in zip(fresh.layers, kept.layers, strict=True)
    ]
    return (1 - torch.stack(similarities)).clamp_min(0).cpu()
