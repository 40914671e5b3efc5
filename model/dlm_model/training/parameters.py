"""Which parameters of a network are trained, as an object handed to the trainer: adapters, or all of them."""

import re
from dataclasses import dataclass
from typing import Protocol

import torch

from dlm_model.errors import CheckpointError
from dlm_model.network.transformer import Transformer
from dlm_model.training.adapters import add_adapters, merge_adapters
from dlm_model.training.initialize import ADDED_TOKENS


class TrainedParameters(Protocol):
    """What is trained, and how the result becomes plain weights again."""

    @property
    def fingerprint(self) -> str:
        """Names the settings that decide which tensors a run's state holds."""
        ...

    @property
    def num_backward_products(self) -> int:
        """Matrix products that the backward pass of one linear layer takes."""
        ...

    def base_dtype(self, computation: torch.dtype) -> torch.dtype:
        """The dtype in which the checkpoint's weights are kept."""
        ...

    def prepare(self, network: Transformer) -> None:
        """Leave a gradient, in place, to exactly what is trained."""
        ...

    def merge(self, network: Transformer) -> None:
        """Make plain weights of what was trained, in place."""
        ...


@dataclass(frozen=True, slots=True)
class LowRankAdapters:
    """Adapters on a frozen network in the dtype of the computation, norms, and the added token rows."""

    rank: int = 32
    alpha: float = 64.0

    @property
    def fingerprint(self) -> str:
        """Rank and scale."""
        return f"rank {self.rank}, alpha {self.alpha:g}"

    @property
    def num_backward_products(self) -> int:
        """Frozen weights need no gradient of their own."""
        return 1

    def base_dtype(self, computation: torch.dtype) -> torch.dtype:
        """Nothing is ever added to the frozen weights, so they need no more digits than the computation."""
        return computation

    def prepare(self, network: Transformer) -> None:
        """Freeze the network and add adapters."""
        add_adapters(network, self.rank, self.alpha, len(ADDED_TOKENS))

    def merge(self, network: Transformer) -> None:
        """Fold the adapters in."""
        merge_adapters(network)


@dataclass(frozen=True, slots=True)
class AllParameters:
    """Every weight, kept in fp32, because bf16 swallows updates smaller than 1/256 of a weight."""

    @property
    def fingerprint(self) -> str:
        """There is nothing to choose."""
        return "all parameters"

    @property
    def num_backward_products(self) -> int:
        """The gradient of the input and that of the weight."""
        return 2

    def base_dtype(self, computation: torch.dtype) -> torch.dtype:  # noqa: ARG002 - the interface asks for it
        """Master weights are fp32 whatever the computation is."""
        return torch.float32

    def prepare(self, network: Transformer) -> None:
        """Give every weight a gradient."""
        network.requires_grad_(True)

    def merge(self, network: Transformer) -> None:
        """The weights are plain already."""
        network.requires_grad_(False)


def trained_parameters(rank: int) -> TrainedParameters:
    """Adapters of a rank, or all parameters for rank 0."""
    return LowRankAdapters(rank, 2.0 * rank) if rank else AllParameters()


def parameters_named(fingerprint: str) -> TrainedParameters:
    """The parameters that a run with this fingerprint trains.

    Raises:
        CheckpointError: no run has it.
    """
    if fingerprint == AllParameters().fingerprint:
        return AllParameters()
    found = re.fullmatch(r"rank (\d+), alpha (\S+)", fingerprint)
    if found is None:
        raise CheckpointError(f"a run that trained {fingerprint!r} is of another version of this program")
    return LowRankAdapters(int(found[1]), float(found[2]))
