"""The processes that train one network together: whole copies of it, or shards of it where one copy does not fit.

`torchrun` starts the processes; gloo or nccl carries the sums. Both placements leave the same gradients and give back
whole tensors, so the state of a run does not depend on how many processes wrote it.
"""

import atexit
import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from dlm_model.device import disable_cudnn_attention
from dlm_model.errors import DeviceError
from dlm_model.network.transformer import Transformer


class ProcessGroup:
    """This process's place among all; alone, if `torchrun` did not start it."""

    def __init__(self, device: torch.device | None = None) -> None:
        """Join the others.

        Args:
            device: To train on; None is a GPU of this process's own if there is one.

        Raises:
            DeviceError: the device does not exist.
        """
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        if device is None:
            device = torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")
        if device.type == "cuda":
            if not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count():
                raise DeviceError(f"There is no device {device} to train on.")
            torch.cuda.set_device(device)
            disable_cudnn_attention()
        self.device = device
        if "RANK" in os.environ and not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            # Now and then, a process that ends without leaving its group takes the others down with it.
            atexit.register(dist.destroy_process_group)
        self.is_alone = not dist.is_initialized()
        self.rank = 0 if self.is_alone else dist.get_rank()
        self.size = 1 if self.is_alone else dist.get_world_size()

    @property
    def device_name(self) -> str:
        """The name of the device, for people."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "the CPU"

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports for all."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait for all processes: one that ended early would end the threads that carry the others' sums."""
        if not self.is_alone:
            dist.barrier()

    def sum(self, tensor: Tensor) -> Tensor:
        """Add the tensor up over all processes, in place."""
        if not self.is_alone:
            dist.all_reduce(tensor)
        return tensor

    def largest(self, number: int) -> int:
        """The largest of the processes' numbers."""
        if self.is_alone:
            return number
        tensor = torch.tensor(number, device=self.device)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return int(tensor)


class Replicated:
    """Every process holds the whole network; gradients are summed once a step, in one message."""

    def place(self, network: Transformer, dtype: torch.dtype) -> None:
        """Nothing to do."""

    def reduce(self, weights: list[Tensor], divisor: float, group: ProcessGroup) -> None:
        """Replace every gradient by the sum over all processes, divided."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        if not group.is_alone:
            flat = group.sum(torch.cat([gradient.flatten() for gradient in gradients]))
            parts = torch.split(flat, [gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))
        torch._foreach_div_(gradients, divisor)


class Sharded:
    """Every process holds a share of every weight, its gradient and its moments (FSDP2, arXiv 2304.11277)."""

    def place(self, network: Transformer, dtype: torch.dtype) -> None:
        """Shard the network in place; a layer is whole only while it computes, in `dtype`.

        Raises:
            ValueError: this process is alone.
        """
        if not dist.is_initialized():
            raise ValueError("shard = true needs several processes: start them with torchrun, or set shard = false")
        policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
        for module in (*network.layers, network):
            fully_shard(module, mp_policy=policy)

    def reduce(self, weights: list[Tensor], divisor: float, group: ProcessGroup) -> None:
        """Replace every gradient, which is the mean over all processes by now, by their sum, divided."""
        for weight in weights:
            if weight.grad is not None:
                weight.grad.mul_(group.size / divisor)


Placement = Replicated | Sharded


def whole(tensor: Tensor) -> Tensor:
    """A tensor put together from all processes' shards; every process has to ask for it."""
    tensor = tensor.detach()
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def is_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all of this process's shards are numbers."""
    shards = (tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors)
    return all(bool(shard.isfinite().all()) for shard in shards)


def like(whole_tensor: Tensor, weight: Tensor) -> Tensor:
    """A whole tensor, placed and sharded as a weight is."""
    if isinstance(weight, DTensor):
        return distribute_tensor(whole_tensor.to(weight.device), weight.device_mesh, weight.placements)
    return whole_tensor.to(weight.device)
