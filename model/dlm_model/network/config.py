"""The shape of a checkpoint, `ModelConfig`: the switches of the one network, the same for all families.

`families` reads it from the files of a checkpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlm_model.decode_options import Selection
from dlm_model.errors import CheckpointError
from dlm_model.families.dlm import TOKEN_ID_FIELDS, PromptAttention
from dlm_model.families.registry import family_of
from dlm_model.network.checkpoint_files import CONFIG_FILE, CheckpointFiles
from dlm_model.network.mixture_config import MixtureConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Everything the network and the decoder must know about one checkpoint.

    Attributes:
        shift_logits: The hidden state at i-1 predicts the token at i (Dream family), instead of the one at i itself.
        family: Which of `families.registry` it is.
        partial_rotary_factor: Share of a head's dimensions that its position turns.
        mixture: The experts of a layer, where it has more than one MLP.
        bos_token_id: Put before every prompt; None puts nothing.
        always_begins_with_bos: False puts it before an empty prefix only.
        eos_token_id: Put after every prompt; None puts nothing.
        expand_token_id: Predicted where one mask must become two (DreamOn); None if never trained.
        delete_token_id: Predicted where a mask must vanish (DreamOn); None if never trained.
        prompt_attention: What prompt tokens see. `bidirectional`: everything, the canvas included (all published
            infillers). `causal`: prefix and suffix each only themselves, left to right, while the canvas sees
            everything; the prompt then does not depend on the canvas, and its cached keys and values stay exact.
        selection: Which positions the decoder prefers if the request does not say.
        least_masks: What a canvas is opened with at least, where the model finds the length itself.
        block_length: Tokens of a block that sees itself and the blocks before it; None for models whose canvas sees
            everything.
        end_token_ids: Each ends a text that is written block by block, or from left to right by a guide; empty for
            models whose canvas sees everything.
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
    eos_token_id: int | None = None
    always_begins_with_bos: bool = True
    partial_rotary_factor: float = 1.0
    mixture: MixtureConfig | None = None
    family: str = "dlm"
    shift_logits: bool = False
    prompt_attention: PromptAttention = "bidirectional"
    selection: Selection = "confidence"
    least_masks: int = 1
    block_length: int | None = None
    end_token_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse shapes that no network has.

        Raises:
            CheckpointError: naming the field.
        """
        if self.num_heads % self.num_kv_heads:
            raise CheckpointError(f"{self.num_heads} query heads cannot share {self.num_kv_heads} key/value heads.")
        if self.head_dim % 2:
            raise CheckpointError(f"head_dim must be even for rotary positions, got {self.head_dim}.")
        if self.rotary_dim % 2 or not 0 < self.rotary_dim <= self.head_dim:
            raise CheckpointError(f"{self.rotary_dim} of {self.head_dim} dimensions cannot turn with the position.")
        for name in (*TOKEN_ID_FIELDS, "eos_token_id"):
            token_id = getattr(self, name)
            if token_id is not None and not 0 <= token_id < self.vocab_size:
                raise CheckpointError(f"{name} {token_id} is outside the vocabulary of {self.vocab_size}.")
        for token_id in self.end_token_ids:
            if not 0 <= token_id < self.vocab_size:
                raise CheckpointError(f"End of text {token_id} is outside the vocabulary of {self.vocab_size}.")
        if self.shift_logits and self.bos_token_id is None:
            raise CheckpointError("A model with shifted logits needs a bos_token_id to predict the first token from.")

    @property
    def rotary_dim(self) -> int:
        """Dimensions of a head that its position turns."""
        return int(self.head_dim * self.partial_rotary_factor)

    @property
    def sees_suffix(self) -> bool:
        """Whether the model sees the text after a hole."""
        return self.block_length is None

    @property
    def control_token_ids(self) -> tuple[int, ...]:
        """Tokens that the model writes, but that are no text."""
        single = (self.mask_token_id, self.expand_token_id, self.delete_token_id)
        return (*(token_id for token_id in single if token_id is not None), *self.end_token_ids)

    @property
    def can_resize(self) -> bool:
        """Whether the model finds a middle's length itself: by expand and delete tokens, or by an end of text."""
        return self.delete_token_id is not None or bool(self.end_token_ids)

    @classmethod
    def from_checkpoint(cls, folder: Path) -> "ModelConfig":
        """Read a checkpoint folder.

        Raises:
            CheckpointError: a file is missing or not JSON, or of an architecture that is not supported.
        """
        return cls._from_files(CheckpointFiles.read(folder))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], *, source: str = "config") -> "ModelConfig":
        """Adapt a config.json on its own.

        Raises:
            CheckpointError: a key is missing or has a value this network cannot honour.
        """
        return cls._from_files(CheckpointFiles(source, raw))

    @classmethod
    def _from_files(cls, files: CheckpointFiles) -> "ModelConfig":
        family = family_of(files)
        try:
            return cls(**family.read(files), family=family.name)
        except KeyError as missing:
            raise CheckpointError(f"{files.source}: {CONFIG_FILE} has no {missing.args[0]}.") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"{files.source}: {CONFIG_FILE} has a value of the wrong kind: {error}.") from None
