"""The one command of a GPU run, on a CPU with a tiny model: every stage, run twice and made once."""

import json
import re
import shutil
from dataclasses import MISSING, Field, fields, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dlm_model.guides.guide import GUIDE_FOLDER
from dlm_model.network.config import ModelConfig
from dlm_model.network.weights import read_tensors
from dlm_model.steps.order import ORDER_FILE
from dlm_model.training import recipe as recipe_module
from dlm_model.training import stretch as stretch_module
from dlm_model.training.__main__ import run_stage
from dlm_model.training.metrics import METRICS_FILE
from dlm_model.training.options import TrainingOptions
from dlm_model.training.pieces import cut_pieces, join_pieces
from dlm_model.training.recipe import CorpusSection, StartSection, TrainSection, load_recipe
from dlm_model.training.stretch import Stretch
from tests.model.training import tiny_run

RECIPE = """
[start]
checkpoint = "{start}"

[corpus]
manifest = "manifest.toml"

[train]
rank = 0
precision = "fp32"
learning_rate = 0.003
warmup_steps = 2
sequences_per_step = 4
log_interval = 1
num_workers = 1
compile = false
peak_tflops = 0.1
"""


@pytest.fixture
def recipe(tmp_path: Path, resizing_folder: Path) -> Path:
    for name in ("shapes", "solids"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "LICENSE").write_text("Permission is hereby granted, free of charge, to any person obtaining a copy")
        for index, text in enumerate(tiny_run.TEXTS):
            (folder / f"{index}.py").write_text(text.replace("value", f"value_{name}"))
    (tmp_path / "manifest.toml").write_text('train.folder.shapes = "shapes"\nheld_out.folder.solids = "solids"\n')
    (tmp_path / "recipe.toml").write_text(RECIPE.format(start=resizing_folder))
    return tmp_path / "recipe.toml"


