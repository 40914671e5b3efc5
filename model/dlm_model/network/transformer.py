"""The network: one bidirectional transformer of the Llama/Qwen shape, whole in this file.

RMSNorm, RoPE, grouped-query attention, SwiGLU or a mixture of them; optional biases, optional q/k norm, tied or untied
head. It knows token ids and positions, and nothing of canvases, schedules or tokenisers. Parameter names are those of
the Hugging Face checkpoints without their leading `model.`.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlm_kernels.attention import Rotation, attend, rotary_angles
from dlm_model.network.config import ModelConfig
from dlm_model.network.kv_cache import KVCache, LayerKV
from dlm_model.network.mixture import Mixture


@dataclass(slots=True)
class Memory:
    """Keys and values of tokens that are attended to but not recomputed.

    Attributes:
        cache: Keys and values of S tokens.
        position_ids: [B, S], where those tokens are now; may differ from where they were when computed.
    """

    cache: KVCache
    position_ids: Tensor


@dataclass(slots=True)
class Recorder:
    """Collects every layer's keys and values during one forward pass.

    Attributes:
        layers: Keys and values, one entry per layer.
        stream_layers: Layers whose input is recorded as well.
        streams: Those inputs, [B, T, C], by layer.
    """

    layers: list[LayerKV] = field(default_factory=list)
    stream_layers: frozenset[int] = frozenset()
    streams: dict[int, Tensor] = field(default_factory=dict)

    @property
    def cache(self) -> KVCache:
        """What is collected so far."""
        return KVCache(tuple(self.layers))


@dataclass(slots=True)
class Pass:
    """What all layers of one forward pass share."""

    query_rotation: Rotation
    key_rotation: Rotation
    may_attend: Tensor | None
    memory: Memory | None
    recorder: Recorder | None


class RMSNorm(nn.Module):
    """Root-mean-square norm (arXiv 1910.07467), reduced in fp32 whatever the weights' dtype."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] → [..., C]."""
        normed = F.rms_norm(x.float(), (x.shape[-1],), eps=self.eps)
        return normed.to(x.dtype) * self.weight


class Attention(nn.Module):
    """Bidirectional grouped-query attention (arXiv 2305.13245) over the canvas and, if given, remembered tokens."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        query_size, kv_size = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, query_size, bias=config.has_qkv_bias)
        self.k_proj = nn.Linear(config.hidden_size, kv_size, bias=config.has_qkv_bias)
        self.v_proj = nn.Linear(config.hidden_size, kv_size, bias=config.has_qkv_bias)
        self.o_proj = nn.Linear(query_size, config.hidden_size, bias=config.has_output_bias)
        self.q_norm: nn.Module = nn.Identity()
        self.k_norm: nn.Module = nn.Identity()
        if config.has_qk_norm:
            self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps)
            self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, T, C] → queries [B, T, H, D], keys before RoPE and values [B, T, K, D] each."""
        per_head = (*x.shape[:-1], -1, self.head_dim)
        query = self.q_norm(self.q_proj(x).view(per_head))
        key = self.k_norm(self.k_proj(x).view(per_head))
        return query, key, self.values(x)

    def values(self, x: Tensor) -> Tensor:
        """[B, T, C] → [B, T, K, D]."""
        values: Tensor = self.v_proj(x)
        return values.view(*x.shape[:-1], -1, self.head_dim)

    def merge(self, mixed: Tensor) -> Tensor:
        """What the heads found, [B, T, H, D] → [B, T, C]."""
        merged: Tensor = self.o_proj(mixed.flatten(-2))
        return merged

    def forward(self, x: Tensor, layer: int, shared: Pass) -> Tensor:
        """[B, T, C] → [B, T, C]."""
        query, key, value = self.project(x)
        if shared.recorder is not None:
            shared.recorder.layers.append(LayerKV(key, value))
        if shared.memory is not None:
            remembered = shared.memory.cache.layers[layer]
            key = torch.cat((key, remembered.keys), dim=1)
            value = torch.cat((value, remembered.values), dim=1)
        return self.merge(
            attend(query, key, value, shared.query_rotation, shared.key_rotation, may_attend=shared.may_attend)
        )


