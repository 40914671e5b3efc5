"""How many holes are filled so that the tests pass: HumanEval-Infilling, and held-out code.

Prints tables for people; the last line of standard output is one JSON object, from which `infilling_report` makes the
tables of the model card. It covers Python, one fill a hole, of unknown length; rows with the length given are for
diagnosis. In-place anchors need a part of the text: their row is told the last name in the author's line, and its name
says so. The full run takes hours on a CPU; `--limit` takes an evenly spread part of it.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, checkpoint_folder, load_engine
from dlm_model.errors import ModelError, RequestError
from dlm_model.methods import METHODS, Method
from dlm_model.request import CancelToken, InfillRequest
from dlm_model.training.evaluate import measure_lines, measure_noises
from tests.bench.held_out_texts import read_texts
from tests.bench.infilling_autoregressive import Autoregressive, download_gguf
from tests.bench.infilling_metrics import Anchors, Outcome, Row, Setting, System, read_outcome, summarize
from tests.bench.infilling_problems import FILES, Problem, evenly_spread, load_problems
from tests.bench.infilling_report import HEADINGS, cells, held_out_cells
from tests.bench.infilling_systems import DiffusionSystems, FillProblem, fill_as_author, run
from tests.bench.machine import processor
from tests.bench.results import ROOT, Results, git_revision, weights_digest

DATA = ROOT / ".." / "shared" / "data" / "humaneval_infilling"
NUM_HELD_OUT_SEQUENCES = 200
NUM_HELD_OUT_LINES = 100


def main() -> None:
    arguments = parse_arguments()
    try:
        report = measure(arguments)
    except (ModelError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(3) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(json.dumps(report))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how well holes in Python are filled.")
    add = parser.add_argument
    add("--data", type=Path, default=DATA, help="the folder with the HumanEval-Infilling files")
    add("--splits", nargs="+", choices=FILES, default=list(FILES))
    add("--limit", type=positive, help="problems of each split, evenly spread, and held-out holes; all without")
    add("--steps", nargs="+", type=positive, default=[4, 8, 16, 32], help="denoise steps at most")
    add("--thresholds", nargs="+", type=float, default=[], help="also rows that commit from these probabilities")
    add(
        "--methods",
        nargs="+",
        default=[],
        help="also these rows of `dlm-lsp methods`, or `all` that apply to the model",
    )
    add("--oracle-length", action="store_true", help="also rows with the true length given, for diagnosis")
    add("--through-daemon", action="store_true", help="also rows with what the editor would show")
    add("--autoregressive", default="download", help="a GGUF file, `download` for SmolLM2-135M, or `none`")
    add("--held-out", type=Path, help="a corpus folder, or any folder with Python files, for the held-out checks")
    add("--model", help="a checkpoint folder")
    add("--device", default="auto")
    add("--seed", type=int, default=0)
    add("--out", type=Path, help="a file that keeps every fill; a run that was stopped goes on from it")
    return parser.parse_args()


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not 1 or more")
    return value


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Everything that was asked for, as the JSON object has it.

    Raises:
        ValueError: an option or a file is wrong.
        ModelError: a model cannot be loaded.
    """
    problems = [
        problem
        for split in arguments.splits
        for problem in evenly_spread(load_problems(arguments.data, split), arguments.limit)
    ]
    held_out_texts = read_texts(arguments.held_out) if arguments.held_out else None
    engine = load_engine(arguments.model, arguments.device)
    settings = [*make_settings(arguments), *method_settings(engine, arguments)]
    identity = {
        "model": engine.model_name,
        "weights": weights_digest(checkpoint_folder(arguments.model)),
        "git_revision": git_revision(),
        "seed": arguments.seed,
        "machine": machine(engine),
    }
    results = Results(arguments.out, identity, read_outcome)
    fill_all(make_systems(engine, arguments), problems, settings, results)
    rows = make_rows(problems, settings, results)
    held_out: dict[str, dict[str, float]] = {}
    if held_out_texts is not None:
        folder = checkpoint_folder(arguments.model)
        limit = arguments.limit or max(NUM_HELD_OUT_SEQUENCES, NUM_HELD_OUT_LINES)
        num_sequences, num_lines = min(limit, NUM_HELD_OUT_SEQUENCES), min(limit, NUM_HELD_OUT_LINES)
        noises = measure_noises(folder, held_out_texts, num_sequences, device=engine.device)
        lines = measure_lines(folder, held_out_texts, num_lines, device=engine.device)
        held_out = {name: asdict(values) for name, values in (noises | {"lines": lines}).items()}
    print_tables(rows, held_out, identity)
    return identity | {"rows": [asdict(row) for row in rows], "held_out": held_out}


