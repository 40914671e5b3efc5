"""The commands, end to end on a tiny model, and what bad input looks like on the terminal."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch._dynamo.exc import TorchDynamoException
from typer.testing import CliRunner

from dlm_model.guides.guide import GUIDE_FOLDER
from dlm_model.network.adapter import is_adapter
from dlm_model.training import __main__ as commands
from dlm_model.training.loader import StepBatches
from dlm_model.training.metrics import METRICS_FILE
from dlm_model.training.run_state import LOCK_FILE, STATE_FILE, digest_texts, read_progress
from dlm_model.training.shards import write_shard
from dlm_model.training.sources import SourceFile
from dlm_model.training.train import Trainer
from tests.model.training import tiny_run

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


@pytest.mark.parametrize(
    "failure",
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
            "The device has not enough memory; a smaller tokens_per_batch needs less.",
        ),
        (
            TorchDynamoException("No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1"),
            "No working C++ compiler found (compile = false in the recipe trains without compiling)",
        ),
    ],
    ids=["memory", "compiler"],
)
def test_a_machine_that_cannot_do_it_is_one_sentence(
    resizing_folder: Path,
    shards: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    failure: tuple[RuntimeError, str],
) -> None:
    error, message = failure

    def step(_trainer: Trainer, _step: StepBatches) -> float:
        raise error

    monkeypatch.setattr(Trainer, "_step", step)
    recipe = shards / "recipe.toml"
    recipe.write_text("[train]\ncompile = false\n")
    arguments = ["train", str(resizing_folder), str(shards), str(shards / "run"), "--recipe", str(recipe)]
    assert commands.run_stage(arguments, "training") == 3
    assert capsys.readouterr().err == f"training: {message}\n"


def test_a_guide_is_written_into_the_folder_of_its_model(
    causal_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(causal_folder, model)
    assert commands.run_stage(["guide", str(causal_folder), str(model), "--rank", "2"], "training") == 0
    assert is_adapter(model / GUIDE_FOLDER)
    (model / "model.safetensors").write_bytes(b"not read")
    assert commands.run_stage(["guide", str(causal_folder), str(model)], "training") == 3
    assert "has something in it already" in capsys.readouterr().err


def test_ones_own_folder_is_learned_from_and_every_line_says_something(
    tmp_path: Path, resizing_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app").mkdir()
    Path("app/a.py").write_text(tiny_run.TEXTS[0])
    Path("corpus.toml").write_text('train.folder.app = { path = "app", licence = "own" }\n')
    Path("recipe.toml").write_text("[train]\nrank = 4\ncompile = false\n")
    Path("app/tiny.py").write_text("tiny = 1\n")
    assert commands.run_stage(["corpus", "CORPUS", "--manifest", "corpus.toml"], "training") == 0
    assert "app: 1 file, own; left out: 1 under 10 lines\n" in capsys.readouterr().out
    arguments = ["train", str(resizing_folder), "CORPUS", "RUN", "--recipe", "recipe.toml", "--max-steps", "2"]
    assert commands.run_stage(arguments, "training") == 0
    outlook, *records = capsys.readouterr().out.splitlines()
    assert outlook == "Training on the CPU from step 0"
    assert re.match(r"step 2  tokens \d,\d{3}  loss \d\.\d+  tokens_per_second ", records[0])
    # There are no held-out texts to measure on.
    assert not [line for line in records if line.startswith("step") and "loss" not in line]


def test_a_run_belongs_to_the_weights_that_it_started_from(
    tmp_path: Path, resizing_folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, other, run, model = (str(tmp_path / name) for name in ("start", "other", "run", "model"))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[train]\nrank = 4\ncompile = false\n")
    shutil.copytree(resizing_folder, start)
    shutil.copytree(resizing_folder, other)
    weights = load_file(f"{other}/model.safetensors")
    save_file({name: tensor * 1.01 for name, tensor in weights.items()}, f"{other}/model.safetensors")
    arguments = [str(shards), run, "--recipe", str(recipe), "--max-steps"]
    assert commands.run_stage(["train", start, *arguments, "1"], "training") == 0
    capsys.readouterr()
    assert not (Path(run) / LOCK_FILE).exists()
    for stage in (["train", other, *arguments, "2"], ["export", other, run, model]):
        assert commands.run_stage(stage, "training") == 3
        assert "started from other weights" in capsys.readouterr().err
    shutil.move(start, tmp_path / "moved")
    shutil.move(run, tmp_path / "moved run")
    arguments[1] = str(tmp_path / "moved run")
    assert commands.run_stage(["train", str(tmp_path / "moved"), *arguments, "2"], "training") == 0
    assert commands.run_stage(["export", str(tmp_path / "moved"), arguments[1], model], "training") == 0


def test_a_recipe_for_a_gpu_is_recognised_on_a_cpu(
    tmp_path: Path, resizing_folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[train]\nrank = 4\ncompile = false\nsequences_per_step = 1024\n")
    stage = ["train", str(resizing_folder), str(shards), str(tmp_path / "run"), "--recipe", str(recipe)]
    assert commands.run_stage([*stage, "--minutes", "0.01"], "training") == 0
    assert "; a step of 1,024 sequences is made for a GPU\n" in capsys.readouterr().out


def test_a_run_that_never_began_leaves_nothing(
    tmp_path: Path, resizing_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = ["train", str(resizing_folder), str(tmp_path / "corpus"), str(tmp_path / "run")]
    assert commands.run_stage(stage, "training") == 3
    assert "has no train.safetensors; the stage `corpus` writes one" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_distillation_ends_in_its_minutes_and_compares_numbers_of_steps(
    tmp_path: Path, resizing_folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[train]\nrank = 4\ncompile = false\n")
    stage = ["distill", str(resizing_folder), str(shards), str(tmp_path / "run"), "--recipe", str(recipe)]
    dials = ["--teacher-steps", "4", "--minutes", "0.08", "--final", "--compare-steps"]
    assert commands.run_stage([*stage, *dials], "training") == 0
    printed = capsys.readouterr().out
    assert re.search(r"accuracy after steps\W+4\W+2\W+1\W", printed)
    assert re.search(r"after\W+0\.\d{3}\W+0\.\d{3}\W+0\.\d{3}", printed)


def test_a_run_tells_what_training_changed_on_held_out_text(
    tmp_path: Path, resizing_folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[train]\nrank = 4\ncompile = false\n")
    arguments = ["train", str(resizing_folder), str(shards), str(tmp_path / "run"), "--recipe", str(recipe)]
    assert commands.run_stage([*arguments, "--final"], "training") == 2
    assert "--minutes" in capsys.readouterr().err
    assert commands.run_stage([*arguments, "--final", "--minutes", "0.08"], "training") == 0
    lines = capsys.readouterr().out.splitlines()
    held_out = [line for line in lines if "held out, nats per token (of the leftmost mask): first_step" in line]
    assert held_out[0].startswith("step 0 ")
    assert len(held_out) == 2
    state = (tmp_path / "run" / STATE_FILE).stat().st_mtime_ns
    records = [json.loads(line) for line in (tmp_path / "run" / METRICS_FILE).read_text().splitlines()]
    assert next(record["step"] for record in records if "first_step/nll" in record) == 0
    assert commands.run_stage([*arguments, "--minutes", "0.1"], "training") == 0
    printed = capsys.readouterr().out
    assert "ended with its decay" in printed
    assert "held out" not in printed, "nothing has changed since it was measured"
    assert (tmp_path / "run" / STATE_FILE).stat().st_mtime_ns == state
    stage = ["export", str(resizing_folder), str(tmp_path / "run"), str(tmp_path / "model")]
    assert commands.run_stage(stage, "training") == 0
    assert re.fullmatch(r".*model is the model of step \d+, with \d+% of what it learned\n", capsys.readouterr().out)


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf"])
def test_a_run_of_no_minutes_or_without_an_end_is_refused(capsys: pytest.CaptureFixture[str], minutes: str) -> None:
    for stage in (["train", "start", "corpus", "run"], ["run", "recipe.toml", "all"]):
        assert commands.run_stage([*stage, "--minutes", minutes], "training") == 2
        assert "more than 0" in capsys.readouterr().err


def test_a_run_that_goes_on_with_other_text_says_so(
    tmp_path: Path, resizing_folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[train]\nrank = 4\ncompile = false\ndecay_steps = 0\n")
    arguments = ["train", str(resizing_folder), str(shards), str(tmp_path / "run"), "--recipe", str(recipe)]
    for num_steps, is_other in ((1, False), (2, False), (3, True), (4, False)):
        if is_other:
            write_shard(shards / "train.safetensors", [SourceFile("shapes", "a.py", tiny_run.TEXTS[0])])
        # Time ends it, because the decay that steps ask for would end the run.
        assert commands.run_stage([*arguments, "--minutes", "1e-9"], "training") == 0
        printed = capsys.readouterr().out
        assert f"from step {num_steps - 1}" in printed
        assert ("; the corpus is another than before" in printed) == is_other


@pytest.mark.parametrize("edited", ["train", "held_out"])
def test_an_edit_anywhere_makes_the_text_another(tmp_path: Path, edited: str) -> None:
    shards = [tmp_path / "held_out.safetensors", tmp_path / "train.safetensors"]
    for shard in shards:
        shard.write_bytes(bytes(5 * 2**20))
    before = digest_texts(shards)
    with (tmp_path / f"{edited}.safetensors").open("r+b") as file:
        file.seek(5 * 2**19)
        file.write(b"x")
    assert digest_texts(shards) != before


def test_a_run_whose_decay_has_begun_says_where_it_ends(
    tmp_path: Path, resizing_folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[train]\nrank = 4\ncompile = false\n")
    arguments = ["train", str(resizing_folder), str(shards), str(tmp_path / "run"), "--recipe", str(recipe)]
    for dials in (["--max-steps", "4", "--minutes", "1e-9"], ["--max-steps", "9", "--minutes", "1e-9"]):
        assert commands.run_stage([*arguments, *dials], "training") == 0
    assert "from step 1; its learning rate is falling, to nothing at step 4" in capsys.readouterr().out
    assert commands.run_stage([*arguments, "--max-steps", "3"], "training") == 0
    printed = capsys.readouterr().out
    assert "from step 2; its learning rate is falling, to nothing at step 3" in printed
    assert read_progress(tmp_path / "run" / STATE_FILE).step == 3
