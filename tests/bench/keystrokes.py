"""Typing real files key by key: the time to the first draft, and whether fills are those of a cold start.

Every key takes the same way as in the daemon: edit, hole, prompt, engine, and only the first drafts, because the next
key interrupts them. `warm` is the engine as it is, which remembers the keys before; `cold` forgets everything between
two keys. Both fill the same holes in turn, so that a slow minute hits both alike.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import mean, median

from dlm_lsp.holes import find_hole
from dlm_lsp.infilling import HoleRequest, infill
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken, Draft, InfillRequest
from tests.bench.fidelity import compared_with_exact
from tests.bench.latency import check, policies
from tests.bench.machine import hardware, this_machine
from tests.bench.report import GateError, print_report
from tests.bench.subjects import prompt_of, requests
from tests.bench.trace import Trace, record

FUNCTIONS = ("textwrap.indent", "shlex.join", "statistics.fmean", "tarfile.is_tarfile")
QUICK_FUNCTIONS = ("shlex.join",)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One policy over all keys.

    Attributes:
        policy: How the prompt is remembered; `cold` forgets all between two keys, `warm` nothing.
        prompt_tokens: Upper bound on both sides together.
        middle_tokens: Median of what the first draft held.
        num_keys: How many holes were filled.
        forwards: Network calls until the first draft, median.
        p50_ms: Until the first draft, median.
        p95_ms: The same, 95th percentile.
        recomputed_tokens: Prompt tokens that were computed anew for a key, mean.
        ms_per_step: Median of the steps after the first.
        ms_per_fill: Median of all `num_steps` steps.
        argmax_agreement: With the exact prediction on the same canvas; None where it is the exact one.
        identical_text: Share of fills with the text that the cold run of the same policy gives.
    """

    policy: str
    prompt_tokens: int
    middle_tokens: int
    num_keys: int
    forwards: float
    p50_ms: float
    p95_ms: float
    recomputed_tokens: float
    ms_per_step: float
    ms_per_fill: float
    argmax_agreement: float | None = None
    identical_text: float | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """One key's fill."""

    text: str
    num_tokens: int
    forwards: int
    first_ms: float
    total_ms: float
    num_steps: int
    num_recomputed: int


class _Forgetful(Engine):
    """An engine that forgets the previous request."""

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        self.forget()
        return super().infill(request, options, cancel)


def fills_of(engine: Engine, trace: Trace, options: DecodeOptions, *, budget: int, stride: int) -> Iterator[Filled]:
    """A fill after every `stride`-th key.

    In the daemon every key is a request, which the next key ends. So the keys in between are served up to their first
    draft, untimed; a forgetful engine skips them.
    """
    snapshot = trace.open()
    for number, key in enumerate(trace.keys):
        snapshot = snapshot.replaced(*key)
        hole = find_hole(snapshot, key.cursor)
        drafts = infill(engine, HoleRequest(snapshot, hole, budget), options, CancelToken())
        if number % stride == 0:
            yield _timed(engine, drafts)
        elif not isinstance(engine, _Forgetful):
            next(drafts)


def _timed(engine: Engine, drafts: Iterator[Draft]) -> Filled:
    num_computed, start = engine.decoder.prefix_cache.num_computed, time.perf_counter()
    first = next(drafts)
    first_ms = (time.perf_counter() - start) * 1000
    *_, last = drafts
    total_ms = (time.perf_counter() - start) * 1000
    num_recomputed = engine.decoder.prefix_cache.num_computed - num_computed
    return Filled(last.text, first.num_tokens, first.num_forwards, first_ms, total_ms, last.step, num_recomputed)


def measure(engine: Engine, traces: list[Trace], *, num_steps: int, budget: int, stride: int) -> Iterator[KeyRow]:
    """Rows for each policy: cold, and, where it remembers prompts, warm."""
    cold_engine = _Forgetful(engine.network, engine.tokenizer, engine.model_name)
    engines = [cold_engine] if prompt_of(engine) == "bidirectional" else [cold_engine, engine]
    for policy in policies(engine, num_steps):
        if policy.is_exact:
            continue
        options = replace(policy.options, schedule="threshold")
        fills: list[list[Filled]] = [[] for _ in engines]
        for trace in traces:
            for turn in zip(*(fills_of(e, trace, options, budget=budget, stride=stride) for e in engines), strict=True):
                for of_engine, filled in zip(fills, turn, strict=True):
                    of_engine.append(filled)
        yield _row(f"{policy.name}, cold", fills[0], budget)
        for warm in fills[1:]:
            with compared_with_exact() as agreement:
                list(fills_of(engine, traces[0], options, budget=budget, stride=8 * stride))
            yield replace(
                _row(f"{policy.name}, warm", warm, budget),
                argmax_agreement=agreement.share,
                identical_text=mean(a.text == b.text for a, b in zip(warm, fills[0], strict=True)),
            )


def _row(policy: str, fills: list[Filled], budget: int) -> KeyRow:
    first = sorted(each.first_ms for each in fills)
    later = [(each.total_ms - each.first_ms) / (each.num_steps - 1) for each in fills if each.num_steps > 1]
    return KeyRow(
        policy=policy,
        prompt_tokens=budget,
        middle_tokens=round(median(each.num_tokens for each in fills)),
        num_keys=len(fills),
        forwards=median(each.forwards for each in fills),
        p50_ms=median(first),
        p95_ms=first[min(len(first) - 1, round(0.95 * len(first)))],
        recomputed_tokens=mean(each.num_recomputed for each in fills),
        ms_per_step=median(later) if later else 0.0,
        ms_per_fill=median(each.total_ms for each in fills),
    )


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Replay the traces."""
    engine = load_engine(arguments.model, arguments.device)
    functions, max_keys, stride, num_steps = (QUICK_FUNCTIONS, 20, 4, 4) if arguments.quick else (FUNCTIONS, 160, 4, 8)
    check(engine, requests(engine, 1, 128)[0])
    traces = [record(function, max_keys) for function in functions]
    rows = list(measure(engine, traces, num_steps=num_steps, budget=arguments.prompt_tokens, stride=stride))
    facts = hardware(engine.network, this_machine(engine.network)) | {
        "model": engine.model_name,
        "functions": list(functions),
        "keys": sum(len(trace.keys) for trace in traces),
        "num_steps": num_steps,
    }
    return print_report("keystrokes", facts, rows)


def parser() -> argparse.ArgumentParser:
    """The flags, which `gpu` fills in itself."""
    flags = argparse.ArgumentParser(description="Type real files and time the first draft after a key.")
    flags.add_argument("--quick", action="store_true", help="a minute at most on two CPU cores")
    flags.add_argument("--model", help="a checkpoint folder instead of the packaged weights")
    flags.add_argument("--device", default="auto")
    flags.add_argument("--prompt-tokens", type=int, default=1024)
    return flags


def main() -> None:
    """Command line."""
    try:
        run(parser().parse_args())
    except GateError as error:
        sys.exit(f"keystrokes: {error}")


if __name__ == "__main__":
    main()
