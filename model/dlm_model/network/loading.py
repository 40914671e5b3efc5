"""A checkpoint on disk → a network that is ready to run: loaded, laid out for its device, its passes recorded."""

from pathlib import Path

import torch

from dlm_model.device import default_dtype, device_errors
from dlm_model.network.config import ModelConfig
from dlm_model.network.cuda_graphs import recorded
from dlm_model.network.mixture import stack_experts
from dlm_model.network.packing import pack
from dlm_model.network.precision import Precision
from dlm_model.network.transformer import Transformer
from dlm_model.network.weights import load_transformer


def load_network(
    folder: Path,
    config: ModelConfig,
    target: torch.device,
    *,
    precision: Precision,
    adapter: Path | None = None,
    like: Transformer | None = None,
) -> Transformer:
    """The network of a checkpoint folder, as the device multiplies it best.

    Args:
        folder: The checkpoint.
        config: What its config says.
        target: Where it goes.
        precision: In how many bits its matrices are held there.
        adapter: A folder with a low-rank adapter to add to them.
        like: Of the same checkpoint and there already: the two share what they look tokens up in.

    Raises:
        CheckpointError: as `load_transformer`.
        DeviceError: the device has not enough memory, or cannot hold weights in this precision.
    """
    dtype = default_dtype(target)
    with device_errors():
        network = load_transformer(folder, config, device=target, dtype=dtype, precision=precision, adapter=adapter)
        if like is not None:
            network.embed_tokens = like.embed_tokens
        pack(network, like=like)
        stack_experts(network, target, dtype)
        return recorded(network)
