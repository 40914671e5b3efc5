"""What one fill costs on this machine, and what the prompt cache does to its result. Run by `poe bench`.

A denoise step with a prefill computes prompt and canvas, one without computes the canvas alone; both read every weight
once. Prints tables for people; the last line of standard output is one JSON object. Covered: the shipped weights (or
--model), one request at a time. Not covered: quality, which the model card reports.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken, DecodeOptions, Draft, InfillRequest
from tests.bench.cases import Case, make_cases
from tests.bench.fidelity import compared_with_exact

INTERVALS = (1, 4, 8, 0)

CHILD = """
import json, resource, sys
from dlm_model.engine import load_engine
from dlm_model.request import CancelToken, DecodeOptions, InfillRequest

arguments = json.load(sys.stdin)
request = InfillRequest(arguments["prefix"], arguments["suffix"])
drafts = load_engine(arguments["model"], arguments["device"]).infill(request, DecodeOptions(), CancelToken())
next(drafts)
print("first draft", flush=True)
list(drafts)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    num_cases: int
    num_steps: int
    max_prompt_tokens: int


FULL = Size(num_cases=12, num_steps=DecodeOptions().num_steps, max_prompt_tokens=1024)
QUICK = Size(num_cases=2, num_steps=8, max_prompt_tokens=256)


@dataclass(frozen=True, slots=True)
class Row:
    """All cases at one refresh interval.

    Attributes:
        argmax_agreement: Share of masked positions whose cached argmax is the exact one, over all steps.
        identical_texts: Share of cases that end with the text of interval 1, which is exact.
    """

    prompt_refresh_interval: int
    ms_per_step: float
    ms_per_fill: float
    tokens_per_second: float
    argmax_agreement: float
    identical_texts: float


class Run(NamedTuple):
    """The last draft, and the milliseconds until it was there."""

    draft: Draft
    elapsed_ms: float


def run(engine: Engine, request: InfillRequest, options: DecodeOptions) -> Run:
    start = time.perf_counter()
    *_, last = engine.infill(request, options, CancelToken())
    return Run(last, (time.perf_counter() - start) * 1000)


def measure_intervals(engine: Engine, cases: list[Case], size: Size) -> list[Row]:
    """Time every case at every interval, one after the other, so that a slow minute hits all intervals alike."""
    options = [DecodeOptions(num_steps=size.num_steps, prompt_refresh_interval=interval) for interval in INTERVALS]
    runs = [[run(engine, case.request, each) for each in options] for case in cases]
    exact_texts = [of_case[0].draft.text for of_case in runs]
    return [
        make_row(each, list(of_interval), exact_texts, agreement_with_exact(engine, cases, each))
        for each, of_interval in zip(options, zip(*runs, strict=True), strict=True)
    ]


def make_row(options: DecodeOptions, runs: list[Run], exact_texts: list[str], argmax_agreement: float) -> Row:
    total_ms = sum(elapsed for _, elapsed in runs)
    return Row(
        prompt_refresh_interval=options.prompt_refresh_interval,
        ms_per_step=median(elapsed / max(draft.step, 1) for draft, elapsed in runs),
        ms_per_fill=median(elapsed for _, elapsed in runs),
        tokens_per_second=sum(draft.num_tokens for draft, _ in runs) * 1000 / total_ms,
        argmax_agreement=argmax_agreement,
        identical_texts=mean(draft.text == exact for (draft, _), exact in zip(runs, exact_texts, strict=True)),
    )


def agreement_with_exact(engine: Engine, cases: list[Case], options: DecodeOptions) -> float:
    """Go each way once more, with the exact prediction beside every step of it."""
    with compared_with_exact() as agreement:
        for case in cases:
            run(engine, case.request, options)
    return agreement.share


def measure_start(request: InfillRequest, model: str | None, device: str) -> dict[str, float]:
    """A process of its own, from its start to its first draft, and its peak memory."""
    arguments = {"prefix": request.prefix, "suffix": request.suffix, "model": model, "device": device}
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdin.write(json.dumps(arguments))
        child.stdin.close()
        child.stdout.readline()
        seconds = time.perf_counter() - start
        peak_kib = int(child.stdout.readline())
    return {"seconds_to_first_draft": seconds, "peak_memory_mib": peak_kib / 1024}


def hardware(engine: Engine) -> dict[str, object]:
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    processor = next(named, platform.processor())
    gpu = torch.cuda.get_device_name(engine.device) if engine.device.startswith("cuda") else None
    return {
        "device": gpu or processor,
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "model": engine.model_name,
    }


def print_tables(rows: list[Row], start: dict[str, float], machine: dict[str, object], size: Size) -> None:
    console = Console(width=110)
    console.print(", ".join(f"{name} {value}" for name, value in (machine | asdict(size)).items()))
    console.print(
        f"process start to first draft {start['seconds_to_first_draft']:.1f} s, "
        f"peak memory {start['peak_memory_mib']:.0f} MiB"
    )
    table = Table("refresh interval", "ms/step", "ms/fill", "tokens/s", "argmax agreement", "identical text")
    for row in rows:
        table.add_row(
            str(row.prompt_refresh_interval),
            f"{row.ms_per_step:.1f}",
            f"{row.ms_per_fill:.0f}",
            f"{row.tokens_per_second:.1f}",
            f"{row.argmax_agreement:.2%}",
            f"{row.identical_texts:.0%} of {size.num_cases}",
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one fill, and compare the prompt cache with the exact result.")
    parser.add_argument("--quick", action="store_true", help="a minute at most on two CPU cores")
    parser.add_argument("--model", help="a checkpoint folder")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()

    engine = load_engine(arguments.model, arguments.device)
    size = QUICK if arguments.quick else FULL
    cases = make_cases(engine, size.num_cases, max_prompt_tokens=size.max_prompt_tokens)
    start = measure_start(cases[0].request, arguments.model, arguments.device)
    # The first forward pays for the memory map and for starting threads.
    run(engine, cases[0].request, DecodeOptions(num_steps=3))
    rows = measure_intervals(engine, cases, size)
    machine = hardware(engine)
    print_tables(rows, start, machine, size)
    print(json.dumps(machine | asdict(size) | start | {"rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
