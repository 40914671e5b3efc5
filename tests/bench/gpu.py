"""All checks of code that only a GPU runs, then all benches on a GPU, as one JSON object.

    python -m tests.bench.gpu --out gpu.json

The checks compare Triton kernels with their references, and recorded passes with plain ones; code that fails its check
is not timed. The benches run until the minutes are over, the most important ones first. Each part is a process of its
own with a time limit of its own: one that fails or hangs costs its own figures only, and figures are written at once.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch

PUBLISHED_FLAGS = ("--dream-code", "--dreamon-code", "--dream-python")
# Warnings are errors elsewhere, and Triton's compiler has some of its own. The project's own flags are those of plugins
# that a machine may lack.
PYTEST = ("pytest", "-q", "-W", "default", "-o", "addopts=--import-mode=importlib")
LATENCY, CUDA = "tests.bench.latency", ("--device", "cuda")
MIDDLE = ("--prompt", "1024", "--batch", "1")
KERNEL_TESTS = ("tests/kernels/test_kernels.py", "tests/kernels/triton_checks.py")


@dataclass(frozen=True, slots=True)
class Part:
    """A module to run.

    Attributes:
        name: How reports call it.
        command: The module and its arguments.
        seconds: Its time limit.
        needs: The check without which it is not run.
    """

    name: str
    command: tuple[str, ...]
    seconds: float
    needs: str | None = None

    @property
    def is_check(self) -> bool:
        """Whether it is a check, which prints no result."""
        return self.command[0] == "pytest"


def parts(published: tuple[str, ...] = ()) -> tuple[Part, ...]:
    """All parts, the most important ones first.

    Args:
        published: Flags of `tests.bench.latency` that name the published loops.
    """
    kernels, passes = "the kernels' check", "the recorded passes' check"

    def latency(name: str, seconds: float, shape: str, *flags: str) -> Part:
        return Part(f"latency, {name}", (LATENCY, "--shape", shape, *CUDA, *flags), seconds, passes)

    return (
        # Tests of a pretended GPU say nothing about this one, and should not keep it from being measured.
        Part(passes, (*PYTEST, "tests/model/network/test_cuda_graphs.py", "-k", "real_graph"), 90),
        latency("7b", 120, "7b", *MIDDLE, "--only", "own"),
        Part("kernels of a step", ("tests.bench.step_profile", "--shape", "7b", *CUDA), 90, passes),
        # One size, because each is compiled anew.
        latency("7b, peers", 240, "7b", *MIDDLE, "--middle", "128", "--only", "peers", *published),
        Part("keystrokes", ("tests.bench.keystrokes", *CUDA), 120, passes),
        latency("packaged", 60, "packaged", *MIDDLE, "--only", "own"),
        Part(kernels, (*PYTEST, *KERNEL_TESTS, "-k", "gpu_is or triton_checks"), 120),
        Part("kernels", ("tests.bench.kernels",), 60, kernels),
        Part("precision", ("tests.bench.precision", *CUDA), 90, passes),
        Part("warm starts", ("tests.bench.warm_start", *CUDA), 60, passes),
        latency("0.5b", 60, "0.5b", *MIDDLE, "--only", "own"),
        latency("7b, all prompts", 240, "7b", "--batch", "1", "--only", "own"),
        latency("packaged, all prompts", 240, "packaged", "--batch", "1"),
        latency("7b, four candidates", 240, "7b", "--batch", "4", "--only", "own"),
        latency("7b, eight candidates", 300, "7b", "--batch", "8", "--only", "own"),
    )


@dataclass
class Outcome:
    """The results so far, and why other parts have none."""

    results: list[object] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> str:
        """One object."""
        return json.dumps({"bench": "gpu", "results": self.results, "left_out": self.left_out})


class PartError(Exception):
    """A part has no result; the message says why."""


def run_all(planned: Iterable[Part], *, minutes: float, out: Path | None = None) -> Outcome:
    """Run one part after the other, and write the outcome so far after each."""
    outcome, end = Outcome(), time.monotonic() + 60 * minutes
    for part in planned:
        left = end - time.monotonic()
        try:
            if part.needs in outcome.left_out:
                raise PartError(f"{part.needs} has failed")
            if left <= 0:
                raise PartError("there was no time left")
            print(f"gpu: {part.name}", file=sys.stderr, flush=True)
            outcome.results += run(part, min(part.seconds, left))
        except PartError as error:
            outcome.left_out[part.name] = str(error)
            print(f"gpu: {part.name}: {error}", file=sys.stderr, flush=True)
        if out:
            out.write_text(outcome.as_json() + "\n", encoding="utf-8")
    return outcome


def run(part: Part, seconds: float) -> list[object]:
    """Run a part; returns the last line that it prints as JSON, or nothing for a check.

    Raises:
        PartError: it fails, or takes too long.
    """
    command = [sys.executable, "-m", *part.command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            printed, _ = process.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # and its children, which get no Ctrl-C in their session
            if isinstance(error, subprocess.TimeoutExpired):
                raise PartError(f"not done after {seconds:.0f} s") from None
            raise
    print(printed, file=sys.stderr, flush=True)
    if process.returncode:
        raise PartError(f"ended with exit code {process.returncode}")
    return [] if part.is_check else [json.loads(printed.splitlines()[-1])]


def main() -> None:
    """Command line."""
    flags = argparse.ArgumentParser(description="Check and measure everything on a CUDA GPU.")
    flags.add_argument("--minutes", type=float, default=9.0, help="no part begins later, nor takes longer")
    flags.add_argument("--out", type=Path, help="a file that holds what is measured so far; it is printed at the end")
    for flag in PUBLISHED_FLAGS:
        flags.add_argument(flag, help="as of tests.bench.latency")
    arguments = flags.parse_args()
    if not torch.cuda.is_available():
        sys.exit("gpu: there is no CUDA GPU here; nothing was measured.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("gpu: told to end"))
    named = {flag: getattr(arguments, flag[2:].replace("-", "_")) for flag in PUBLISHED_FLAGS}
    published = tuple(text for flag, value in named.items() if value for text in (flag, value))
    outcome = run_all(parts(published), minutes=arguments.minutes, out=arguments.out)
    print(outcome.as_json())
    if outcome.left_out:
        sys.exit("gpu: not measured: " + "; ".join(f"{name}: {why}" for name, why in outcome.left_out.items()))


if __name__ == "__main__":
    main()
