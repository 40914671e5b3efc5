"""Guides on disk: added, pulled and listed like models, found by name, and kept apart from what fills."""

import json
from pathlib import Path

import pytest

from dlm_lsp.cli import run
from dlm_lsp.commands.checks import check_guide_files
from dlm_lsp.models.catalogue import CATALOGUE
from dlm_lsp.models.naming import resolve_guide, resolve_model
from dlm_lsp.models.store import PACKAGED, ModelStore
from dlm_model.errors import CheckpointError
from tests.dlm_lsp.models.hub_stand_in import Repository
from tests.dlm_lsp.models.tables import assert_one_line_each
from tests.model.tiny_checkpoints import CAUSAL, RESIZING, write_checkpoint

OK, USAGE, MODEL = 0, 2, 3
PUBLISHED = "qwen2.5-coder-0.5b"
SOURCE = "def size(values):\n    pass\n"


def write_causal(folder: Path) -> Path:
    """A causal model: what nothing tells how to fill."""
    write_checkpoint(folder, "llama-gqa-untied")
    config = json.loads((folder / "config.json").read_text())
    del config["dlm"]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def causal(tmp_path: Path) -> Path:
    return write_causal(tmp_path / "Causal")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Under the name `mine`, a model of the same tokenizer."""
    folder = tmp_path / "Model"
    write_checkpoint(folder, "llama-gqa-untied", RESIZING)
    assert run(["models", "add", str(folder), "--name", "mine"]) == OK
    return folder


def test_an_added_causal_model_is_a_guide(causal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "add", str(causal)]) == OK
    assert "It is a causal model: it fills no holes, and guides models" in capsys.readouterr().err
    assert ModelStore().get("causal").roles == ("guide",)
    assert resolve_guide("causal") == str(causal)
    with pytest.raises(CheckpointError, match="fills no holes; `--guide causal` has it guide"):
        resolve_model("causal")


@pytest.mark.usefixtures("model")
def test_a_model_is_no_guide(capsys: pytest.CaptureFixture[str]) -> None:
    assert "causal" not in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="mine is no causal model"):
        resolve_guide("mine")
    with pytest.raises(CheckpointError, match=f"{PACKAGED} can guide only itself"):
        resolve_guide(PACKAGED)


def test_a_model_with_a_causal_prompt_is_both(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "both", "llama-gqa-untied", CAUSAL)
    assert run(["models", "add", str(tmp_path / "both")]) == OK
    assert resolve_guide("both") == resolve_model("both") == str(tmp_path / "both")


@pytest.mark.usefixtures("model")
def test_a_hole_is_filled_with_a_guide_by_its_name(
    causal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "add", str(causal), "--name", "small"]) == OK
    source = tmp_path / "size.py"
    source.write_text(SOURCE)
    fill = ["infill", f"{source}:2:5", "--model", "mine", "--device", "cpu", "--steps", "2", "--json", "--guide"]
    capsys.readouterr()
    run([*fill, "none"])
    alone = json.loads(capsys.readouterr().out)
    run([*fill, "small"])
    assert json.loads(capsys.readouterr().out)["num_forwards"] > alone["num_forwards"]
    assert run([*fill, "unheard-of"]) == MODEL
    assert "There is no guide 'unheard-of'" in capsys.readouterr().err


def test_a_folder_of_the_same_name_is_never_taken_for_a_guide(
    causal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"There is no guide 'Causal' on disk; the folder .* is \./Causal\."):
        resolve_guide(causal.name)
    assert resolve_guide(f"./{causal.name}") == f"./{causal.name}"


@pytest.mark.parametrize("name", ["self", "none"])
def test_what_means_something_else_is_no_name(causal: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "add", str(causal), "--name", name]) == USAGE
    assert f"The name {name} is reserved" in capsys.readouterr().err


def test_the_list_says_what_guides(causal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["models", "add", str(causal), "--name", "small"])
    capsys.readouterr()
    run(["models", "list"])
    rows = {PACKAGED: " model ", "small": " guide ", PUBLISHED: " guide ", "dreamon-7b": " model "}
    assert_one_line_each(capsys.readouterr().out, rows)
    run(["models", "list", "--json"])
    listed = json.loads(capsys.readouterr().out)
    assert [record["roles"] for record in listed["on_disk"]] == [["guide"]]
    assert {tuple(entry["roles"]) for entry in listed["to_pull"]} == {("model",), ("guide",)}


def test_a_guide_is_not_recommended_as_a_model(causal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["models", "add", str(causal), "--name", "helper"])
    capsys.readouterr()
    assert run(["models", "recommend", "--device", "cpu"]) == OK
    told = capsys.readouterr().out
    assert "helper" not in told
    assert PUBLISHED not in told


def test_the_doctor_looks_at_a_guide_that_the_settings_name(causal: Path) -> None:
    run(["models", "add", str(causal), "--name", "small"])
    folder, weights = check_guide_files("small")
    assert folder.detail.startswith(f"{causal}, ")
    assert "model.safetensors" in weights.detail
    assert [list(check_guide_files(guide)) for guide in (None, "self", "none")] == [[], [], []]


def test_a_published_guide_says_how_it_comes() -> None:
    with pytest.raises(CheckpointError, match=f"`dlm-lsp models pull {PUBLISHED}` fetches it"):
        resolve_guide(PUBLISHED)
    with pytest.raises(CheckpointError, match="fills no holes"):
        resolve_model(PUBLISHED)


@pytest.fixture
def repository(causal: Path) -> Repository:
    """The repository that the hub has under the name of the published guide."""
    files = {file.name: file.read_bytes() for file in causal.iterdir()}
    return Repository(CATALOGUE[PUBLISHED].repository, files)


@pytest.mark.usefixtures("hub")
def test_a_pulled_guide_is_found_by_its_name(data_folder: Path) -> None:
    assert run(["models", "pull", PUBLISHED, "--yes"]) == OK
    assert resolve_guide(PUBLISHED) == str(data_folder / PUBLISHED / "Qwen2.5-Coder-0.5B")


def test_a_record_of_an_earlier_release_is_of_a_model(data_folder: Path, model: Path) -> None:
    path = data_folder / "mine.json"
    record = json.loads(path.read_text())
    del record["roles"]
    path.write_text(json.dumps(record))
    assert resolve_model("mine") == str(model)


def test_a_record_with_another_role_is_broken(data_folder: Path, model: Path) -> None:
    assert model.is_dir()
    path = data_folder / "mine.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"roles": ["judge"]}))
    with pytest.raises(CheckpointError, match="cannot be read: it has an unknown role"):
        resolve_model("mine")
