"""`dlm-lsp stats`: what the daemons of this user counted."""

import json
from collections.abc import Iterator

from rich.table import Table

from dlm_lsp.commands.sources import writing_stdout
from dlm_lsp.commands.tables import bare_table, print_table
from dlm_lsp.errors import UsageError
from dlm_lsp.stats import MEASURES, Stats, stats_path


def run_stats(*, as_json: bool, reset: bool) -> None:
    """Print the counters, or reset them.

    Raises:
        UsageError: the file cannot be removed.
    """
    if reset:
        try:
            stats_path().unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"Cannot remove {stats_path()}: {error.strerror or error}.") from error
        return
    stats = Stats.read(stats_path())
    if stats.events and not as_json:
        print_table(_table(stats))
    with writing_stdout() as stdout:
        stdout.writelines(f"{line}\n" for line in _lines(stats, as_json=as_json))


def _lines(stats: Stats, *, as_json: bool) -> Iterator[str]:
    """What is printed, less the table."""
    if as_json:
        yield json.dumps(_summary(stats))
    elif not stats.events:
        yield "Nothing is counted yet: no editor has been offered a completion."
    else:
        for measure, times in _times(stats).items():
            yield f"{measure.replace('_', ' ')}: p50 {times['p50'] or '–'} ms, p95 {times['p95'] or '–'} ms"


def _summary(stats: Stats) -> dict[str, object]:
    languages = {language_id: _row(stats, language_id) for language_id in sorted(stats.events)}
    return {"languages": languages, "ms": _times(stats)}


def _row(stats: Stats, language_id: str) -> dict[str, int | None]:
    events = stats.events[language_id]
    counts: dict[str, int | None] = {name: events[name] for name in ("offered", "shown", "accepted", "partial")}
    checked = events["kept_checked"]
    return {**counts, "kept_percent": round(events["kept"] / checked) if checked else None}


def _times(stats: Stats) -> dict[str, dict[str, int | None]]:
    percentiles = {"p50": 0.5, "p95": 0.95}
    return {
        measure: {name: _rounded(stats.percentile(measure, share)) for name, share in percentiles.items()}
        for measure in MEASURES
    }


def _rounded(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


def _table(stats: Stats) -> Table:
    table = bare_table("language", "offered", "shown", "accepted", "partial", "kept %")
    for language_id in sorted(stats.events):
        row = _row(stats, language_id).values()
        table.add_row(language_id, *("–" if value is None else str(value) for value in row))
    return table
