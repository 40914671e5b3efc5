"""Typing real files key by key: the time to the first draft, and whether fills are those of a cold start.

Every key takes the same way as in the daemon: edit, hole, prompt, engine. Only the first drafts are made, because the
next key interrupts them. `warm` is the engine as it is, which remembers the keys before; `cold` forgets everything
between two keys. Both fill the same holes in turn, so a slow minute hits both alike.

If the prompt sees the canvas, the engine keeps it only with a bound on its drift, and not exactly. Then there is a
`warm` row for every bound, beside the agreement of the cold row, whose prompt is exact at the first step. `--reading
bidirectional` reads so with the packaged weights, which were trained with a causal prompt. Their text is then of no use
in itself. It shows how far a cache leads away from the exact run with these weights, and not with weights trained for
it.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean, median
from typing import NamedTuple

from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.infilling import infill
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken, Draft, InfillRequest
from tests.bench.fidelity import compared_with_exact
from tests.bench.latency import Policy, check, policies
from tests.bench.machine import Machine, hardware, this_machine
from tests.bench.report import GateError, print_report
from tests.bench.subjects import PROMPTS, prompt_of, reading, requests
from tests.bench.trace import Trace, record

FUNCTIONS = ("textwrap.indent", "shlex.join", "statistics.fmean", "tarfile.is_tarfile")
QUICK_FUNCTIONS = ("shlex.join",)
BOUNDS = (0.01, 0.1, 1.0)


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
        recomputed_tokens: Prompt tokens that were computed anew for a key, mean; where it sees the canvas, tokens of
            the first step, canvas included, which `similarity` does not count.
        ms_per_step: Median of the steps after the first.
        ms_per_fill: Median of all `num_steps` steps.
        floor_ratio: `ms_per_step` over what the machine's bandwidth and arithmetic allow at least.
        argmax_agreement: With the exact prediction on the same canvas, of steps that read the cache; None where it is
            exact.
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
    floor_ratio: float
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
    num_recomputed: float


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
        drafts = infill(engine, HoleRequest(hole, options, max_prompt_tokens=budget), CancelToken())
        if number % stride == 0:
            yield _timed(engine, drafts)
        elif not isinstance(engine, _Forgetful):
            next(drafts)


def _timed(engine: Engine, drafts: Iterator[Draft]) -> Filled:
    num_computed, start = _num_computed(engine), time.perf_counter()
    first = next(drafts)
    first_ms = (time.perf_counter() - start) * 1000
    *_, last = drafts
    total_ms = (time.perf_counter() - start) * 1000
    num_recomputed = _num_computed(engine) - num_computed
    return Filled(last.text, first.num_tokens, first.num_forwards, first_ms, total_ms, last.step, num_recomputed)


def _num_computed(engine: Engine) -> float:
    return engine.decoder.prefix_cache.num_computed + engine.decoder.prompt_store.num_computed


class _Way(NamedTuple):
    """One way to decode the same keys, with an engine of its own."""

    name: str
    engine: Engine
    options: DecodeOptions


def ways(engine: Engine, policy: Policy, bounds: Sequence[float]) -> list[_Way]:
    """Cold, and warm where the engine remembers prompts; once for each bound if it needs one."""
    options = replace(policy.options, schedule="threshold")
    parts = engine.network, engine.tokenizer, engine.model_name
    if prompt_of(engine) != "bidirectional":
        return [_Way("cold", _Forgetful(*parts), options), _Way("warm", engine, options)]
    # What is forgotten is kept first, so that it is counted.
    cold = _Way("cold", _Forgetful(*parts), replace(options, drift_bound=0.0))
    can_keep = options.cache_policy == "interval" and options.prompt_refresh_interval == 0
    kept = [_Way(f"warm to {bound:g}", Engine(*parts), replace(options, drift_bound=bound)) for bound in bounds]
    return [cold, *kept] if can_keep else [cold]


def measure(
    engine: Engine,
    machine: Machine,
    traces: list[Trace],
    *,
    num_steps: int,
    budget: int,
    stride: int,
    bounds: Sequence[float] = (),
) -> Iterator[KeyRow]:
    """A row for each policy and way."""
    for policy in policies(engine, num_steps):
        if policy.is_exact:
            continue
        tried = ways(engine, policy, bounds)
        fills: list[list[Filled]] = [[] for _ in tried]
        for trace in traces:
            runs = (fills_of(way.engine, trace, way.options, budget=budget, stride=stride) for way in tried)
            for turn in zip(*runs, strict=True):
                for of_way, filled in zip(fills, turn, strict=True):
                    of_way.append(filled)
        for way, found in zip(tried, fills, strict=True):
            row = _row(f"{policy.name}, {way.name}", found, budget, partial(machine.floor_ms, engine.network))
            if len(tried) == 1 or (way is tried[0] and prompt_of(engine) != "bidirectional"):
                yield row
                continue
            with compared_with_exact() as agreement:
                list(fills_of(way.engine, traces[0], way.options, budget=budget, stride=8 * stride))
            is_same = [fill.text == cold.text for fill, cold in zip(found, fills[0], strict=True)]
            identical_text = None if way is tried[0] else mean(is_same)
            yield replace(row, argmax_agreement=agreement.share, identical_text=identical_text)


def _row(policy: str, fills: list[Filled], budget: int, floor_ms: Callable[[int], float]) -> KeyRow:
    first = sorted(each.first_ms for each in fills)
    later = [(each.total_ms - each.first_ms) / (each.num_steps - 1) for each in fills if each.num_steps > 1]
    ms_per_step = median(later) if later else 0.0
    middle_tokens = round(median(each.num_tokens for each in fills))
    return KeyRow(
        policy=policy,
        prompt_tokens=budget,
        middle_tokens=middle_tokens,
        num_keys=len(fills),
        forwards=median(each.forwards for each in fills),
        p50_ms=median(first),
        p95_ms=first[min(len(first) - 1, round(0.95 * len(first)))],
        recomputed_tokens=mean(each.num_recomputed for each in fills),
        ms_per_step=ms_per_step,
        ms_per_fill=median(each.total_ms for each in fills),
        floor_ratio=ms_per_step / floor_ms(middle_tokens),
    )


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Replay the traces."""
    engine = load_engine(arguments.model, arguments.device)
    if arguments.reading:
        engine = reading(engine, arguments.reading)
    functions, max_keys, stride, num_steps = (QUICK_FUNCTIONS, 20, 4, 4) if arguments.quick else (FUNCTIONS, 160, 4, 8)
    functions = arguments.functions or functions
    max_keys, stride = arguments.keys or max_keys, arguments.stride or stride
    check(engine, requests(engine, 1, 128)[0])
    traces = [record(function, max_keys) for function in functions]
    sizes = {"num_steps": num_steps, "budget": arguments.prompt_tokens, "stride": stride}
    machine = this_machine(engine.network)
    rows = list(measure(engine, machine, traces, **sizes, bounds=arguments.bounds))
    facts = hardware(engine.network, machine) | {
        "model": engine.model_name,
        "prompt": prompt_of(engine),
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
    flags.add_argument("--functions", nargs="*", help="whose ends are typed, in place of the usual ones")
    flags.add_argument("--keys", type=int, help="of each function")
    flags.add_argument("--stride", type=int, help="keys to the next one that is timed")
    flags.add_argument("--reading", choices=PROMPTS, help="another way to read the prompt than the weights' own")
    flags.add_argument("--bounds", type=float, nargs="*", default=BOUNDS, help="of drift, where the prompt has one")
    return flags


def main() -> None:
    """Command line."""
    try:
        run(parser().parse_args())
    except GateError as error:
        sys.exit(f"keystrokes: {error}")


if __name__ == "__main__":
    main()
