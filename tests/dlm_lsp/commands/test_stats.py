"""Counters: added up over processes, atomically, and nothing but numbers."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from dlm_lsp.acceptance import kept_share
from dlm_lsp.stats import Stats, stats_path
from tests.dlm_lsp.commands.command_line import CommandLine
from tests.dlm_lsp.held_lock import held


def _counted(seconds: float = 0.1) -> Stats:
    stats = Stats()
    stats.count("python", "offered")
    stats.time("latency", seconds)
    return stats


def _write(stats: Stats, path: Path) -> None:
    """Try to take the lock until no other process holds it."""
    while stats.events:
        with suppress(TimeoutError):
            stats.flush(path)


def test_processes_add_up(tmp_path: Path) -> None:
    path = tmp_path / "new" / "stats.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: _write(_counted(), path), range(40)))
    total = Stats.read(path)
    assert total.events["python"]["offered"] == total.durations["latency"].total() == 40
    assert [file.name for file in path.parent.iterdir() if file.suffix != ".lock"] == ["stats.json"]


def test_flushing_twice_counts_once(tmp_path: Path) -> None:
    stats = _counted()
    stats.flush(tmp_path / "s.json")
    stats.flush(tmp_path / "s.json")
    assert Stats.read(tmp_path / "s.json").events["python"]["offered"] == 1


def test_a_lock_that_is_not_let_go_of_is_not_waited_for(tmp_path: Path) -> None:
    path, stats = tmp_path / "s.json", _counted()
    with held(Path(f"{path}.lock")):
        with pytest.raises(OSError, match="could not be acquired"):
            stats.flush(path)
        assert not path.exists()
    stats.flush(path)
    assert Stats.read(path).events == {"python": {"offered": 1}}


@pytest.mark.parametrize(
    "content", ["", "[1]", "{}", '{"events": {"python": {"offered": "x"}}, "durations": {}}', "\x00"]
)
def test_a_broken_file_begins_at_0(tmp_path: Path, content: str) -> None:
    (tmp_path / "s.json").write_text(content)
    _counted().flush(tmp_path / "s.json")
    assert Stats.read(tmp_path / "s.json").events == {"python": {"offered": 1}}


def test_percentiles_are_right_to_a_fifth() -> None:
    stats = Stats()
    for milliseconds in range(1, 1001):
        stats.time("latency", milliseconds / 1000)
    assert stats.percentile("latency", 0.5) == pytest.approx(500, rel=0.2)
    assert stats.percentile("latency", 0.95) == pytest.approx(950, rel=0.2)
    assert stats.percentile("first_draft", 0.5) is None


@pytest.mark.parametrize(
    ("document", "share"),
    [("def f():\n    x = 1\n    return x\n", 1.0), ("    x = 1\n", 0.5), ("y = 2\n", 0.0)],
)
def test_kept_text_is_counted_by_lines(document: str, share: float) -> None:
    assert kept_share(document, "x = 1\n\n    return x") == share


def test_the_command_prints_and_resets(command_line: CommandLine, user_data_folder: Path) -> None:
    stats = _counted()
    stats.count("python", "accepted")
    stats.count("python", "kept_checked")
    stats.count("python", "kept", 80)
    stats.flush(stats_path())
    assert stats_path().parent == user_data_folder
    printed = json.loads(command_line("stats", "--json").stdout)
    row = {"offered": 1, "shown": 0, "accepted": 1, "partial": 0, "kept_percent": 80}
    assert printed["languages"] == {"python": row}
    assert printed["ms"]["latency"]["p50"] == pytest.approx(100, rel=0.2)
    assert printed["ms"]["first_draft"] == {"p50": None, "p95": None}
    heading, row_of_python, *times = command_line("stats").stdout.splitlines()
    assert heading.split() == ["language", "offered", "shown", "accepted", "partial", "kept", "%"]
    assert row_of_python.split() == ["python", "1", "0", "1", "0", "80"]
    assert [line.partition(":")[0] for line in times] == ["latency", "first draft"]
    assert command_line("stats", "--reset").code == 0
    assert json.loads(command_line("stats", "--json").stdout)["languages"] == {}
    assert command_line("stats").stdout == "Nothing is counted yet: no editor has been offered a completion.\n"
