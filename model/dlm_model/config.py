"""The shape of a checkpoint: `config.json` → `ModelConfig`. The only reader of that file.

Llama, Qwen2 and Qwen3 layouts are one network with a few switches; what differs between them is decided here, once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from dlm_model.errors import CheckpointError

CONFIG_FILE = "config.json"
DLM_SECTION = "dlm"
SUPPORTED_MODEL_TYPES = ("llama", "qwen2", "qwen3")
PromptAttention = Literal["bidirectional", "causal"]
PROMPT_ATTENTIONS: tuple[str, ...] = get_args(PromptAttention)
TOKEN_ID_FIELDS = ("mask_token_id", "expand_token_id", "delete_token_id", "bos_token_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Everything the network and the decoder must know about one checkpoint.

    Attributes:
        shift_logits: The hidden state at i-1 predicts the token at i (Dream family), instead of the one at i itself.
        bos_token_id: Put before every prompt; None puts nothing.
        expand_token_id: Predicted where one mask must become two (DreamOn); None if never trained.
        delete_token_id: Predicted where a mask must vanish (DreamOn); None if never trained.
        prompt_attention: What prompt tokens see. `bidirectional`: everything, the canvas included (all published
            infillers). `causal`: prefix and suffix each only themselves, left to right, while the canvas sees
            everything; the prompt then does not depend on the canvas, and its cached keys and values stay exact.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    context_length: int
    rope_theta: float
    rms_norm_eps: float
    has_qkv_bias: bool
    has_output_bias: bool
    has_mlp_bias: bool
    has_qk_norm: bool
    ties_embeddings: bool
    mask_token_id: int
    expand_token_id: int | None = None
    delete_token_id: int | None = None
    bos_token_id: int | None = None
    shift_logits: bool = False
    prompt_attention: PromptAttention = "bidirectional"

    def __post_init__(self) -> None:
        """Refuse shapes no network has.

        Raises:
            CheckpointError: naming the field.
        """
        if self.num_heads % self.num_kv_heads:
            raise CheckpointError(f"{self.num_heads} query heads cannot share {self.num_kv_heads} key/value heads.")
        if self.head_dim % 2:
            raise CheckpointError(f"head_dim must be even for rotary positions, got {self.head_dim}.")
        for name in TOKEN_ID_FIELDS:
            token_id = getattr(self, name)
            if token_id is not None and not 0 <= token_id < self.vocab_size:
                raise CheckpointError(f"{name} {token_id} is outside the vocabulary of {self.vocab_size}.")
        if self.shift_logits and self.bos_token_id is None:
            raise CheckpointError("A model with shifted logits needs a bos_token_id to predict the first token from.")

    @property
    def can_resize(self) -> bool:
        """Whether the model was trained to change the canvas length itself (expand and delete tokens)."""
        return self.delete_token_id is not None

    @classmethod
    def from_checkpoint(cls, folder: Path) -> "ModelConfig":
        """Read a checkpoint folder's config.json.

        Raises:
            CheckpointError: the file is missing, not JSON, or of an unsupported architecture.
        """
        return cls.from_dict(read_config(folder), source=folder.name)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], *, source: str = "config") -> "ModelConfig":
        """Adapt a Hugging Face config; our own facts stand in its `dlm` section.

        Raises:
            CheckpointError: a key is missing or has a value this network cannot honour.
        """
        model_type = raw.get("model_type")
        if model_type not in SUPPORTED_MODEL_TYPES:
            supported = ", ".join(SUPPORTED_MODEL_TYPES)
            raise CheckpointError(f"{source}: model type {model_type!r} is not supported (supported: {supported}).")
        try:
            _refuse_unsupported(raw, source)
            return cls(**_network_fields(raw, model_type), **_decoder_fields(raw))
        except KeyError as missing:
            raise CheckpointError(f"{source}: {CONFIG_FILE} has no {missing.args[0]}.") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"{source}: {CONFIG_FILE} has a value of the wrong kind: {error}.") from None


def read_config(folder: Path) -> dict[str, Any]:
    """Parse config.json of a checkpoint folder.

    Raises:
        CheckpointError: missing, unreadable, or not a JSON object.
    """
    path = folder / CONFIG_FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path} is not a JSON object.")
    return raw


def _network_fields(raw: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    num_heads = _count(raw, "num_attention_heads")
    attention_bias = bool(raw.get("attention_bias", False))
    return {
        "vocab_size": _count(raw, "vocab_size"),
        "hidden_size": _count(raw, "hidden_size"),
        "intermediate_size": _count(raw, "intermediate_size"),
        "num_layers": _count(raw, "num_hidden_layers"),
        "num_heads": num_heads,
        "num_kv_heads": _count(raw, "num_key_value_heads") if raw.get("num_key_value_heads") else num_heads,
        "head_dim": _count(raw, "head_dim") if raw.get("head_dim") else _count(raw, "hidden_size") // num_heads,
        "context_length": _count(raw, "max_position_embeddings"),
        "rope_theta": float(_rope_parameters(raw).get("rope_theta") or 10_000.0),
        "rms_norm_eps": float(raw["rms_norm_eps"]),
        # Qwen2 always has biases on q, k, v and never on the output projection; Llama and Qwen3 have all four or none.
        "has_qkv_bias": model_type == "qwen2" or attention_bias,
        "has_output_bias": model_type != "qwen2" and attention_bias,
        "has_mlp_bias": bool(raw.get("mlp_bias", False)),
        "has_qk_norm": model_type == "qwen3",
        "ties_embeddings": bool(raw.get("tie_word_embeddings", False)),
    }


def _decoder_fields(raw: Mapping[str, Any]) -> dict[str, Any]:
    section = raw.get(DLM_SECTION)
    if not isinstance(section, Mapping) or "mask_token_id" not in section:
        raise KeyError(f"{DLM_SECTION}.mask_token_id, which says what a masked position holds")
    token_ids = {name: section.get(name) for name in TOKEN_ID_FIELDS}
    for name, token_id in token_ids.items():
        if token_id is not None and type(token_id) is not int:
            raise TypeError(f"{name} is {token_id!r}")
    prompt_attention = section.get("prompt_attention", "bidirectional")
    if prompt_attention not in PROMPT_ATTENTIONS:
        raise ValueError(f"prompt_attention is {prompt_attention!r}")
    return {**token_ids, "shift_logits": bool(section.get("shift_logits", False)), "prompt_attention": prompt_attention}


def _count(raw: Mapping[str, Any], key: str) -> int:
    """A whole number of at least 1.

    Raises:
        KeyError: it is missing.
        ValueError: it is something else.
    """
    value = raw[key]
    if type(value) is not int or value < 1:
        raise ValueError(f"{key} is {value!r}")
    return value


def _rope_parameters(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    # transformers 5 moved rope_theta and rope_scaling into one rope_parameters object; files of both kinds exist.
    modern = raw.get("rope_parameters") or {}
    legacy = raw.get("rope_scaling") or {}
    return {"rope_theta": raw.get("rope_theta")} | dict(legacy) | dict(modern)


def _refuse_unsupported(raw: Mapping[str, Any], source: str) -> None:
    rope = _rope_parameters(raw)
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    if rope_type != "default":
        raise CheckpointError(f"{source}: rotary scaling {rope_type!r} is not supported.")
    if raw.get("hidden_act", "silu") != "silu":
        raise CheckpointError(f"{source}: activation {raw['hidden_act']!r} is not supported, only 'silu'.")
    if raw.get("use_sliding_window", False):
        raise CheckpointError(f"{source}: sliding-window attention is not supported.")
