"""From a run to a checkpoint by a command: what goes along, what is said, and all of it or nothing."""

import errno
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from dlm_model.engine import load_engine
from dlm_model.guides.guide import GUIDE_FOLDER
from dlm_model.network.transformer import Transformer
from dlm_model.network.weights import load_transformer
from dlm_model.steps.order import ORDER_FILE
from dlm_model.training import __main__ as commands
from dlm_model.training.export import export_run
from dlm_model.training.run_state import STATE_FILE, read_progress, save_state
from tests.model.tiny_fills import drafts


def test_a_model_whose_every_token_was_trained_is_exported_without_a_guide(
    tmp_path: Path, causal_folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, run, model = (str(tmp_path / name) for name in ("start", "run", "model"))
    shutil.copytree(causal_folder, start)
    assert commands.run_stage(["guide", str(causal_folder), start, "--rank", "2"], "training") == 0
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[train]\nrank = 0\nlearning_rate = 0.05\nwarmup_steps = 1\ncompile = false\n")
    arguments = ["train", start, str(shards), run, "--recipe", str(recipe), "--max-steps", "4"]
    assert commands.run_stage(arguments, "training") == 0
    assert commands.run_stage(["export", start, run, model], "training") == 0
    assert "without the guide" in capsys.readouterr().err
    assert load_engine(model, "cpu").model_name == "model"
    assert not Path(model, GUIDE_FOLDER).exists()


@pytest.mark.parametrize("flags", [[], ["--int8"]], ids=["bf16", "rounded"])
def test_an_export_decodes_in_the_order_that_its_start_had_learned(
    tmp_path: Path, causal_folder: Path, shards: Path, flags: list[str]
) -> None:
    recipe, run, model = tmp_path / "recipe.toml", str(tmp_path / "run"), tmp_path / "model"
    recipe.write_text("[train]\nrank = 4\ncompile = false\n")
    arguments = ["train", str(causal_folder), str(shards), run, "--recipe", str(recipe), "--max-steps", "1"]
    assert commands.run_stage(arguments, "training") == 0
    assert commands.run_stage(["export", str(causal_folder), run, str(model), *flags], "training") == 0
    assert (model / ORDER_FILE).read_bytes() == (causal_folder / ORDER_FILE).read_bytes()
    assert drafts(load_engine(str(model), "cpu"), num_steps=2, selection="learned")[-1].finish_reason


def test_an_export_into_a_folder_that_is_taken_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "notes.txt").touch()
    stage = ["export", str(tmp_path / "start"), str(tmp_path / "run"), str(tmp_path / "model")]
    assert commands.run_stage(stage, "training") == 3
    assert "has something in it already" in capsys.readouterr().err


def test_hardly_any_time_is_one_step_and_an_export_says_what_it_lacks(
    tmp_path: Path, resizing_folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, run = tmp_path / "recipe.toml", str(tmp_path / "run")
    recipe.write_text("[train]\nrank = 4\ncompile = false\n")
    arguments = [str(resizing_folder), str(shards), run, "--recipe", str(recipe), "--minutes", "1e-9"]
    assert commands.run_stage(["train", *arguments], "training") == 0
    assert commands.run_stage(["export", str(resizing_folder), run, str(tmp_path / "model")], "training") == 0
    told = r"model of step 1, with \d+% of what it learned; its learning rate has not fallen yet"
    assert re.search(told, capsys.readouterr().out)


def test_an_export_is_whole_or_not_there(
    tmp_path: Path,
    resizing_folder: Path,
    shards: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe, run, model = tmp_path / "recipe.toml", str(tmp_path / "run"), tmp_path / "model"
    recipe.write_text("[train]\nrank = 4\ncompile = false\n")
    arguments = [str(resizing_folder), str(shards), run, "--recipe", str(recipe), "--max-steps", "1"]
    assert commands.run_stage(["train", *arguments], "training") == 0

    def fill_the_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dlm_model.training.export.carry_guide", fill_the_disk)
    assert commands.run_stage(["export", str(resizing_folder), run, str(model)], "training") == 3
    assert "No space left" in capsys.readouterr().err
    assert not list(tmp_path.glob("model*"))


@pytest.fixture
def run(tmp_path: Path, resizing_folder: Path, shards: Path) -> Path:
    """A run of two steps."""
    recipe, folder = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text("[train]\nrank = 4\ncompile = false\n")
    arguments = [str(resizing_folder), str(shards), str(folder), "--recipe", str(recipe), "--max-steps", "2"]
    assert commands.run_stage(["train", *arguments], "training") == 0
    return folder


def rewrite(state: Path, step: int) -> None:
    """Leave a state's tensors as they are, and say that they are of another step."""
    tensors = load_file(state)
    save_state(state, replace(read_progress(state), step=step), tensors)


def test_an_export_tells_of_the_state_that_it_was_made_from(
    tmp_path: Path, run: Path, resizing_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlm_model.training.export.carry_guide", lambda *_: rewrite(run / STATE_FILE, step=9))
    assert export_run(resizing_folder, run, tmp_path / "model").progress.step == 2


def test_a_run_that_has_only_been_measured_is_not_exported(
    tmp_path: Path, run: Path, resizing_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(run / STATE_FILE, step=0)
    capsys.readouterr()
    assert commands.run_stage(["export", str(resizing_folder), str(run), str(tmp_path / "model")], "training") == 3
    told = f"training: {run} has not taken a step yet, and has nothing to export but its start.\n"
    assert capsys.readouterr().err == told
    assert not (tmp_path / "model").exists()


def test_an_export_holds_one_network(
    tmp_path: Path, run: Path, resizing_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    def load(*args: object, **named: object) -> Transformer:
        loaded.append(args)
        return load_transformer(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("dlm_model.training.export.load_transformer", load)
    assert 0.9 < export_run(resizing_folder, run, tmp_path / "model").kept < 1.1
    assert len(loaded) == 1