class MLP(nn.Module):
    """SwiGLU (arXiv 2002.05202)."""

    def __init__(self, config: ModelConfig, intermediate_size: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, intermediate_size, bias=config.has_mlp_bias)
        self.up_proj = nn.Linear(config.hidden_size, intermediate_size, bias=config.has_mlp_bias)
        self.down_proj = nn.Linear(intermediate_size, config.hidden_size, bias=config.has_mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] → [..., C]."""
        projected: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return projected


def _feed_forward(config: ModelConfig, layer: int) -> nn.Module:
    mixture = config.mixture
    if mixture is None or layer < mixture.num_dense_layers:
        return MLP(config, config.intermediate_size)
    experts = (MLP(config, mixture.expert_size) for _ in range(mixture.num_experts))
    shared = MLP(config, mixture.shared_size) if mixture.shared_size else None
    return Mixture(config.hidden_size, mixture, experts, shared)


class Layer(nn.Module):
    """Attention and MLP, each after a norm and added to the stream."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = _feed_forward(config, layer)

    def forward(self, x: Tensor, layer: int, shared: Pass) -> Tensor:
        """[B, T, C] → [B, T, C]."""
        x = x + self.mix(x, layer, shared)
        return x + self.transform(x)

    def mix(self, x: Tensor, layer: int, shared: Pass) -> Tensor:
        """What attention adds to the stream, [B, T, C] → [B, T, C]."""
        mixed: Tensor = self.self_attn(self.input_layernorm(x), layer, shared)
        return mixed

    def transform(self, x: Tensor) -> Tensor:
        """What the MLP adds to it, [..., C] → [..., C]."""
        transformed: Tensor = self.mlp(self.post_attention_layernorm(x))
        return transformed


class Transformer(nn.Module):
    """Token ids in, hidden states out; the head is called separately, so that logits exist only where asked for."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        # From a tensor, because initialising one on the meta device imports torch's compiler, for a second or two.
        table = torch.empty(config.vocab_size, config.hidden_size)
        self.embed_tokens = nn.Embedding.from_pretrained(table, freeze=False)  # type: ignore[no-untyped-call]
        self.layers = nn.ModuleList(Layer(config, index) for index in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.lm_head: Any = None  # the embedding serves as it
        if not config.ties_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        device: torch.device = self.embed_tokens.weight.device
        return device

    def forward(
        self,
        token_ids: Tensor,
        position_ids: Tensor,
        may_attend: Tensor | None = None,
        memory: Memory | None = None,
        recorder: Recorder | None = None,
    ) -> Tensor:
        """Run the stack over tokens that see each other, by default in both directions, and the memory.

        Args:
            token_ids: [B, T]
            position_ids: [B, T]
            may_attend: [B, T + S], tokens first, then memory: what all tokens may attend to; or [B, T, T + S]: what
                each token may. None: all see everything.
            memory: S tokens per layer that are read, not recomputed.
            recorder: Receives this pass's keys and values.

        Returns:
            Normed hidden states, [B, T, C].
        """
        return self.run(self.embed_tokens(token_ids), position_ids, may_attend, memory, recorder)

    def run(
        self,
        x: Tensor,
        position_ids: Tensor,
        may_attend: Tensor | None = None,
        memory: Memory | None = None,
        recorder: Recorder | None = None,
        *,
        first_layer: int = 0,
    ) -> Tensor:
        """As `forward`, from what enters a layer on, [B, T, C]; nothing is recorded of the layers before."""
        key_positions = position_ids if memory is None else torch.cat((position_ids, memory.position_ids), dim=1)
        key_rotation = self.rotation(key_positions, x.dtype)
        num_queries = x.shape[1]
        query_rotation = Rotation(key_rotation.cos[:, :num_queries], key_rotation.sin[:, :num_queries])
        shared = Pass(query_rotation, key_rotation, may_attend, memory, recorder)
        for index in range(first_layer, len(self.layers)):
            if recorder is not None and index in recorder.stream_layers:
                recorder.streams[index] = x
            x = self.layers[index](x, index, shared)
        normed: Tensor = self.norm(x)
        return normed

    def rotation(self, position_ids: Tensor, dtype: torch.dtype) -> Rotation:
        """The angles by which positions [B, S] rotate every head."""
        config = self.config
        return rotary_angles(position_ids, config.head_dim, config.rope_theta, dtype, rotary_dim=config.rotary_dim)

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., C] → [..., V]."""
        if self.lm_head is None:
            return F.linear(hidden, self.embed_tokens.weight)
        logits: Tensor = self.lm_head(hidden)
        return logits
