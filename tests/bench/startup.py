"""From the start of the process to the first draft, and what the server itself takes from a keystroke.

The first part drives `dlm-lsp serve` as an editor does. The second leaves the model out: one long file, typed into key
by key, and for every key the synchronisation, the parse, the hole, the prompt, and a fill made to fit.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from dlm_lsp.context import build_request
from dlm_lsp.holes import find_hole
from dlm_lsp.presentation import present
from dlm_model.config import ModelConfig
from dlm_model.engine import DEFAULT_CHECKPOINT
from dlm_model.tokenizer import Tokenizer
from tests.bench.machine import processor
from tests.bench.report import GateError, print_report
from tests.bench.trace import record_in_long_text
from tests.editor_client import EditorClient

NUM_LINES = 10_000
FUNCTION = "_get_positional_kwargs"  # of argparse, the first module of the long file
MIDDLE = "return self.value\n        rest = 3\n"


@dataclass(frozen=True, slots=True)
class StartRow:
    """Milliseconds after the start of the process, medians."""

    event: str
    ms: float


@dataclass(frozen=True, slots=True)
class OverheadRow:
    """One part of what happens at a key, in milliseconds: by the clock, and of the processor's own time.

    On a machine that does other work beside, the clock also measures how long the bench waited for its turn.
    """

    part: str
    p50: float
    p99: float
    cpu_p50: float
    cpu_p99: float


async def start_once(model: str | None) -> dict[str, float]:
    """One server, from nothing to its first draft."""
    client = EditorClient()
    start = time.perf_counter()
    elapsed: dict[str, float] = {}

    def reached(event: str) -> None:
        elapsed[event] = (time.perf_counter() - start) * 1000

    await client.start_io(sys.executable, "-P", "-m", "dlm_lsp", "serve", env=dict(os.environ))
    await client.start(options={"preload": True, "drafts": True, "numSteps": 4, "model": model})
    reached("initialize answered")
    client.open("def area(width, height):\n    \n")
    asking = asyncio.create_task(client.complete(1, 4))
    await client.until(lambda: any(" on " in status.message for status in client.statuses))
    reached("model ready")
    await client.until(lambda: bool(client.drafts))
    reached("first draft")
    await asking
    await client.shutdown_async(None)
    client.exit(None)
    await client.process.wait()
    return elapsed


def measure_start(num_starts: int, model: str | None) -> list[StartRow]:
    """Several starts, one after the other."""
    starts = [asyncio.run(start_once(model)) for _ in range(num_starts)]
    return [StartRow(event, median(each[event] for each in starts)) for event in starts[0]]


def measure_overhead(max_keys: int) -> list[OverheadRow]:
    """Type into the long file.

    Raises:
        GateError: the text that came out is not the text that was typed.
    """
    config = ModelConfig.from_checkpoint(DEFAULT_CHECKPOINT)
    count_tokens = Tokenizer.from_checkpoint(DEFAULT_CHECKPOINT, config.vocab_size).count
    trace = record_in_long_text(NUM_LINES, FUNCTION, max_keys)
    document, text = trace.open(), trace.text
    assert document.snapshot().tree
    watch = _StopWatch()
    for key in trace.keys:
        with watch.timing("sync"):
            document.replace(*key)
        snapshot = document.snapshot()
        with watch.timing("parse"):
            snapshot.lazy_tree.parse()
        with watch.timing("hole"):
            hole = find_hole(snapshot, key.cursor)
        with watch.timing("context"):
            build_request(snapshot, hole, max_prompt_tokens=1024, count_tokens=count_tokens)
        with watch.timing("presentation"):
            present(snapshot, hole, MIDDLE)
        text = text[: key.start] + key.text + text[key.end :]
    if document.snapshot().text != text:
        raise GateError("the document is not what was typed")
    return watch.rows()


class _StopWatch:
    """Times parts that take turns, by two clocks."""

    def __init__(self) -> None:
        self._times: dict[str, list[tuple[float, float]]] = {}

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.thread_time()
        yield
        elapsed = (time.perf_counter() - wall) * 1000, (time.thread_time() - cpu) * 1000
        self._times.setdefault(part, []).append(elapsed)

    def rows(self) -> list[OverheadRow]:
        """One per part, and one for their sum."""
        turns = [tuple(map(sum, zip(*turn, strict=True))) for turn in zip(*self._times.values(), strict=True)]
        rows = []
        for part, times in (self._times | {"all": turns}).items():
            wall, cpu = zip(*times, strict=True)
            rows.append(OverheadRow(part, *_percentiles(wall), *_percentiles(cpu)))
        return rows


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return median(ordered), ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]


def run(arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Both parts."""
    facts = {"hardware": processor(), "processors": os.cpu_count()}
    overhead = measure_overhead(100 if arguments.quick else 400)
    starts = measure_start(1 if arguments.quick else 5, arguments.model)
    return [
        print_report("server overhead", facts | {"lines": NUM_LINES, "unit": "ms per key"}, overhead),
        print_report("startup", facts | {"starts": 1 if arguments.quick else 5}, starts),
    ]


def main() -> None:
    """Command line."""
    flags = argparse.ArgumentParser(description="Time starting, and the server without its model.")
    flags.add_argument("--quick", action="store_true", help="half a minute at most on two CPU cores")
    flags.add_argument("--model", help="a checkpoint folder instead of the packaged weights")
    try:
        run(flags.parse_args())
    except GateError as error:
        sys.exit(f"startup: {error}")


if __name__ == "__main__":
    main()
