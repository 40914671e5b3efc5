"""How the network reads a canvas with its prompt: prefix | canvas | suffix, row by row.

Every tensor is [B, P + T + S] and stays on the CPU, as the canvas does, but for what `pick`, `attention_mask` and
`run_columns` hand to the network or take from it.
"""

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.network.kv_cache import KVCache
from dlm_model.network.transformer import Memory, Recorder, Transformer


def whole_tokens(canvas: Canvas) -> Tensor:
    """Token ids, the canvas' padding included."""
    num_rows = canvas.token_ids.shape[0]
    return torch.cat(
        (canvas.prefix_ids.expand(num_rows, -1), canvas.token_ids, canvas.suffix_ids.expand(num_rows, -1)), dim=1
    )


def whole_positions(canvas: Canvas) -> Tensor:
    """Where each column stands in its row's text; the suffix follows the row's own length."""
    num_prefix, num_columns = len(canvas.prefix_ids), canvas.token_ids.shape[1]
    left = torch.arange(num_prefix + num_columns).expand(len(canvas.lengths), -1)
    right = num_prefix + canvas.lengths[:, None] + torch.arange(len(canvas.suffix_ids))
    return torch.cat((left, right), dim=1)


def whole_validity(canvas: Canvas) -> Tensor:
    """False for the canvas' padding."""
    num_rows = canvas.is_valid.shape[0]
    left = torch.ones(num_rows, len(canvas.prefix_ids), dtype=torch.bool)
    right = torch.ones(num_rows, len(canvas.suffix_ids), dtype=torch.bool)
    return torch.cat((left, canvas.is_valid, right), dim=1)


def without(columns: Tensor, start: int, stop: int) -> Tensor:
    """All columns but [start, stop)."""
    return torch.cat((columns[:, :start], columns[:, stop:]), dim=1)


def pick(hidden: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Of [B, N, C] on a device, [n, C] at places on the CPU; a mask would make that wait for the device."""
    return hidden.flatten(0, 1)[send(rows * hidden.shape[1] + columns, hidden.device)]


def origin_columns(before: Canvas, canvas: Canvas) -> Tensor:
    """Which column of the last step's layout each column was then, [B, P + T + S]."""
    num_rows, num_prefix, num_columns = len(canvas.lengths), len(canvas.prefix_ids), before.is_valid.shape[1]
    left = torch.arange(num_prefix).expand(num_rows, -1)
    right = (num_prefix + num_columns + torch.arange(len(canvas.suffix_ids))).expand(num_rows, -1)
    return torch.cat((left, num_prefix + canvas.origin, right), dim=1)


def attention_mask(may_attend: Tensor, device: torch.device) -> Tensor | None:
    """Attention mask, on the device; None for everything, which lets PyTorch pick its fastest attention."""
    return None if may_attend.all() else send(may_attend, device)


def run_columns(
    network: Transformer, canvas: Canvas, columns: Tensor, memory: KVCache, recorder: Recorder | None
) -> Tensor:
    """Hidden states [B, n, C] of some columns, bool [P + T + S], from one pass that reads the memory of all others."""
    device = network.device
    positions, validity = whole_positions(canvas), whole_validity(canvas)
    hidden: Tensor = network(
        send(whole_tokens(canvas)[:, columns], device),
        send(positions[:, columns], device),
        may_attend=attention_mask(torch.cat((validity[:, columns], validity[:, ~columns]), dim=1), device),
        memory=Memory(memory, send(positions[:, ~columns], device)) if memory.layers else None,
        recorder=recorder,
    )
    return hidden
