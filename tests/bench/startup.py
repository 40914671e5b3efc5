"""The time from the start of the process to the first draft, and the server's own time for a keystroke.

The first part speaks to `dlm-lsp serve` as an editor does. The second leaves the model out: one long file, typed into
key by key, and for every key the synchronisation, the parse, the hole, the prompt, and a fill made to fit.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from dlm_lsp.fitting.presentation import present
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.messages import DRAFT
from dlm_lsp.prompt.context import build_request
from dlm_model.engine import DEFAULT_CHECKPOINT
from dlm_model.network.config import ModelConfig
from dlm_model.tokens.tokenizer import Tokenizer
from tests.bench.machine import processor
from tests.bench.report import GateError, print_report
from tests.bench.trace import record_in_long_text

NUM_LINES = 10_000
NUM_KEYS = 400  # With fewer, the 99th percentile is little but the slowest key.
FUNCTION = "_get_positional_kwargs"  # of argparse, the first module of the long file
_LOAD = """
import sys, time
from dlm_model.engine import load_engine
start = time.perf_counter(), time.process_time()
load_engine(sys.argv[1] if len(sys.argv) > 1 else None, "auto")
print([1000 * (time.perf_counter() - start[0]), 1000 * (time.process_time() - start[1])])
"""
TEXT = "def area(width, height):\n    \n"
MIDDLE = "return self.value\n        rest = 3\n"


@dataclass(frozen=True, slots=True)
class StartRow:
    """Milliseconds after the start of the process, medians: by the clock, and of the processor's own time.

    Linux alone reports the latter, in hundredths of a second. `weights loaded` is counted from when torch has been
    imported, in a process of its own.
    """

    event: str
    ms: float
    cpu_ms: float | None


@dataclass(frozen=True, slots=True)
class OverheadRow:
    """One part of what happens at a key, in milliseconds: by the clock, and of the processor's own time.

    On a machine with other work, the clock also measures how long the bench waited for its turn.
    """

    part: str
    p50: float
    p99: float
    cpu_p50: float
    cpu_p99: float


class _Wire:
    """A client that reads bytes and converts no types, so that its own time hardly counts."""

    def __init__(self, *command: str) -> None:
        # An installed package has its bytecode. Here the first start may write it, whatever this process may do.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._start = time.perf_counter()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def send(self, method: str, params: object, request_id: int | None = None) -> None:
        """Send a request, or, without an id, a notification."""
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        body = json.dumps(message | ({} if request_id is None else {"id": request_id})).encode()
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def until(self, event: str, is_reached: Callable[[dict[str, Any]], bool]) -> StartRow:
        """Read messages up to the first of a kind; returns the time that it took."""
        assert self._process.stdout
        while True:
            length = 0
            while line := self._process.stdout.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name == b"Content-Length" else length
            if length == 0:
                raise GateError(f"the server ended before {event}")
            if is_reached(json.loads(self._process.stdout.read(length))):
                return StartRow(event, (time.perf_counter() - self._start) * 1000, self._cpu_ms())

    def end(self) -> None:
        """Leave as a client should, and wait for the server's end."""
        self.send("shutdown", None, 0)
        self.until("the end", lambda message: message.get("id") == 0)
        self.send("exit", None)
        self._process.wait()

    def _cpu_ms(self) -> float | None:
        stat = Path(f"/proc/{self._process.pid}/stat")
        if not stat.is_file():
            return None
        fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_once(model: str | None) -> list[StartRow]:
    """One server, from nothing to its first draft."""
    wire = _Wire(sys.executable, "-P", "-m", "dlm_lsp", "serve")
    options = {"preload": True, "drafts": True, "numSteps": 4, "model": model}
    wire.send("initialize", {"processId": None, "capabilities": {}, "initializationOptions": options}, 1)
    answered = wire.until("initialize answered", lambda message: message.get("id") == 1)
    wire.send("initialized", {})
    document = {"uri": "untitled:area.py", "languageId": "python", "version": 1, "text": TEXT}
    wire.send("textDocument/didOpen", {"textDocument": document})
    place = {"textDocument": {"uri": document["uri"]}, "position": {"line": 1, "character": 4}}
    wire.send("textDocument/inlineCompletion", place | {"context": {"triggerKind": 2}}, 2)
    ready = wire.until("model ready", lambda message: " on " in (message.get("params") or {}).get("message", ""))
    draft = wire.until("first draft", lambda message: message.get("method") == DRAFT)
    wire.until("the fill", lambda message: message.get("id") == 2)
    wire.end()
    return [answered, ready, draft]


def load_once(model: str | None) -> StartRow:
    """One engine, loaded by a process that has imported torch."""
    command = [sys.executable, "-P", "-c", _LOAD, *([model] if model else [])]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return StartRow("weights loaded", *json.loads(printed.splitlines()[-1]))


def measure_start(num_starts: int, model: str | None) -> list[StartRow]:
    """Several starts, one after the other; each time, the weights are also loaded alone."""
    starts = [[*start_once(model), load_once(model)] for _ in range(num_starts)]
    return [
        StartRow(rows[0].event, median(row.ms for row in rows), _median([row.cpu_ms for row in rows]))
        for rows in zip(*starts, strict=True)
    ]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def measure_overhead(max_keys: int) -> list[OverheadRow]:
    """Type into the long file.

    Raises:
        GateError: the text that came out is not the text that was typed.
    """
    config = ModelConfig.from_checkpoint(DEFAULT_CHECKPOINT)
    count_tokens = Tokenizer.from_checkpoint(DEFAULT_CHECKPOINT, config.vocab_size).count
    trace = record_in_long_text(NUM_LINES, FUNCTION, max_keys)
    snapshot, text = trace.open(), trace.text
    assert snapshot.tree
    watch = _StopWatch()
    for key in trace.keys:
        with watch.timing("sync"):
            snapshot = snapshot.replaced(*key)
        with watch.timing("parse"):
            snapshot.lazy_tree.parse()
        with watch.timing("hole"):
            hole = find_hole(snapshot, key.cursor)
        with watch.timing("context"):
            build_request(hole, max_prompt_tokens=1024, count_tokens=count_tokens)
        with watch.timing("presentation"):
            present(hole, MIDDLE)
        text = text[: key.start] + key.text + text[key.end :]
    if snapshot.text != text:
        raise GateError("the document is not what was typed")
    return watch.rows()


class _StopWatch:
    """Times the parts of a keystroke, which alternate, by two clocks."""

    def __init__(self) -> None:
        self._times: dict[str, list[tuple[float, float]]] = {}

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.thread_time()
        yield
        elapsed = (time.perf_counter() - wall) * 1000, (time.thread_time() - cpu) * 1000
        self._times.setdefault(part, []).append(elapsed)

    def rows(self) -> list[OverheadRow]:
        """One row for each part, and one for their sum."""
        turns = [tuple(map(sum, zip(*turn, strict=True))) for turn in zip(*self._times.values(), strict=True)]
        rows = []
        for part, times in (self._times | {"all": turns}).items():
            wall, cpu = zip(*times, strict=True)
            rows.append(OverheadRow(part, *_percentiles(wall), *_percentiles(cpu)))
        return rows


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return median(ordered), ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Both parts, with a table each; the overhead is in milliseconds per key."""
    num_starts = 1 if arguments.quick else 5
    facts = {"hardware": processor(), "processors": os.cpu_count(), "lines": NUM_LINES, "starts": num_starts}
    overhead = measure_overhead(NUM_KEYS)
    return print_report("startup", facts, measure_start(num_starts, arguments.model), overhead=overhead)


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
