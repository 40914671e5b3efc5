"""The processes that train one network together: `torchrun` starts them, gloo or nccl carries the sums."""

import os

import torch
import torch.distributed as dist
from torch import Tensor


class ProcessGroup:
    """This process's place among all; alone, if `torchrun` did not start it."""

    def __init__(self) -> None:
        if "RANK" in os.environ and not dist.is_initialized():
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        self._is_alone = not dist.is_initialized()
        self.rank = 0 if self._is_alone else dist.get_rank()
        self.size = 1 if self._is_alone else dist.get_world_size()

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports for all."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Add the tensor up over all processes, in place."""
        if not self._is_alone:
            dist.all_reduce(tensor)
        return tensor
