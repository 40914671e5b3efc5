"""The bench as people run it, on a tiny model: what it prints, what it keeps, what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from dlm_model.engine import Engine
from tests.bench import infilling, infilling_report
from tests.bench.infilling_metrics import Setting
from tests.bench.infilling_problems import Problem, parses
from tests.bench.infilling_systems import DiffusionSystems, Filled, run


@pytest.fixture
def arguments(data_folder: Path, resizing_folder: Path, tmp_path: Path) -> list[str]:
    options = {"--data": data_folder, "--model": resizing_folder, "--device": "cpu", "--out": tmp_path / "fills.jsonl"}
    return [text for option, value in options.items() for text in (option, str(value))] + [
        *("--steps", "2", "3", "--limit", "1", "--autoregressive", "none")
    ]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> Callable[..., None]:
    """Run the bench with more arguments."""

    def run_bench(*more: str) -> None:
        monkeypatch.setattr("sys.argv", ["infilling", *arguments, *more])
        infilling.main()

    return run_bench


def test_a_run_ends_with_one_object_and_its_tables_are_markdown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], start: Callable[..., None], tmp_path: Path
) -> None:
    start("--oracle-length", "--through-daemon")
    output = tmp_path / "output.txt"
    output.write_text(capsys.readouterr().out, encoding="utf-8")
    report = json.loads(output.read_text(encoding="utf-8").splitlines()[-1])
    assert {"model", "weights", "git_revision", "machine", "seed", "rows", "held_out"} == report.keys()
    settings = [Setting(**row["setting"]) for row in report["rows"]]
    of_split = [
        Setting("author"),
        *(Setting("engine", steps, None, length) for steps in (2, 3) for length in ("unknown", "oracle")),
        *(Setting("daemon", steps) for steps in (2, 3)),
    ]
    assert settings == of_split * 2
    assert [row["pass_at_1"] for row in report["rows"] if row["setting"]["system"] == "author"] == [1.0, 1.0]
    assert all(1 <= row["mean_forwards"] <= 3 for row in report["rows"] if row["setting"]["num_steps"])

    monkeypatch.setattr("sys.argv", ["report", str(output)])
    infilling_report.main()
    tables = capsys.readouterr().out
    assert tables.count("| author's own text (ceiling) | – | – | – | – | 100.0% |") == 2
    assert tables.count("| engine, both sides | – | oracle | 3 | – |") == 2


def test_two_models_are_compared_at_every_number_of_steps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], start: Callable[..., None], tmp_path: Path
) -> None:
    start("--splits", "single-line")
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    outputs = [tmp_path / name for name in ("before.txt", "after.txt")]
    for output, share in zip(outputs, (0.25, 0.5), strict=True):
        for row in report["rows"]:
            row["pass_at_1"] = share
        output.write_text(json.dumps(report), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["report", *map(str, outputs)])
    infilling_report.main()
    *_, first, second = capsys.readouterr().out.splitlines()
    assert first == "| single-line | 1 | engine | unknown | 2 | 25.0% | 50.0% |"
    assert second == "| single-line | 1 | engine | unknown | 3 | 25.0% | 50.0% |"


def test_methods_have_rows_of_their_own_where_the_model_can_do_them(
    capsys: pytest.CaptureFixture[str], start: Callable[..., None]
) -> None:
    start("--splits", "single-line", "--methods", "all")
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    found = [row["setting"]["method"] for row in rows if row["setting"]["method"]]
    assert {"linear", "KLASS", "syntax guide"} <= set(found)
    told = {row["setting"]["method"]: row["setting"]["anchors"] for row in rows}
    assert {method for method, anchors in told.items() if anchors == "oracle"} == {"in-place anchors"}
    # This one finds its length itself, sees a suffix, has no causal prompt and no order.
    assert not {"length search", "D2F", "APD", "learned order", "JSON"} & set(found)


def test_anchors_are_told_the_authors_last_name_and_the_table_says_so(
    capsys: pytest.CaptureFixture[str], start: Callable[..., None]
) -> None:
    start("--splits", "single-line", "--methods", "in-place anchors")
    *_, row = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert infilling_report.cells(row)[1] == "in-place anchors, oracle: the author's last name"


def test_anchors_stand_in_what_is_filled(resizing_engine: Engine, line_problem: Problem) -> None:
    systems = DiffusionSystems(resizing_engine, seed=0)
    told, untold = (Setting("engine", 2, method="in-place anchors", anchors=each) for each in ("oracle", "none"))
    assert "value" in systems.fill_by_engine(line_problem, told).middle
    assert "value" not in systems.fill_by_engine(line_problem, untold).middle


def test_syntax_as_a_guide_reopens_what_does_not_parse(resizing_engine: Engine, line_problem: Problem) -> None:
    systems = DiffusionSystems(resizing_engine, seed=0)
    settings = [Setting("engine", 8, threshold=0.01, method=each) for each in (None, "syntax guide")]
    plain, guided = (systems.fill_by_engine(line_problem, each) for each in settings)
    assert not parses(plain.program)
    assert guided.num_forwards > plain.num_forwards
    assert guided.middle != plain.middle


def test_a_run_goes_on_where_it_was_stopped(
    capsys: pytest.CaptureFixture[str], start: Callable[..., None], tmp_path: Path
) -> None:
    fills = tmp_path / "fills.jsonl"
    start()
    first_report, whole = capsys.readouterr().out.splitlines()[-1], fills.read_text(encoding="utf-8")
    assert len(whole.splitlines()) == 1 + 6
    fills.write_text(whole[: whole.rindex("\n", 0, -1) + 9], encoding="utf-8")
    start()
    lines, again = whole.splitlines(), fills.read_text(encoding="utf-8").splitlines()
    assert again[:-1] == lines[:-1]
    assert {**json.loads(again[-1]), "elapsed_ms": 0} == {**json.loads(lines[-1]), "elapsed_ms": 0}
    first, resumed = json.loads(first_report), json.loads(capsys.readouterr().out.splitlines()[-1])
    for key in ("setting", "num_problems", "mean_forwards", "pass_at_1"):
        assert [row[key] for row in resumed["rows"]] == [row[key] for row in first["rows"]]


def test_other_weights_of_the_same_name_are_another_run(
    capsys: pytest.CaptureFixture[str], start: Callable[..., None], resizing_folder: Path, tmp_path: Path
) -> None:
    start("--splits", "single-line")
    trained_on = tmp_path / resizing_folder.name
    shutil.copytree(resizing_folder, trained_on)
    weights = load_file(trained_on / "model.safetensors")
    save_file({name: tensor * 0.5 for name, tensor in weights.items()}, trained_on / "model.safetensors")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        start("--splits", "single-line", "--model", str(trained_on))
    assert "belongs to another run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--model", "nowhere"], "There is no model folder nowhere."),
        (["--thresholds", "2"], "confidence_threshold must be in (0, 1]"),
        (["--held-out", "nowhere"], "nowhere has neither"),
        (["--methods", "hope"], "there is no method hope"),
        (["--seed", "1"], "belongs to another run"),
    ],
)
def test_bad_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str],
    start: Callable[..., None],
    tmp_path: Path,
    changed: list[str],
    complaint: str,
) -> None:
    (tmp_path / "fills.jsonl").write_text('{"seed": 0}\n', encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        start(*changed)
    assert stopped.value.code == 3
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert complaint in line


def test_held_out_code_is_measured_from_any_folder_as_much_as_the_limit_says(
    capsys: pytest.CaptureFixture[str], start: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "module.py").write_text("def area(self):\n    side = self.side\n    return side * side\n" * 20)
    (tmp_path / "latin.py").write_bytes(b"name = '\xe9'\n")
    start("--held-out", str(tmp_path))
    held_out = json.loads(capsys.readouterr().out.splitlines()[-1])["held_out"]
    assert held_out.keys() == {"first_step", "half_masked", "tenth_masked", "padded", "from_left", "lines"}
    assert held_out["lines"]["num_lines"] == 1
    assert 0 <= held_out["first_step"]["accuracy"] <= 1


def test_the_daemon_sets_its_fill_into_the_document(resizing_engine: Engine, line_problem: Problem) -> None:
    systems = DiffusionSystems(resizing_engine, seed=0)
    filled = systems.fill_by_daemon(line_problem, Setting("daemon", 2, 0.9))
    assert filled.program.startswith(line_problem.prefix)
    assert filled.program.endswith(line_problem.suffix)
    assert filled.middle in filled.program


def test_an_outcome_says_what_was_filled(resizing_engine: Engine, line_problem: Problem) -> None:
    systems = DiffusionSystems(resizing_engine, seed=0)
    outcome = run(systems.fill_by_engine, line_problem, Setting("engine", 2, 0.9, "oracle"))
    assert "\n" not in outcome.middle
    assert not outcome.is_exact
    assert not outcome.is_passed
    assert outcome.num_forwards == 2
    assert outcome.elapsed_ms > 0


@pytest.mark.parametrize(
    ("middle", "is_exact", "is_parse_valid"),
    [
        ("        result += value", True, True),
        ("        result += value  ", True, True),
        ("            result += value", False, True),
        ("    result += value", False, False),
        ("        result = value + result", False, True),
    ],
)
def test_exact_means_the_indentation_too(
    line_problem: Problem, middle: str, is_exact: bool, is_parse_valid: bool
) -> None:
    filled = Filled(middle, line_problem.prefix + middle + line_problem.suffix, num_tokens=5, num_forwards=3)
    outcome = run(lambda _problem, _setting: filled, line_problem, Setting("engine", 3, 0.9))
    assert (outcome.is_exact, outcome.is_parse_valid, outcome.is_passed) == (is_exact, is_parse_valid, is_parse_valid)
    assert (outcome.middle, outcome.num_tokens, outcome.num_forwards) == (middle, 5, 3)