def make_settings(arguments: argparse.Namespace) -> Iterator[Setting]:
    """The rows of the table, in its order.

    Raises:
        ValueError: steps or threshold that no decoder accepts.
    """
    yield Setting("author")
    if arguments.autoregressive != "none":
        yield Setting("autoregressive")
        yield Setting("autoregressive-plain")
    systems: list[System] = ["engine", "daemon"] if arguments.through_daemon else ["engine"]
    for system, threshold, num_steps in product(systems, [None, *arguments.thresholds], arguments.steps):
        if threshold is not None:
            DecodeOptions(confidence_threshold=threshold)
        yield Setting(system, num_steps, threshold)
        if arguments.oracle_length and system == "engine":
            yield Setting(system, num_steps, threshold, "oracle")


def method_settings(engine: Engine, arguments: argparse.Namespace) -> Iterator[Setting]:
    """Rows of the methods asked for, with the first number of steps.

    Raises:
        ValueError: there is no method of that name.
    """
    known = {method.name: method for method in METHODS}
    if unknown := set(arguments.methods) - {*known, "all"}:
        raise ValueError(f"there is no method {', '.join(sorted(unknown))}")
    for name, method in known.items():
        if name in arguments.methods or ("all" in arguments.methods and is_applicable(engine, method)):
            anchors: Anchors = "oracle" if method.kind == "anchors" else "none"
            yield Setting("engine", arguments.steps[0], method=name, anchors=anchors)


def is_applicable(engine: Engine, method: Method) -> bool:
    """Whether this model supports a method that differs from the defaults and writes code."""
    if method.kind == "anchors":
        return True
    options = method.decode_options
    does_nothing = {"length": engine.network.config.can_resize, "blocks": engine.sees_suffix}.get(method.kind, False)
    if does_nothing or options == DecodeOptions() or options.grammar != "none":
        return False
    try:
        next(engine.infill(InfillRequest("x = ", "\n"), replace(options, num_steps=1), CancelToken()))
    except RequestError:
        return False
    return True


def make_systems(engine: Engine, arguments: argparse.Namespace) -> dict[System, FillProblem]:
    """Every system, loaded once."""
    diffusion = DiffusionSystems(engine, arguments.seed)
    systems: dict[System, FillProblem] = {
        "author": fill_as_author,
        "engine": diffusion.fill_by_engine,
        "daemon": diffusion.fill_by_daemon,
    }
    if arguments.autoregressive != "none":
        path = download_gguf() if arguments.autoregressive == "download" else Path(arguments.autoregressive)
        reference = Autoregressive.from_gguf(path, torch.device(engine.device))
        systems |= {"autoregressive": reference.fill, "autoregressive-plain": reference.fill_plain}
    return systems


def fill_all(
    systems: dict[System, FillProblem],
    problems: Sequence[Problem],
    settings: Sequence[Setting],
    results: Results[Outcome],
) -> None:
    """Fill each problem in every setting before the next one, so that a slow minute hits all rows alike."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("Filling", total=len(problems) * len(settings))
        for problem, setting in product(problems, settings):
            progress.update(bar, description=problem.task_id)
            if (problem.split, problem.task_id, setting) not in results:
                results.add(run(systems[setting.system], problem, setting))
            progress.advance(bar)


def make_rows(problems: Sequence[Problem], settings: Sequence[Setting], results: Results[Outcome]) -> list[Row]:
    """One row for each split and setting, from the problems of this run alone."""
    return [
        summarize([results[split, problem.task_id, setting] for problem in problems if problem.split == split])
        for split in dict.fromkeys(problem.split for problem in problems)
        for setting in settings
    ]


def print_tables(rows: Sequence[Row], held_out: dict[str, dict[str, float]], identity: dict[str, object]) -> None:
    console = Console(width=150)
    console.print(", ".join(f"{name} {value}" for name, value in identity.items()))
    for split in dict.fromkeys(row.split for row in rows):
        of_split = [row for row in rows if row.split == split]
        table = Table(*HEADINGS, title=f"{split}, {of_split[0].num_problems} problems")
        for row in of_split:
            table.add_row(*cells(asdict(row)))
        console.print(table)
    if held_out:
        table = Table("measurement", "value", title="held out")
        for name_and_value in held_out_cells(held_out):
            table.add_row(*name_and_value)
        console.print(table)


def machine(engine: Engine) -> dict[str, object]:
    return {
        "device": torch.cuda.get_device_name(engine.device) if engine.device.startswith("cuda") else processor(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    main()
