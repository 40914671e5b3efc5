"""Every decoding method on the same holes: what it costs, and what it comes to.

Holes are single statements cut out of Python's own library, which the packaged weights were not trained on. One hole is
filled by all methods before the next, so that a slow minute hits all alike. Prints a table for people; the last line of
standard output is one JSON object. Not covered: whether fills work when they are run.

    python -m tests.bench.methods --num-holes 24
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from dlm_lsp.infilling import HoleRequest, finish, infill
from dlm_model.decode_options import SELF_GUIDE
from dlm_model.engine import Engine, load_engine
from dlm_model.errors import RequestError
from dlm_model.methods import METHODS, Method
from dlm_model.request import CancelToken, DecodeOptions, Draft, InfillRequest
from tests.bench.cuts import Cut, cut_holes, language_named, usual_folders
from tests.bench.machine import hardware, this_machine

MAX_PROMPT_TOKENS = 256
DEFAULT = "threshold"


@dataclass(frozen=True, slots=True)
class Row:
    """One method over all holes.

    Attributes:
        forwards: Network calls per fill, in the mean.
        tokens_per_forward: Of the fills, over all of them.
        ms: Per fill, in the median.
        exact: Share of holes filled with what stood there.
        parse_valid: Share of holes whose fill adds no syntax error.
        empty: Share of holes with nothing to show.
    """

    method: str
    num_holes: int
    forwards: float
    tokens_per_forward: float
    ms: float
    exact: float
    parse_valid: float
    empty: float


class Run(NamedTuple):
    """One hole filled."""

    draft: Draft
    text: str
    is_valid: bool
    is_exact: bool


def fill(engine: Engine, cut: Cut, options: DecodeOptions) -> Run:
    *_, draft = infill(engine, HoleRequest(cut.snapshot, cut.hole, MAX_PROMPT_TOKENS), options, CancelToken())
    fills = finish(cut.snapshot, cut.hole, draft)
    text = fills[0].fill.text if fills else ""
    is_valid = bool(fills) and fills[0].fill.parse_valid
    return Run(draft, text, is_valid, is_exact=text.strip() == cut.truth.strip())


def make_row(name: str, runs: Sequence[Run]) -> Row:
    return Row(
        method=name,
        num_holes=len(runs),
        forwards=mean(run.draft.num_forwards for run in runs),
        tokens_per_forward=sum(run.draft.num_tokens for run in runs) / sum(run.draft.num_forwards for run in runs),
        ms=median(run.draft.elapsed_ms for run in runs),
        exact=mean(run.is_exact for run in runs),
        parse_valid=mean(run.is_valid for run in runs),
        empty=mean(not run.text for run in runs),
    )


def applicable(engine: Engine, method: Method, guide: str | None) -> DecodeOptions | None:
    """The method's options; None where this model cannot do it, where it is the default, or where it writes no code."""
    options = method.decode_options
    does_nothing = {"length": engine.can_resize, "blocks": engine.sees_suffix}.get(method.kind, False)
    if method.name != DEFAULT and (options == DecodeOptions() or does_nothing):
        return None
    if options.guide == SELF_GUIDE and guide:
        options = replace(options, guide=guide)
    try:
        next(engine.infill(InfillRequest("x = ", "\n"), replace(options, num_steps=1), CancelToken()))
    except RequestError:
        return None
    return options if options.grammar == "none" else None


def measure(engine: Engine, cuts: Sequence[Cut], methods: dict[str, DecodeOptions]) -> list[Row]:
    runs: dict[str, list[Run]] = {name: [] for name in methods}
    for cut in track(cuts, "holes", console=Console(stderr=True)):
        for name, options in methods.items():
            runs[name].append(fill(engine, cut, options))
    return [make_row(name, found) for name, found in runs.items()]


def print_table(rows: Sequence[Row], machine: dict[str, object]) -> None:
    console = Console(width=120)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    table = Table("method", "forwards", "tokens/forward", "ms", "exact", "parse-valid", "empty")
    for row in rows:
        shares = (f"{share:.0%}" for share in (row.exact, row.parse_valid, row.empty))
        table.add_row(row.method, f"{row.forwards:.1f}", f"{row.tokens_per_forward:.2f}", f"{row.ms:.0f}", *shares)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare all decoding methods on the same holes.")
    parser.add_argument("--num-holes", type=int, default=24)
    parser.add_argument("--method", action="append", metavar="NAME", help="only these")
    parser.add_argument("--language", default="python")
    parser.add_argument(
        "--folder", type=Path, action="append", help="where to cut holes; the usual places if not given"
    )
    parser.add_argument("--guide", help="a causal checkpoint folder for guided diffusion")
    parser.add_argument("--model", help="a checkpoint folder")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()

    engine = load_engine(arguments.model, arguments.device)
    language = language_named(arguments.language)
    folders = tuple(arguments.folder or usual_folders(language))
    cuts = cut_holes(language, folders, arguments.num_holes)
    found = {
        method.name: applicable(engine, method, arguments.guide)
        for method in METHODS
        if not arguments.method or method.name in arguments.method
    }
    methods = {name: options for name, options in found.items() if options}
    # The first forward pays for the memory map and for starting threads.
    fill(engine, cuts[0], DecodeOptions(num_steps=2))
    rows = measure(engine, cuts, methods)
    machine = hardware(engine._network, this_machine(engine._network))
    print_table(rows, machine)
    print(json.dumps(machine | {"rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
