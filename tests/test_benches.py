"""Benches, which no test runs: each can be started, and measures the same cases again."""

import importlib
import json
import subprocess
import sys
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from dlm_lsp.languages import language_for
from tests.bench.cuts import cut_holes
from tests.bench.gpu import Part, parts, run_all
from tests.bench.keystrokes import KeyRow
from tests.bench.latency import parser
from tests.bench.precision import PrecisionRow
from tests.bench.report import Row, print_report
from tests.bench.startup import OverheadRow, StartRow, load_once
from tests.bench.warm_start import WarmStartRow

OF_EVERY_SPEED = {"policy", "prompt_tokens", "middle_tokens", "ms_per_step", "ms_per_fill"}
OF_FIDELITY = {"floor_ratio", "argmax_agreement", "identical_text"}
PLUGINS_OF_THE_PROJECT = ("rerunfailures", "asyncio", "timeout", "xdist")
LACKS_WHAT_THE_DAEMON_NEEDS = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("tree_sitter", "pygls", "lsprotocol")):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import tests.bench.{module}
"""

BENCHES = sorted(path.stem for path in (Path(__file__).parent / "bench").glob("*.py"))


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_finds_what_it_imports(name: str) -> None:
    importlib.import_module(f"tests.bench.{name}")


def test_the_same_holes_are_cut_every_time(tmp_path: Path) -> None:
    functions = [f"def f{i}(x):\n    y = x + {i}\n    if y:\n        y = -y\n    return y\n\n\n" for i in range(9)]
    for index in range(5):
        (tmp_path / f"{index}.py").write_text("".join(functions))
    python = language_for("a.py", None)
    cuts, again = (cut_holes(python, (tmp_path,), num_holes=4) for _ in range(2))
    assert cuts == [
        replace(cut, hole=replace(cut.hole, snapshot=first.hole.snapshot))
        for first, cut in zip(cuts, again, strict=True)
    ]
    assert len({cut.hole.start for cut in cuts}) > 1
    for cut in cuts:
        assert cut.hole.prefix + cut.truth + cut.hole.suffix == "".join(functions)


def test_a_report_ends_with_one_line_of_json_however_many_tables_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    row, part = StartRow("ready", 5.0, None), OverheadRow("parse", 1.0, 2.0, 3.0, 4.0)
    result = print_report("startup", {"hardware": "a machine"}, [row], overhead=[part])
    *tables, last = capsys.readouterr().out.splitlines()
    assert json.loads(last) == result
    assert (result["rows"], result["overhead"]) == ([asdict(row)], [asdict(part)])
    assert not any(line.startswith("{") for line in tables)
    assert all(any(word in line for line in tables) for word in ("ready", "parse"))


def test_loading_the_weights_is_timed_alone(child_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", child_environment["PYTHONPATH"])
    started = time.perf_counter()
    row = load_once(None)
    total_ms = (time.perf_counter() - started) * 1000
    assert row.event == "weights loaded"
    assert 0 < row.ms < total_ms - 100, "importing torch is no part of it"


@pytest.mark.parametrize("part", parts(("--dream-code", "dream")), ids=lambda part: part.name)
def test_a_gpu_is_asked_for_what_the_benches_and_checks_know(part: Part, repository_root: Path) -> None:
    module, *arguments = part.command
    if part.is_check:
        files = [argument for argument in arguments if argument.endswith(".py")]
        assert files
        assert all((repository_root / file).is_file() for file in files)
    elif arguments:
        importlib.import_module(module).parser().parse_args(arguments)
    assert part.needs in {None, *(other.name for other in parts() if other.is_check)}


@pytest.mark.parametrize("part", [part for part in parts() if part.is_check], ids=lambda part: part.name)
def test_a_check_of_a_gpu_runs_without_the_plugins_of_the_project(part: Part, repository_root: Path) -> None:
    pytest.importorskip("triton", reason="Triton comes with torch for CUDA alone")
    module, *arguments = part.command
    without = [flag for plugin in PLUGINS_OF_THE_PROJECT for flag in ("-p", f"no:{plugin}")]
    command = [sys.executable, "-m", module, *arguments, "--collect-only", *without]
    ending = subprocess.run(command, cwd=repository_root, capture_output=True, text=True, timeout=120, check=False)
    # It is 5 where no test has the name that is asked for, and 4 for a flag that nobody knows.
    assert ending.returncode == 0, ending.stdout + ending.stderr
    assert "pretended" not in ending.stdout


@pytest.mark.parametrize("module", ["gpu", "kernels", "latency", "step_profile"])
def test_what_a_gpu_is_lent_for_needs_no_package_of_the_daemon(
    module: str, repository_root: Path, child_environment: dict[str, str]
) -> None:
    command = [sys.executable, "-c", LACKS_WHAT_THE_DAEMON_NEEDS.format(module=module)]
    subprocess.run(command, cwd=repository_root, env=child_environment, timeout=120, check=True)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Row, OF_EVERY_SPEED | OF_FIDELITY),
        (KeyRow, OF_EVERY_SPEED | OF_FIDELITY),
        (PrecisionRow, OF_EVERY_SPEED | OF_FIDELITY),
        (WarmStartRow, OF_EVERY_SPEED | {"identical_text"}),
    ],
)
def test_rows_of_all_benches_of_speed_name_the_same_things_alike(row: type, expected: set[str]) -> None:
    assert expected <= {field.name for field in fields(row)}


@pytest.mark.parametrize(("steps", "is_known"), [("4", True), ("30", True), ("3", False), ("31", False)])
def test_fills_are_timed_with_4_to_30_steps(steps: str, is_known: bool) -> None:
    if is_known:
        assert parser().parse_args(["--steps", steps]).steps == int(steps)
    else:
        with pytest.raises(SystemExit):
            parser().parse_args(["--steps", steps])


def test_what_fails_on_a_gpu_or_hangs_costs_its_own_figures_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "good": "print('a table')\nprint('{\"bench\": \"good\"}')",
        "bad": "raise SystemExit('wrong')",
        "slow": "import time\ntime.sleep(60)",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    planned = [
        Part("check", ("bad",), 20),
        Part("unsafe", ("good",), 20, needs="check"),
        Part("slow", ("slow",), 0.5),
        Part("good", ("good",), 20, needs="other check"),
    ]
    started = time.monotonic()
    outcome = run_all(planned, minutes=1, out=tmp_path / "gpu.json")
    assert time.monotonic() - started < 30
    assert outcome.results == [{"bench": "good"}]
    assert list(outcome.left_out) == ["check", "unsafe", "slow"]
    assert "has failed" in outcome.left_out["unsafe"]
    assert json.loads((tmp_path / "gpu.json").read_text()) == json.loads(outcome.as_json())
    late = run_all(planned, minutes=0)
    assert set(late.left_out) == {part.name for part in planned}
