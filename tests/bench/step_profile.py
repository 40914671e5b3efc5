"""The kernels of one refine step, the costliest first, beside the step's floor: where its time goes.

    python -m tests.bench.step_profile --shape 7b

A refine step computes the canvas and reads the prompt from the cache. It is timed without the profiler, which slows the
CPU down; so what the kernels take together may be less than the step, by what the device waits for, but not more.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import median

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine
from dlm_model.request import CancelToken, Draft
from tests.bench.latency import fill
from tests.bench.machine import hardware, synchronize, this_machine
from tests.bench.report import print_report
from tests.bench.subjects import SHAPES, load_subject, requests

NUM_KERNELS = 30
NUM_STEPS = 8
PROFILED_STEP = 4
_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """All calls of one kernel in the step; on a CPU, of one operation."""

    kernel: str
    calls: int
    ms: float
    share: float


@dataclass(frozen=True, slots=True)
class StepProfile:
    """One refine step.

    Attributes:
        step_ms: Median of the refine steps of a fill, without the profiler.
        kernels_ms: What the kernels of one take together.
        rows: The costliest kernels, the most expensive first.
    """

    step_ms: float
    kernels_ms: float
    rows: list[ProfileRow]


def profile_step(engine: Engine, prompt_tokens: int, middle_tokens: int) -> StepProfile:
    """Profile a step in the middle of a fill, after a fill that records what there is to record."""
    options = DecodeOptions(
        num_steps=NUM_STEPS,
        schedule="linear",
        guide="none",
        prompt_refresh_interval=0,
        middle_length=middle_tokens,
        max_middle_tokens=middle_tokens,
    )
    request = requests(engine, 1, prompt_tokens)[0]
    for _ in range(2):
        engine.forget()
        steps = fill(engine, request, options).step_ms[1:]
    engine.forget()
    found = sorted(_kernels(engine, engine.infill(request, options, CancelToken())), key=lambda row: -row.ms)
    total = sum(row.ms for row in found)
    rows = [ProfileRow(row.kernel, row.calls, row.ms, row.ms / total) for row in found[:NUM_KERNELS]]
    return StepProfile(median(steps), total, rows)


def _kernels(engine: Engine, drafts: Iterator[Draft]) -> Iterator[ProfileRow]:
    """All kernels of one step of a fill."""
    device = engine.network.device
    list(islice(drafts, PROFILED_STEP))
    synchronize(device)
    is_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_gpu else [])]
    with profile(activities=activities) as recorded:
        next(drafts)
        synchronize(device)
    for event in recorded.key_averages():
        # On a GPU, operations are listed as well, with the time of the kernels that they start.
        if event.device_type == (DeviceType.CUDA if is_gpu else DeviceType.CPU):
            microseconds = event.self_device_time_total if is_gpu else event.self_cpu_time_total
            yield ProfileRow(event.key[:_NAME_LENGTH], event.count, microseconds / 1000, 0.0)


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Profile one subject."""
    engine = load_subject(arguments.shape, arguments.device)
    machine = this_machine(engine.network)
    found = profile_step(engine, arguments.prompt, arguments.middle)
    facts = hardware(engine.network, machine) | {
        "model": engine.model_name,
        "prompt_tokens": arguments.prompt,
        "middle_tokens": arguments.middle,
        "ms_per_step": round(found.step_ms, 3),
        "kernels_ms": round(found.kernels_ms, 3),
        "floor_ms": round(machine.floor_ms(engine.network, arguments.middle), 3),
    }
    return print_report("step_profile", facts, found.rows)


def parser() -> argparse.ArgumentParser:
    """The flags, which `gpu` fills in itself."""
    flags = argparse.ArgumentParser(description="List the costliest kernels of one refine step.")
    flags.add_argument("--shape", default="packaged", choices=["packaged", *SHAPES])
    flags.add_argument("--device", default="auto")
    flags.add_argument("--prompt", type=int, default=1024, help="tokens of the prompt")
    flags.add_argument("--middle", type=int, default=128, help="tokens of the canvas")
    return flags


def main() -> None:
    """Command line."""
    run(parser().parse_args())


if __name__ == "__main__":
    main()
