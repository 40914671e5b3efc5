"""The output of every bench: a table for people, then one JSON object on the last line of standard output."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured combination; None means "not measured".

    Attributes:
        policy: The cache, or the peer.
        prompt: How the prompt is read: `causal`, `bidirectional`, or `blocks`; None for peers.
        prompt_tokens: Of both sides.
        middle_tokens: The canvas.
        batch: Candidates side by side.
        ms_per_step: Median.
        ms_per_fill: Median, prompt included.
        floor_ratio: `ms_per_step` over what the machine's bandwidth and arithmetic allow at least.
        argmax_agreement: Share of masked positions at which the exact network predicts the same.
        identical_text: Share of fills that end with the text of exact ones.
        peak_memory_mib: Up to the end of this row.
    """

    policy: str
    prompt: str | None = None
    prompt_tokens: int
    middle_tokens: int
    batch: int = 1
    ms_per_step: float | None = None
    ms_per_fill: float | None = None
    floor_ratio: float | None = None
    argmax_agreement: float | None = None
    identical_text: float | None = None
    peak_memory_mib: float | None = None


class GateError(Exception):
    """The results are wrong, so that their speed is not reported."""


def print_report(
    bench: str, facts: dict[str, object], rows: Sequence[object], **others: Sequence[object]
) -> dict[str, object]:
    """Print dataclass rows of one kind, and `others`, each in a table; returns the object of the last line."""
    console = Console(width=200)
    console.print(f"{bench}: " + ", ".join(f"{name} {value}" for name, value in facts.items()))
    tables = {name: part for name, part in (others | {"rows": rows}).items() if part}
    for part in tables.values():
        table = Table(*(field.name.replace("_", " ") for field in fields(part[0])))
        for row in part:
            table.add_row(*map(_cell, asdict(row).values()))
        console.print(table)
    result = {"bench": bench} | facts | {"rows": []} | {n: [asdict(r) for r in part] for n, part in tables.items()}
    print(json.dumps(result))
    return result


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return "–" if value is None else str(value)
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
