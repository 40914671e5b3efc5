"""Models on disk: added, listed, verified, removed, and found by name."""

import io
import json
import shutil
from pathlib import Path

import pytest

from dlm_lsp.cli import run
from dlm_lsp.commands.loading import load_engine
from dlm_lsp.models.naming import resolve_model
from dlm_lsp.models.store import PACKAGED, ModelStore
from dlm_lsp.models.verification import PACKAGED_FOLDER
from dlm_lsp.options import Settings
from dlm_model.engine import DEFAULT_CHECKPOINT
from dlm_model.engine import load_engine as load_checkpoint
from dlm_model.errors import CheckpointError
from tests.dlm_lsp.models.conftest import NAME

OK, USAGE, MODEL = 0, 2, 3


def test_an_added_folder_is_loaded_by_its_name(checkpoint: Path) -> None:
    from rich.console import Console

    assert run(["models", "add", str(checkpoint)]) == OK
    assert resolve_model("tiny-checkpoint") == str(checkpoint)
    assert (
        load_engine(Settings(model="tiny-checkpoint", device="cpu"), Console(quiet=True)).model_name
        == "Tiny-Checkpoint"
    )


def test_a_folder_of_the_hubs_own_cache_goes_by_its_repository(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models--owner--Tiny-Model" / "snapshots" / "0a1b2c"
    shutil.copytree(checkpoint, folder)
    assert run(["models", "add", str(folder)]) == OK
    assert ModelStore().get("tiny-model").folder == str(folder)
    assert load_checkpoint(str(folder), "cpu").model_name == "Tiny-Model"


def test_a_hole_is_filled_by_a_models_name(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "add", str(checkpoint), "--name", "mine"]) == OK
    source = tmp_path / "size.py"
    source.write_text("def size(values):\n    pass\n")
    run(["infill", f"{source}:2:5", "--model", "mine", "--device", "cpu", "--steps", "2", "--json"])
    assert json.loads(capsys.readouterr().out)["model"] == "Tiny-Checkpoint"


@pytest.mark.parametrize("model", [None, "some/folder", "/nowhere/at/all", "."])
def test_what_is_no_name_is_left_as_it_is(model: str | None) -> None:
    assert resolve_model(model) == model


