"""Similarity refresh: in every layer, recompute the columns whose values have drifted most, keep the rest's outputs.

This is dLLM-Cache's adaptive partial update (arXiv 2506.06295, github.com/maomaocun/dLLM-cache). Between two steps most
tokens hardly change. Projecting values is cheap. So each layer projects those of all columns, compares them by cosine
with the kept ones, and runs attention and MLP only for the least similar share. The other columns reuse the layer
output of the step that computed them last. dLLM-Cache refreshes the prompt as a whole; here prompt and canvas have a
share each, because a commit changes both. All layers build on the first, which is always computed afresh.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlm_kernels.attention import Rotation, attend
from dlm_model.cache.layout import origin_columns, pick, whole_positions, whole_tokens, whole_validity, without
from dlm_model.cache.policies import is_refresh
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.device import send
from dlm_model.network.transformer import Attention, Layer, Pass, Recorder, Transformer


@dataclass(slots=True)
class _LayerState:
    """What one layer last computed for every column.

    Attributes:
        keys: Before RoPE, [B, N, K, D].
        values: [B, N, K, D].
        mixed: What attention added to the stream, [B, N, C].
        transformed: What the MLP added, [B, N, C].
    """

    keys: Tensor
    values: Tensor
    mixed: Tensor
    transformed: Tensor

    def moved(self, origins: Tensor) -> "_LayerState":
        """The same for another layout, whose columns were at `origins` [B, M]."""
        return _LayerState(*(_pick(each, origins) for each in (self.keys, self.values, self.mixed, self.transformed)))


@dataclass(slots=True)
class _Shared:
    """What all layers of one step share; `canvas` are its columns, `share` 1 recomputes everything."""

    rotation: Rotation
    is_valid: Tensor
    canvas: slice
    share: float


class SimilarityCache:
    """The policy of this module. Works on prompt and canvas as a whole, for prompts that see the canvas."""

    def __init__(self, network: Transformer, options: DecodeOptions) -> None:
        self._network = network
        self._options = options
        self._states: list[_LayerState] = []
        self._before: Canvas | None = None
        self.num_forwards = 0

    def is_prefill(self, num_ahead: int) -> bool:
        """As the options say."""
        return is_refresh(self.num_forwards + num_ahead, self._options)

    @torch.inference_mode()
    def __call__(self, canvas: Canvas) -> Tensor:
        """One pass over what has drifted."""
        device, config = self._network.device, self._network.config
        is_fresh = self._before is None or self.is_prefill(0)
        if self._before is not None and not is_fresh:
            origins = send(origin_columns(self._before, canvas), device)
            self._states = [state.moved(origins) for state in self._states]
        x = self._network.embed_tokens(send(whole_tokens(canvas), device))
        rotation = self._network.rotation(send(whole_positions(canvas), device), x.dtype)
        first = len(canvas.prefix_ids)
        is_valid = send(whole_validity(canvas), device)
        share = 1.0 if is_fresh else self._options.refresh_share
        for index, layer in enumerate(self._network.layers):
            columns = slice(first, first + canvas.is_valid.shape[1])
            shared = _Shared(rotation, is_valid, columns, share if index else 1.0)
            x = self._run_layer(index, layer, x, shared)
        self._before = canvas
        self.num_forwards += 1
        rows, positions = canvas.is_asked.nonzero(as_tuple=True)
        return self._network.logits(self._network.norm(pick(x, rows, first + positions - int(config.shift_logits))))

    def check_integrity(self) -> None:
        """Assert that every layer keeps what it last computed, once for every column of every row; for tests.

        Raises:
            AssertionError: one does not.
        """
        if self._before is None:
            return
        shape = whole_tokens(self._before).shape
        assert len(self._states) == len(self._network.layers)
        for state in self._states:
            for kept in (state.keys, state.values, state.mixed, state.transformed):
                assert kept.shape[:2] == shape

    def _run_layer(self, index: int, layer: nn.Module, x: Tensor, shared: _Shared) -> Tensor:
        """[B, N, C] → [B, N, C], with the layer's state brought up to date where it has drifted."""
        assert isinstance(layer, Layer)
        if shared.share == 1.0:
            recorder = Recorder()
            mixed = layer.mix(x, index, Pass(shared.rotation, shared.rotation, shared.is_valid, None, recorder))
            transformed = layer.transform(x + mixed)
            (own,) = recorder.layers
            self._states[index : index + 1] = [_LayerState(own.keys, own.values, mixed, transformed)]
            return x + mixed + transformed
        state, normed = self._states[index], layer.input_layernorm(x)
        chosen = _most_drifted(layer.self_attn.values(normed), state.values, shared)
        _update_attention(layer.self_attn, normed, state, chosen, shared)
        x = x + state.mixed
        state.transformed = _put(state.transformed, chosen, layer.transform(_pick(x, chosen)))
        return x + state.transformed


def _update_attention(
    attention: Attention, normed: Tensor, state: _LayerState, chosen: Tensor, shared: _Shared
) -> None:
    """Recompute what the chosen columns [B, n] add; the others keep what they have."""
    query, key, value = attention.project(_pick(normed, chosen))
    state.keys, state.values = _put(state.keys, chosen, key), _put(state.values, chosen, value)
    rotation = Rotation(_pick(shared.rotation.cos, chosen), _pick(shared.rotation.sin, chosen))
    mixed = attend(query, state.keys, state.values, rotation, shared.rotation, may_attend=shared.is_valid)
    state.mixed = _put(state.mixed, chosen, attention.merge(mixed))


def _most_drifted(values: Tensor, kept: Tensor, shared: _Shared) -> Tensor:
    """Columns [B, n] of the least similar share of the prompt, and of the canvas."""
    similarity = F.cosine_similarity(values.flatten(2).float(), kept.flatten(2).float(), dim=-1)
    similarity = similarity.masked_fill(~shared.is_valid, torch.inf)
    start, stop = shared.canvas.start, shared.canvas.stop
    of_canvas = _least(similarity[:, shared.canvas], shared.share) + start
    of_prompt = _least(without(similarity, start, stop), shared.share)
    return torch.cat((of_canvas, of_prompt + (of_prompt >= start) * (stop - start)), dim=1)


def _least(values: Tensor, share: float) -> Tensor:
    """Where the least share of [B, N] is, [B, n]; one at least, where there is any."""
    num_chosen = min(values.shape[1], max(1, round(share * values.shape[1])))
    return values.topk(num_chosen, dim=1, largest=False).indices


def _pick(columns: Tensor, index: Tensor) -> Tensor:
    """[B, N, …] at [B, n] → [B, n, …]; one row of columns may serve all."""
    return columns.expand(len(index), *columns.shape[1:]).gather(1, _spread(index, columns))


def _put(columns: Tensor, index: Tensor, new: Tensor) -> Tensor:
    """A copy of [B, N, …] with [B, n, …] written at [B, n]."""
    return columns.scatter(1, _spread(index, columns), new)


def _spread(index: Tensor, columns: Tensor) -> Tensor:
    return index.view(*index.shape, *(1,) * (columns.dim() - 2)).expand(-1, -1, *columns.shape[2:])
