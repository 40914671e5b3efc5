"""The tables of the model card from a run of the infilling bench, so that no number is typed by hand.

python -m tests.bench.infilling > run.txt && python -m tests.bench.infilling_report run.txt

With the run of a second model, such as a distilled one, the last table compares pass@1 at each number of steps: python
-m tests.bench.infilling --model STUDENT > after.txt && python -m tests.bench.infilling_report run.txt after.txt
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HEADINGS = (
    "system",
    "method",
    "length",
    "steps",
    "threshold",
    "pass@1",
    "95 % interval",
    "exact",
    "parse-valid",
    "forwards",
    "tokens/forward",
    "p50 ms",
    "p95 ms",
)
SYSTEM_NAMES = {
    "author": "author's own text (ceiling)",
    "autoregressive": "base model, prefix only",
    "autoregressive-plain": "the same, no token healing",
    "engine": "engine, both sides",
    "daemon": "daemon, both sides",
}


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the JSON, under `HEADINGS`."""
    setting = row["setting"]
    is_denoising = setting["num_steps"] is not None
    return [
        SYSTEM_NAMES[setting["system"]],
        _method(setting),
        setting["length"] if is_denoising else "–",
        _number(setting["num_steps"], "d"),
        _number(setting["threshold"], "g"),
        f"{row['pass_at_1']:.1%}",
        f"{row['pass_low']:.1%} – {row['pass_high']:.1%}",
        f"{row['exact_match']:.1%}",
        f"{row['parse_valid']:.1%}",
        _number(row["mean_forwards"] or None, ".1f"),
        _number(row["tokens_per_forward"], ".2f"),
        _number(row["p50_ms"] if row["mean_forwards"] else None, ".0f"),
        _number(row["p95_ms"] if row["mean_forwards"] else None, ".0f"),
    ]


def markdown(report: dict[str, Any]) -> str:
    """Every table of a run, with what they were measured on."""
    machine = report["machine"]
    lines = [
        f"Model `{report['model']}` (weights {report['weights']}), revision {report['git_revision']}, "
        f"seed {report['seed']}; {machine['device']}, {machine['processors']} processors, "
        f"{machine['threads']} threads, torch {machine['torch']}.",
    ]
    for split in dict.fromkeys(row["split"] for row in report["rows"]):
        rows = [row for row in report["rows"] if row["split"] == split]
        lines += ["", f"HumanEval-Infilling, {split}, {rows[0]['num_problems']} problems:", ""]
        lines += _table(HEADINGS, map(cells, rows))
    if report["held_out"]:
        lines += ["", "Held out, from real code:", ""]
        lines += _table(("measurement", "value"), held_out_cells(report["held_out"]))
    return "\n".join(lines)


def steps_before_and_after(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Of the rows that two runs have in common and that a number of steps sets apart: pass@1 in both."""
    runs = [{_identity(row): row for row in report["rows"] if _is_dial(row)} for report in (before, after)]
    shared = [key for key in runs[0] if key in runs[1]]
    rows = [[*map(str, key), *(f"{run[key]['pass_at_1']:.1%}" for run in runs)] for key in shared]
    return "\n".join(["", "pass@1 by steps, before and after:", "", *_table(_DIAL_HEADINGS, rows)])


_DIAL_HEADINGS = ("split", "problems", "system", "length", "steps", "before", "after")


def _is_dial(row: dict[str, Any]) -> bool:
    setting = row["setting"]
    return setting["num_steps"] is not None and setting["threshold"] is None and setting["method"] is None


def _identity(row: dict[str, Any]) -> tuple[object, ...]:
    setting = row["setting"]
    return row["split"], row["num_problems"], setting["system"], setting["length"], setting["num_steps"]


def held_out_cells(held_out: dict[str, dict[str, float]]) -> list[list[str]]:
    """Name and value of each held-out measurement."""
    return [
        [f"{name.replace('_', ' ')}: {key.replace('_', ' ')}", f"{value:.4g}"]
        for name, values in held_out.items()
        for key, value in values.items()
    ]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(each)} |" for each in (headings, ["---"] * len(headings), *rows)]


def _method(setting: dict[str, Any]) -> str:
    """The row's method; what it was told of the author's text stands with its name."""
    told = ", oracle: the author's last name" if setting.get("anchors") == "oracle" else ""
    return f"{setting['method'] or '–'}{told}"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def main() -> None:
    parser = argparse.ArgumentParser(description="Markdown tables from what the infilling bench printed.")
    parser.add_argument("output", type=Path, help="the bench's standard output, or its last line alone")
    parser.add_argument("after", type=Path, nargs="?", help="the same of a second model, to compare with")
    arguments = parser.parse_args()
    paths, reports = [path for path in (arguments.output, arguments.after) if path], list[dict[str, Any]]()
    for path in paths:
        try:
            reports.append(json.loads(path.read_text(encoding="utf-8").splitlines()[-1]))
            print(markdown(reports[-1]))
        except (OSError, ValueError, LookupError, TypeError) as error:
            sys.exit(f"error: {path} is not the output of the infilling bench: {error}")
    if arguments.after:
        print(steps_before_and_after(*reports))


if __name__ == "__main__":
    main()
