"""How fast a run is: tokens per second, and the share of the device's peak that does useful arithmetic (MFU).

Only products of matrices count, and only for real tokens, never for padding; the head's count only where there is a
label. The attention of a sequence of n tokens is counted as n² pairs, as a dense mask computes them.
"""

import re
import time
from dataclasses import astuple, dataclass

import torch

from dlm_model.network.config import ModelConfig

PEAK_TFLOPS = {
    "GH200": 989.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10G": 70.0,
    "RTX 4090": 165.0,
    "RTX 3090": 71.0,
}
"""Dense bf16 peaks with fp32 accumulation of known GPUs, from their data sheets, by whole words of their names; the
first that fit count."""


@dataclass(frozen=True, slots=True)
class Work:
    """How much work a set of sequences is.

    Attributes:
        num_tokens: Real tokens.
        num_padded: Real tokens and padding.
        num_supervised: Positions with a label.
        num_pairs: Sum over the sequences of their squared lengths.
    """

    num_tokens: int = 0
    num_padded: int = 0
    num_supervised: int = 0
    num_pairs: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Work") -> "Work":
        return Work(*(mine - theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class FlopCounter:
    """FLOPs of a training step of one network.

    Attributes:
        config: Of the network.
        num_backward_products: Matrix products of the backward pass for each one of the forward pass.
    """

    config: ModelConfig
    num_backward_products: int

    def count(self, work: Work) -> float:
        """Forward and backward, two FLOPs for each multiplication with its addition."""
        config = self.config
        attention = config.hidden_size * config.head_dim * 2 * (config.num_heads + config.num_kv_heads)
        layer = attention + 3 * config.hidden_size * config.intermediate_size
        linear = work.num_tokens * config.num_layers * layer
        head = work.num_supervised * config.hidden_size * config.vocab_size
        # Scores and mixing; neither has frozen weights, so their backward pass always takes two products each.
        pairs = 2 * work.num_pairs * config.num_layers * config.num_heads * config.head_dim
        return 2.0 * ((linear + head) * (1 + self.num_backward_products) + pairs * 3)


class Clock:
    """Measures the speed from lap to lap.

    Args:
        flops: Counts the arithmetic.
        peak_tflops: Of all devices together; None prints no MFU.
    """

    def __init__(self, flops: FlopCounter, peak_tflops: float | None) -> None:
        self._flops, self._peak = flops, peak_tflops
        self._work, self._time = Work(), time.monotonic()

    def add(self, work: Work) -> None:
        """Count what was done since the last lap."""
        self._work = self._work + work

    def pause(self) -> None:
        """Begin a new lap, and forget the present one."""
        self._work, self._time = Work(), time.monotonic()

    def lap(self) -> dict[str, float]:
        """Tokens per second, the share of real tokens, and the MFU where the peak is known; begins a new lap.

        Nothing if nothing was done since the lap began.
        """
        seconds = time.monotonic() - self._time
        work = self._work
        if not work.num_padded:
            return {}
        speed = {"tokens_per_second": work.num_tokens / seconds, "real_share": work.num_tokens / work.num_padded}
        if self._peak:
            speed["mfu"] = self._flops.count(work) / seconds / (self._peak * 1e12)
        self.pause()
        return speed


def known_peak(device: torch.device) -> float | None:
    """The peak in TFLOPS of a device in the table; None for any other."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in PEAK_TFLOPS.items() if re.search(rf"\b{known}\b", name)), None)
