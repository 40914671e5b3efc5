"""What the inputs of every layer look like, so that four-bit rounding can spare the directions they use."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from dlm_model.training.windows import Batch
from dlm_model.transformer import Transformer


@torch.no_grad()
def input_covariances(network: Transformer, batches: Sequence[Batch]) -> dict[str, Tensor]:
    """Mean outer products `[in, in]` of the inputs of every linear layer, by module name, and of the head's.

    The head's go under the name of the module that holds its weight, which is the embedding if they are tied.
    """
    sums: dict[str, Tensor] = {}
    handles = [
        module.register_forward_pre_hook(partial(_collect, sums, name))
        for name, module in network.layers.named_modules(prefix="layers")
        if isinstance(module, nn.Linear)
    ]
    head = "embed_tokens" if network.config.ties_embeddings else "lm_head"
    num_tokens = 0
    for batch in batches:
        hidden = network(batch.token_ids, batch.position_ids, batch.visibility)
        _collect(sums, head, network, (hidden,))
        num_tokens += batch.token_ids.numel()
    for handle in handles:
        handle.remove()
    return {name: total / num_tokens for name, total in sums.items()}


def _collect(sums: dict[str, Tensor], name: str, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    # In fp32, because sums rounded to bf16 are no covariance any more: some directions come out negative.
    rows = inputs[0].flatten(0, -2).float()
    product = rows.T @ rows
    sums[name] = sums[name] + product if name in sums else product
