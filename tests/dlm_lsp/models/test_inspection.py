"""What `models add` and `models pull` refuse, and what they say of a checkpoint's code and pickles."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from dlm_lsp.cli import run
from dlm_lsp.models.store import ModelStore
from tests.dlm_lsp.models.conftest import NAME
from tests.dlm_lsp.models.hub_stand_in import Repository

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
OK, USAGE, MODEL = 0, 2, 3


def add(folder: Path) -> int:
    return run(["models", "add", str(folder), "--name", "mine"])


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def shard(folder: Path) -> None:
    """Cut the weights into two files, and let the index name one of them for all tensors."""
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    for number in (0, 1):
        save_file({name: tensors[name] for name in list(tensors)[number::2]}, folder / f"model-{number}.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": dict.fromkeys(tensors, "model-0.safetensors")}))


def test_a_checkpoint_without_code_or_pickles_brings_nothing(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(checkpoint) == OK
    assert "It brings" not in capsys.readouterr().err


def test_pickles_beside_the_weights_are_never_read(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("pytorch_model.bin", "training_args.pt"):
        (checkpoint / name).write_bytes(b"")
    assert add(checkpoint) == OK
    told = capsys.readouterr().err
    assert "It brings pickles, which are never read: pytorch_model.bin, training_args.pt.\n" in told
    assert all(not file.name.startswith(("pytorch", "training")) for file in ModelStore().get("mine").files)


def test_code_of_a_known_architecture_is_never_run(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"modeling_{number}.py" for number in range(5)]
    for name in names:
        (checkpoint / name).write_text("raise SystemExit('run')\n")
    edit_config(checkpoint, auto_map={"AutoModel": "modeling_0.Model"})
    assert add(checkpoint) == OK
    told = capsys.readouterr().err
    assert f"It brings code of its own, which is never run: {', '.join(names[:3])} and 2 more.\n" in told


def test_code_that_lies_elsewhere_is_mentioned_too(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_config(checkpoint, auto_map={"AutoModel": "somebody/elsewhere--modeling.Model"})
    assert add(checkpoint) == OK
    assert "code of its own, which is never run: named by config.json" in capsys.readouterr().err


def test_an_unknown_architecture_is_refused_for_its_code(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_config(checkpoint, model_type="odd", auto_map={"AutoModel": "modeling_odd.Odd"})
    assert add(checkpoint) == MODEL
    assert "the code that the checkpoint brings along for it is never run" in capsys.readouterr().err
    assert ModelStore().find("mine") is None


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl"])
def test_pickles_alone_are_refused_by_name(checkpoint: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (checkpoint / WEIGHTS).rename(checkpoint / name)
    assert add(checkpoint) == MODEL
    assert f"{name} is a pickle, which can run any code when it is read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("truncated weights", "is truncated or not a safetensors file"),
        ("no tokenizer", "has no tokenizer.json"),
        ("broken tokenizer", "is not a tokenizer"),
        ("an index of one shard", "lacks "),
    ],
)
def test_a_checkpoint_that_could_not_be_loaded_is_not_added(
    checkpoint: Path, fault: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if fault == "truncated weights":
        (checkpoint / WEIGHTS).write_bytes((checkpoint / WEIGHTS).read_bytes()[:-100])
    elif fault == "no tokenizer":
        (checkpoint / "tokenizer.json").unlink()
    elif fault == "broken tokenizer":
        (checkpoint / "tokenizer.json").write_text('{"a": 1}')
    else:
        shard(checkpoint)
    assert add(checkpoint) == MODEL
    assert words in capsys.readouterr().err
    assert ModelStore().find("mine") is None


@pytest.mark.usefixtures("hub")
def test_a_pull_says_what_stays_on_the_hub(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.files["pytorch_model.bin"] = b"pickle"
    assert run(["models", "pull", NAME, "--yes"]) == OK
    told = capsys.readouterr().err
    assert "brings   code of its own, which is never run: modeling_odd.py\n" in told
    assert "brings   pickles, which are never read: pytorch_model.bin\n" in told


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no tokenizer", "has no tokenizer.json"),
        ("another index", "fredzzp/open-dcoder-0.5B has no model-00002-of-00002.safetensors"),
        ("another name", "fredzzp/open-dcoder-0.5B has no model.safetensors"),
    ],
)
def test_what_the_hub_lacks_is_found_out_before_any_weights_come(
    repository: Repository, fault: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if fault == "no tokenizer":
        del repository.files["tokenizer.json"]
    elif fault == "another name":
        repository.files["order.safetensors"] = repository.files.pop(WEIGHTS)
    else:
        shards = {str(number): f"model-0000{number}-of-00002.safetensors" for number in (1, 2)}
        repository.files[shards["1"]] = repository.files.pop(WEIGHTS)
        repository.files[INDEX] = json.dumps({"weight_map": shards}).encode()
    assert run(["models", "pull", NAME, "--yes"]) == MODEL
    assert words in capsys.readouterr().err
    assert [name for name, _ in repository.requests if name.endswith(".safetensors")] == []
    assert ModelStore().find(NAME) is None


@pytest.mark.usefixtures("hub")
def test_weights_of_another_network_are_not_declared_fine(
    repository: Repository, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = load_file(checkpoint / WEIGHTS)
    tensors.pop("model.norm.weight")
    save_file(tensors, checkpoint / WEIGHTS)
    repository.files[WEIGHTS] = (checkpoint / WEIGHTS).read_bytes()
    assert run(["models", "pull", NAME, "--yes"]) == MODEL
    assert "lacks 1 tensors, the first is norm.weight" in capsys.readouterr().err
    assert ModelStore().find(NAME) is None