def test_two_stretches_train_one_model(recipe: Path, resizing_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recipe.parent / "all"
    assert run_stage(["run", str(recipe), str(folder), "--minutes", "0.1"], "training") == 0
    corpus = (folder / "corpus" / "train.safetensors").stat().st_mtime_ns
    first = [json.loads(line) for line in (folder / "run" / METRICS_FILE).read_text().splitlines()]
    assert first[-1]["step"] > 0
    assert any("mfu" in record for record in first)
    code = run_stage(["run", str(recipe), str(folder), "--minutes", "0.1", "--final", "--pieces"], "training")
    assert code == 0
    printed = capsys.readouterr().out
    assert "pieces are in" in printed
    assert "Training on the CPU from step 0; the held-out text is measured first\n" in printed
    assert f"from step {first[-1]['step']}\n" in printed
    records = [json.loads(line) for line in (folder / "run" / METRICS_FILE).read_text().splitlines()]
    assert records[: len(first)] == first
    assert records[-1]["step"] > first[-1]["step"]
    assert (folder / "corpus" / "train.safetensors").stat().st_mtime_ns == corpus
    assert run_stage(["run", str(recipe), str(folder), "--minutes", "0.1"], "training") == 0
    assert f"ended with its decay, at step {records[-1]['step']}" in " ".join(capsys.readouterr().out.split())

    assert run_stage(["join", str(folder / "pieces"), str(recipe.parent / "joined")], "training") == 0
    config = ModelConfig.from_checkpoint(recipe.parent / "joined")
    assert config == ModelConfig.from_checkpoint(resizing_folder)
    trained = load_file(folder / "run" / "state.safetensors")
    joined = read_tensors(recipe.parent / "joined")
    name = "layers.0.mlp.up_proj.weight"
    assert (joined[f"model.{name}"].float() - trained[name]).norm() < 0.01 * trained[name].norm()
    assert (joined[f"model.{name}"].float() - read_tensors(resizing_folder)[f"model.{name}"]).norm() > 0.01


@pytest.mark.parametrize("rank", [4, 0])
def test_pieces_hold_what_an_export_does(
    recipe: Path, causal_folder: Path, capsys: pytest.CaptureFixture[str], rank: int
) -> None:
    """An adapter cannot take back a training of all parameters, so that the guide stays behind then."""
    folder, start = recipe.parent, recipe.parent / "guided"
    shutil.copytree(causal_folder, start)
    assert run_stage(["guide", str(causal_folder), str(start), "--rank", "2"], "training") == 0
    text = re.sub('checkpoint = ".*"', f'checkpoint = "{start}"', recipe.read_text())
    recipe.write_text(text.replace("rank = 0", f"rank = {rank}").replace("0.003", "0.05"))
    stage = ["run", str(recipe), str(folder / "all"), "--minutes", "0.1", "--pieces", "--int8"]
    assert run_stage(stage, "training") == 0
    told = capsys.readouterr()
    assert re.search(r"export is the model of step \d+, with \d+% of what it learned", told.out)
    assert ("without the guide" in told.err) == (rank == 0)
    assert run_stage(["join", str(folder / "all" / "pieces"), str(folder / "joined")], "training") == 0
    assert (folder / "joined" / ORDER_FILE).read_bytes() == (causal_folder / ORDER_FILE).read_bytes()
    assert (folder / "joined" / GUIDE_FOLDER).exists() == (rank > 0)
    assert any(tensor.dtype == torch.int8 for tensor in read_tensors(folder / "joined").values())


def test_an_export_that_fails_leaves_the_earlier_one(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_start: Path, _run: Path, target: Path, **_options: bool) -> None:
        target.mkdir()
        raise OSError("the disk is full")

    monkeypatch.setattr(stretch_module, "export_run", fail)
    stretch = Stretch(load_recipe(recipe), recipe.parent / "all", 1, is_final=True)
    stretch.export_folder.mkdir(parents=True)
    (stretch.export_folder / "config.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            stretch.write_pieces()
    assert (stretch.export_folder / "config.json").read_text() == "{}"


def test_the_recipe_for_ones_own_code_says_what_it_reads_and_what_it_changed(
    tmp_path: Path, resizing_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file as it is, beside a manifest, with a tiny model as the packaged one."""
    monkeypatch.setattr(recipe_module, "DEFAULT_CHECKPOINT", resizing_folder)
    here, app = tmp_path / "my work", tmp_path / "größe"
    here.mkdir()
    app.mkdir()
    for index in range(10):
        (app / f"{index}.py").write_text(tiny_run.TEXTS[index % 3].replace("value", f"value_{index}"))
    shutil.copy(Path(recipe_module.__file__).with_name("adapt.toml"), here)
    (here / "corpus.toml").write_text('train.folder.app = { path = "../größe", licence = "own" }\n')
    stage = ["run", str(here / "adapt.toml"), str(here / "WORK"), "--minutes", "0.2", "--final"]
    assert run_stage(stage, "training") == 0
    printed = capsys.readouterr().out
    assert re.search(r"^app: \d files, own\napp: \d files? held out, own\n", printed, re.MULTILINE)
    measured = re.findall(
        r"^step (\d+)  held out, nats per token \(of the leftmost mask\): first_step ([\d.]+)", printed, re.MULTILINE
    )
    assert [int(step) > 0 for step, _ in measured] == [False, True]
    assert float(measured[1][1]) < float(measured[0][1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[train\n", "cannot read the recipe"),
        ("[tune]\n", "unknown section 'tune'"),
        ("[train]\nrnak = 3\n", "unknown key 'rnak' in [train]; known are rank, shard, optimizer"),
        ("[train]\nrank = 'big'\n", "rank is 'big'"),
        ("[train]\noptimizer = 'sgd'\n", "known are adamw, muon"),
        ("[train]\nlog_interval = 0\n", "log_interval is 0, and has to be 1 or more"),
        ("[train]\nlearning_rate = 0\n", "has to be above 0"),
        ("[train]\nlearning_rate = inf\n", "learning_rate is inf, and has to be finite"),
        ("[train]\nlearning_rate = nan\n", "learning_rate is nan, and has to be finite"),
        ("[start]\nshifted = true\n", "checkpoint"),
        ("train = 3\n", "train is no section"),
    ],
)
def test_a_bad_recipe_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    (tmp_path / "recipe.toml").write_text(content)
    assert run_stage(["run", str(tmp_path / "recipe.toml"), str(tmp_path / "all")], "training") == 3
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "all").exists()


def test_a_recipe_without_a_needed_section_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recipe.toml").write_text("[train]\nrank = 8\n")
    assert run_stage(["run", str(tmp_path / "recipe.toml"), str(tmp_path / "all")], "training") == 3
    assert "no section [start]" in capsys.readouterr().err


def test_a_start_that_is_not_there_is_found_out_before_anything_is_read(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = recipe.read_text()
    recipe.write_text(re.sub('checkpoint = ".*"', 'checkpoint = "nowhere"', text))
    assert run_stage(["run", str(recipe), str(recipe.parent / "all")], "training") == 3
    assert "nowhere" in capsys.readouterr().err
    assert not (recipe.parent / "all" / "corpus").exists()
    recipe.write_text(text.replace('[corpus]\nmanifest = "manifest.toml"\n', ""))
    assert run_stage(["run", str(recipe), str(recipe.parent / "all")], "training") == 3
    assert "no section [corpus]" in capsys.readouterr().err


def test_the_packaged_recipe_is_one(repository_root: Path) -> None:
    recipe = load_recipe(repository_root / "model/dlm_model/training/gpu.toml")
    assert recipe.train.options().sequences_per_step == 1024
    assert recipe.corpus is not None
    assert recipe.corpus.manifest.exists()


def test_the_packaged_recipe_says_which_files_have_to_lie_beside_it(repository_root: Path) -> None:
    path = repository_root / "model/dlm_model/training/gpu.toml"
    header, recipe = path.read_text(encoding="utf-8").partition("\n\n")[0], load_recipe(path)
    assert recipe.start is not None
    assert recipe.corpus is not None
    for needed in (path, recipe.start.checkpoint, recipe.corpus.manifest, *recipe.corpus.problems):
        assert needed.parent == path.parent
        assert f"WORK/{needed.name} " in header


def test_the_table_of_keys_names_every_one_with_its_default(repository_root: Path) -> None:
    page = (repository_root / "model/dlm_model/training/README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(\w+|\[\w+\])` \| (?:`(.*?)`)? *\|", page.partition("## The recipe's keys")[2], re.MULTILINE
    )
    wanted = []
    for kind in (StartSection, CorpusSection, TrainSection):
        wanted.append((f"[{kind.__name__.removesuffix('Section').lower()}]", ""))
        wanted += [(item.name, _told(item)) for item in fields(kind)]
    assert rows == wanted


def _told(item: Field[object]) -> str:
    default = item.default_factory() if item.default_factory is not MISSING else item.default
    return "" if default in (MISSING, None) else json.dumps(default)


def test_a_section_becomes_options() -> None:
    options = TrainSection(rank=4, curriculum_steps=7, learning_rate=0.5).options(max_seconds=9.0)
    assert (options.parameters.fingerprint, options.learning_rate) == ("rank 4, alpha 8", 0.5)
    assert (options.curriculum.num_steps, options.max_seconds) == (7, 9.0)


def test_a_recipe_that_says_nothing_trains_by_the_defaults_of_the_options() -> None:
    by_recipe, by_default = TrainSection(precision="bf16").options(), TrainingOptions()
    assert type(by_recipe.placement) is type(by_default.placement)
    assert replace(by_recipe, placement=by_default.placement) == by_default


def test_pieces_are_small_and_make_the_same_files(tmp_path: Path) -> None:
    source, joined = tmp_path / "source", tmp_path / "joined"
    (source / "guide").mkdir(parents=True)
    content = {"a": bytes(range(200)), "b": b"", "guide/c": b"xyz"}
    for name, data in content.items():
        (source / name).write_bytes(data)
    assert cut_pieces(source, tmp_path / "pieces", max_bytes=64) == 4
    join_pieces(tmp_path / "pieces", joined)
    assert {name: (joined / name).read_bytes() for name in content} == content
    assert sorted(path.name for path in joined.rglob("*")) == ["a", "b", "c", "guide"]


def test_pieces_name_no_file_outside_of_their_folder(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_bytes(b"x")
    cut_pieces(tmp_path / "source", tmp_path / "pieces")
    index = tmp_path / "pieces" / "pieces.json"
    index.write_text(index.read_text().replace('"a"', '"../a"'))
    with pytest.raises(ValueError, match="outside of its folder"):
        join_pieces(tmp_path / "pieces", tmp_path / "joined")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_piece_is_found(tmp_path: Path, damage: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(bytes(200))
    cut_pieces(source, tmp_path / "pieces", max_bytes=64)
    piece = tmp_path / "pieces" / "00001"
    piece.unlink() if damage == "missing" else piece.write_bytes(b"?" * 64)
    with pytest.raises(ValueError, match="missing or damaged"):
        join_pieces(tmp_path / "pieces", tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


@pytest.mark.parametrize("method", ["trajectory", "certainty"])
def test_a_student_is_distilled_by_a_command(
    recipe: Path, resizing_folder: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    folder = recipe.parent
    options = ["--recipe", recipe, "--teacher-steps", "4", "--method", method, "--max-steps", "2", "--compare-steps"]
    assert run_stage(["corpus", str(folder / "corpus"), "--manifest", str(folder / "manifest.toml")], "training") == 0
    arguments = ["distill", resizing_folder, folder / "corpus", folder / "student", *options]
    assert run_stage([*map(str, arguments)], "training") == 0
    printed = capsys.readouterr().out
    assert "loss" in printed
    numbers = {
        name: [float(number) for number in re.findall(r"\d\.\d{3}", line)]
        for name, line in re.findall(r"(before|after) .*?│(.*)", printed)
    }
    assert [len(values) for values in numbers.values()] == [3, 3]
    assert all(0 <= value <= 1 for values in numbers.values() for value in values)
    assert run_stage(["export", str(resizing_folder), str(folder / "student"), str(folder / "out")], "training") == 0
    exported = read_tensors(folder / "out")
    assert exported.keys() == read_tensors(resizing_folder).keys()
