"""The commands, end to end on a tiny model, and what bad input looks like on the terminal."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dlm_model.adapter import is_adapter
from dlm_model.guide import GUIDE_FOLDER
from dlm_model.training import __main__ as commands

RUNNER = CliRunner()


def test_evaluation_ends_with_one_line_of_json(resizing_folder: Path, shards: Path) -> None:
    arguments = ["evaluate", str(resizing_folder), str(shards), "--num-sequences", "3", "--num-lines", "1"]
    result = RUNNER.invoke(commands.app, arguments, catch_exceptions=False)
    report = json.loads(result.stdout.splitlines()[-1])
    assert report.keys() == {"first_step", "half_masked", "tenth_masked", "padded", "from_left", "lines"}
    assert report["lines"]["num_lines"] == 1


def test_bad_input_is_one_sentence_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = commands.run_stage(["initialize", str(tmp_path / "nowhere"), str(tmp_path / "out")], "training")
    assert code == 3
    assert "config.json" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_guide_is_written_into_the_folder_of_its_model(
    causal_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(causal_folder, model)
    assert commands.run_stage(["guide", str(causal_folder), str(model), "--rank", "2"], "training") == 0
    assert is_adapter(model / GUIDE_FOLDER)
    assert commands.run_stage(["guide", str(causal_folder), str(model)], "training") == 3
    assert "has something in it already" in capsys.readouterr().err
