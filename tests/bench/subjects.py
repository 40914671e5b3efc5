"""The engines that are measured: the packaged weights, or random ones in the shape of larger models.

A random network writes noise, but its speed is real: that depends on the shape alone.
"""

from copy import copy
from dataclasses import replace
from itertools import pairwise

import torch

from dlm_model.device import default_dtype, disable_cudnn_attention, resolve_device
from dlm_model.engine import DEFAULT_CHECKPOINT, Engine, load_engine
from dlm_model.families.dlm import PromptAttention
from dlm_model.network.config import ModelConfig
from dlm_model.network.cuda_graphs import recorded
from dlm_model.network.transformer import Transformer
from dlm_model.request import InfillRequest
from dlm_model.tokens.tokenizer import Tokenizer
from tests.bench.long_text import long_text

BLOCK_LENGTH = 32
PROMPTS = ("causal", "bidirectional", "blocks")
QWEN = {
    "model_type": "qwen2",
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "max_position_embeddings": 32768,
}
SHAPES: dict[str, dict[str, object]] = {
    # Dream-Coder-v0-Instruct-7B's config.json.
    "7b": QWEN
    | {
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
        "dlm": {"mask_token_id": 151666, "bos_token_id": 151665, "shift_logits": True},
    },
    # Qwen2.5-Coder-0.5B, which open-dcoder-0.5B was made from.
    "0.5b": QWEN
    | {
        "vocab_size": 151936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
        "dlm": {"mask_token_id": 151665, "bos_token_id": 151643, "shift_logits": True},
    },
}


def load_subject(shape: str, device: str, model: str | None = None) -> Engine:
    """An engine of the packaged weights (`packaged`), of a checkpoint folder (`model`), or of a shape of `SHAPES`."""
    if shape == "packaged":
        return load_engine(model, device)
    config = ModelConfig.from_dict(SHAPES[shape])
    target = resolve_device(device)
    network = random_network(config, target, default_dtype(target))
    if target.type == "cuda":
        disable_cudnn_attention()
    return Engine(
        recorded(network), Tokenizer.from_checkpoint(DEFAULT_CHECKPOINT, config.vocab_size), f"random {shape}"
    )


def random_network(config: ModelConfig, device: torch.device, dtype: torch.dtype) -> Transformer:
    """A network with untrained weights, made on the device where it will run."""
    with torch.device("meta"):
        network = Transformer(config)
    network = network.to(dtype).to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("norm.weight"):
                parameter.fill_(1.0)
            else:
                parameter.normal_(std=0.02, generator=generator)
    return network.eval().requires_grad_(False)


def reading(engine: Engine, prompt: str) -> Engine:
    """The same weights, told to read their prompt differently: `causal`, `bidirectional`, or in `blocks`.

    No weights were trained for all three. That changes neither the speed, nor whether a cache stays close to the exact
    prediction.
    """
    network = copy(engine.network)
    attention: PromptAttention = "causal" if prompt == "causal" else "bidirectional"
    block_length = BLOCK_LENGTH if prompt == "blocks" else None
    network.config = replace(network.config, prompt_attention=attention, block_length=block_length)
    return Engine(network, engine.tokenizer, engine.model_name)


def prompt_of(engine: Engine) -> str:
    """How an engine reads its prompt, as `reading` names it."""
    config = engine.network.config
    return "blocks" if config.block_length is not None else config.prompt_attention


def requests(engine: Engine, num_requests: int, prompt_tokens: int) -> list[InfillRequest]:
    """Places in real code with so many tokens around each, three quarters on the left; all if no suffix is seen."""
    left = 3 / 4 if engine.sees_suffix else 1.0
    lines = long_text(4000).splitlines(keepends=True)
    counts = [engine.count_tokens(line) for line in lines]
    ends = [0]
    for count in counts:
        ends.append(ends[-1] + count)
    found = []
    first = len(lines) // (num_requests + 1)
    for number in range(num_requests):
        hole = next(i for i, end in enumerate(ends) if end >= ends[first * number] + prompt_tokens * left)
        stop = next(i for i, end in enumerate(ends) if end >= ends[hole] + prompt_tokens * (1 - left))
        start = next(i for i, end in enumerate(ends) if ends[hole] - end <= prompt_tokens * left)
        found.append(InfillRequest("".join(lines[start:hole]), "".join(lines[hole:stop])))
    assert all(before != after for before, after in pairwise(found))
    return found