def test_the_packaged_model_goes_by_the_name_that_answers_give_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert PACKAGED_FOLDER == DEFAULT_CHECKPOINT
    assert resolve_model(PACKAGED) is None
    assert run(["models", "list"]) == OK
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == [PACKAGED, "model", "packaged"]
    assert run(["models", "list", "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["packaged"] == PACKAGED
    assert run(["models", "remove", PACKAGED]) == USAGE
    assert f"{PACKAGED} is part of this package" in capsys.readouterr().err


def test_a_published_model_that_is_not_there_says_how_it_comes() -> None:
    with pytest.raises(CheckpointError, match=f"`dlm-lsp models pull {NAME}` fetches it"):
        resolve_model(NAME)


def test_an_unknown_name_leads_to_the_list_of_names() -> None:
    with pytest.raises(
        CheckpointError, match="'unheard-of': it is not a name from `dlm-lsp models list`, and the path of a folder"
    ):
        resolve_model("unheard-of")


def test_a_folder_of_the_same_name_is_never_taken_for_a_model(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    for name in ("mine", "other", PACKAGED):
        (project / name).mkdir(parents=True)
    monkeypatch.chdir(project)
    assert run(["models", "add", str(checkpoint), "--name", "mine"]) == OK
    assert resolve_model("mine") == str(checkpoint)
    assert resolve_model(PACKAGED) is None
    with pytest.raises(CheckpointError, match=r"the folder of that name here is \./other\."):
        resolve_model("other")
    assert Path(resolve_model("./other") or "").resolve() == project / "other"


@pytest.mark.parametrize("name", ["../escape", "A", "", "a/b", ".hidden"])
def test_an_invalid_name_is_refused(checkpoint: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "add", str(checkpoint), "--name", name or " "]) == USAGE
    assert "A model's name consists of" in capsys.readouterr().err


def test_a_wrong_name_is_refused_before_gigabytes_are_read(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr("dlm_lsp.commands.models.describe", lambda _folder, name: read.append(name))
    assert run(["models", "add", str(checkpoint), "--name", "A"]) == USAGE
    assert read == []


@pytest.mark.parametrize("name", ["mine", NAME, PACKAGED])
def test_a_name_is_given_once(checkpoint: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["models", "add", str(checkpoint), "--name", "mine"])
    assert run(["models", "add", str(checkpoint), "--name", name]) == USAGE
    assert f"The name {name} is taken" in capsys.readouterr().err


def test_a_folder_without_a_loadable_checkpoint_is_not_added(tmp_path: Path, checkpoint: Path) -> None:
    assert run(["models", "add", str(tmp_path / "nowhere")]) == USAGE
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    assert run(["models", "add", str(checkpoint)]) == MODEL
    assert list(ModelStore().records()) == []


def test_verify_names_what_changed(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["models", "add", str(checkpoint), "--name", "mine"])
    assert run(["models", "verify"]) == OK
    assert "mine/model.safetensors: ok" in capsys.readouterr().out
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    (checkpoint / "tokenizer.json").unlink()
    assert run(["models", "verify", "mine"]) == MODEL
    told = capsys.readouterr().out
    assert "mine/model.safetensors: has changed" in told
    assert "mine/tokenizer.json: cannot be read: No such file" in told
    assert "mine/config.json: ok" in told


def test_a_guide_and_a_learned_order_are_verified_too(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [checkpoint / "order.safetensors", checkpoint / "guide" / "adapter_model.safetensors"]
    parts[1].parent.mkdir()
    for part in parts:
        part.write_bytes(b"weights")
    run(["models", "add", str(checkpoint), "--name", "mine"])
    assert run(["models", "verify"]) == OK
    capsys.readouterr()
    for part in parts:
        part.write_bytes(b"w3ights")
    assert run(["models", "verify"]) == MODEL
    told = capsys.readouterr().out
    assert "mine/order.safetensors: has changed" in told
    assert "mine/guide/adapter_model.safetensors: has changed" in told


@pytest.mark.parametrize("arguments", [[], [PACKAGED]])
def test_the_packaged_model_is_verified_to_the_last_file(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "verify", *arguments]) == OK
    files = {path for path in DEFAULT_CHECKPOINT.rglob("*") if path.suffix in {".json", ".safetensors"}}
    names = {path.relative_to(DEFAULT_CHECKPOINT).as_posix() for path in files}
    assert {*capsys.readouterr().out.splitlines()} == {f"{PACKAGED}/{name}: ok" for name in names}


def test_a_packaged_file_that_was_changed_is_named(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkpoint / "SHA256SUMS").write_text(f"{'0' * 64}  model.safetensors\n")
    monkeypatch.setattr("dlm_lsp.models.verification.PACKAGED_FOLDER", checkpoint)
    monkeypatch.setattr("dlm_lsp.commands.models.PACKAGED_FOLDER", checkpoint)
    assert run(["models", "verify"]) == MODEL
    assert f"{PACKAGED}/model.safetensors: has changed" in capsys.readouterr().out


def test_an_added_folder_survives_its_removal(checkpoint: Path) -> None:
    run(["models", "add", str(checkpoint), "--name", "mine"])
    assert run(["models", "remove", "mine"]) == OK
    assert (checkpoint / "model.safetensors").is_file()
    assert ModelStore().find("mine") is None
    assert run(["models", "remove", "mine"]) == USAGE


@pytest.mark.usefixtures("hub")
def test_a_pulled_model_is_deleted_with_its_record(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(["models", "pull", NAME, "--yes"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert run(["models", "remove", NAME]) == USAGE
    assert (data_folder / NAME).is_dir()
    assert run(["models", "remove", NAME, "--yes"]) == OK
    assert list(data_folder.iterdir()) == []


@pytest.mark.usefixtures("hub")
def test_a_model_that_cannot_be_deleted_stays_known(
    data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["models", "pull", NAME, "--yes"])
    folder, elsewhere = data_folder / NAME, tmp_path / "larger disk"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    capsys.readouterr()
    assert run(["models", "remove", NAME, "--yes"]) == USAGE
    told = capsys.readouterr().err
    assert f"{folder} cannot be deleted: Cannot call rmtree on a symbolic link." in told
    assert "gone" not in told
    assert ModelStore().find(NAME) is not None


@pytest.mark.usefixtures("hub")
def test_a_model_whose_files_are_gone_already_is_forgotten(data_folder: Path) -> None:
    run(["models", "pull", NAME, "--yes"])
    shutil.rmtree(data_folder / NAME)
    assert run(["models", "remove", NAME, "--yes"]) == OK
    assert list(data_folder.iterdir()) == []


@pytest.mark.usefixtures("hub")
def test_ctrl_c_in_answer_to_a_question_ends_the_command(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.StringIO):
        def isatty(self) -> bool:
            return True

        def readline(self, _size: int | None = -1) -> str:
            raise KeyboardInterrupt

    run(["models", "pull", NAME, "--yes"])
    monkeypatch.setattr("sys.stdin", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        run(["models", "remove", NAME])
    assert (data_folder / NAME).is_dir()
