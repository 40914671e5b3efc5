"""Make a causal checkpoint ready for infilling: three more tokens, and a config that says what they are.

The rows of the new tokens start at the mean embedding plus a little noise, so that they are neither zero nor alike.
They follow the row of the last token; rows that pad a table to a round number, as Qwen's do, are dropped.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer
from torch import Tensor

from dlm_model.errors import CheckpointError
from dlm_model.families.dlm import DLM_SECTION
from dlm_model.network.checkpoint_files import CONFIG_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, read_config
from dlm_model.network.weights import WEIGHTS_FILE, read_tensors

ADDED_TOKENS = ("<|mask|>", "<|expand|>", "<|delete|>")
BOS_TOKEN = "<|endoftext|>"
"""What a sequence begins with wherever there is such a token: between documents it stood in training, too."""

_EMBEDDINGS = ("model.embed_tokens.weight", "lm_head.weight")
_NOISE = 0.02


def initialize(
    source: Path, folder: Path, *, shift_logits: bool = True, bos_token: str | None = None, seed: int = 0
) -> None:
    """Write the checkpoint of `source`, with mask, expand and delete tokens added, into `folder`.

    Args:
        source: A checkpoint folder.
        folder: Where to.
        shift_logits: Whether position i is predicted from the hidden state at i - 1, as the causal model did.
        bos_token: What a sequence begins with; None is `BOS_TOKEN`, or what the config says where there is none.
        seed: Of the new rows.

    Raises:
        CheckpointError: the source is no readable checkpoint, has one of the tokens already, or lacks `bos_token`.
    """
    config = read_config(source)
    tokenizer = _read_tokenizer(source)
    bos_token_id = _bos_token_id(tokenizer, bos_token, config, source)
    token_ids = _add_tokens(tokenizer, config["vocab_size"])
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        name: _append_rows(tensor[: token_ids[0]], len(ADDED_TOKENS), generator) if name in _EMBEDDINGS else tensor
        for name, tensor in read_tensors(source).items()
    }
    config["vocab_size"] = token_ids[0] + len(ADDED_TOKENS)
    config[DLM_SECTION] = {
        "mask_token_id": token_ids[0],
        "expand_token_id": token_ids[1],
        "delete_token_id": token_ids[2],
        "shift_logits": shift_logits,
        "selection": "leftmost",
        "prompt_attention": "causal",
        "bos_token_id": bos_token_id,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    tokenizer.save(str(folder / TOKENIZER_FILE), pretty=False)
    _write_json(folder / CONFIG_FILE, config)
    _write_json(
        folder / TOKENIZER_CONFIG_FILE,
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": tokenizer.id_to_token(bos_token_id),
            "mask_token": ADDED_TOKENS[0],
            "model_max_length": config["max_position_embeddings"],
            "clean_up_tokenization_spaces": False,
        },
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read_tokenizer(source: Path) -> Tokenizer:
    try:
        return Tokenizer.from_buffer((source / TOKENIZER_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{source} has no readable {TOKENIZER_FILE}: {error}") from error


def _bos_token_id(tokenizer: Tokenizer, bos_token: str | None, config: Mapping[str, Any], source: Path) -> int:
    token_id: int | None = tokenizer.token_to_id(bos_token or BOS_TOKEN)
    if token_id is None and bos_token is None:
        token_id = config.get("bos_token_id")
    if type(token_id) is not int or tokenizer.id_to_token(token_id) is None:
        raise CheckpointError(f"{source} has no token {bos_token or BOS_TOKEN!r} to begin a sequence with")
    return token_id


def _add_tokens(tokenizer: Tokenizer, vocab_size: int) -> list[int]:
    if any(tokenizer.token_to_id(token) is not None for token in ADDED_TOKENS):
        raise CheckpointError("the checkpoint has mask, expand or delete tokens already")
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in ADDED_TOKENS])
    token_ids = [token_id for token in ADDED_TOKENS if (token_id := tokenizer.token_to_id(token)) is not None]
    if token_ids[0] > vocab_size:
        raise CheckpointError(f"the tokenizer has {token_ids[0]} tokens, more than the config's {vocab_size}")
    return token_ids


def _append_rows(weight: Tensor, num_rows: int, generator: torch.Generator) -> Tensor:
    mean = weight.float().mean(dim=0, keepdim=True)
    noise = torch.randn(num_rows, weight.shape[1], generator=generator) * _NOISE
    return torch.cat((weight, (mean + noise).to(weight.dtype)))
