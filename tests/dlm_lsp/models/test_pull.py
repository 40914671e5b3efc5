"""`dlm-lsp models pull` from a hub on this machine: downloads, and every way in which they fail."""

import json
import sys
from pathlib import Path

import pytest

from dlm_lsp.cli import run
from dlm_lsp.models.catalogue import CATALOGUE
from dlm_lsp.models.naming import resolve_model
from dlm_lsp.models.store import PACKAGED, ModelStore
from dlm_model.network.config import ModelConfig
from tests.dlm_lsp.models.conftest import FOLDER, NAME
from tests.dlm_lsp.models.hub_stand_in import COMMIT, Repository, serving, sha256
from tests.model.families.checkpoint_parts import edit_json
from tests.model.families.published_checkpoints import PUBLISHED

WEIGHTS = "model.safetensors"
OK, USAGE, MODEL = 0, 2, 3

pytestmark = pytest.mark.usefixtures("hub")


def pull(*arguments: str) -> int:
    return run(["models", "pull", *(arguments or (NAME, "--yes"))])


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """The last line on standard error."""
    return capsys.readouterr().err.splitlines()[-1]


def test_a_model_arrives_whole_and_is_found_by_its_name(
    repository: Repository, checkpoint: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull() == OK
    told = capsys.readouterr().err
    assert "licence  apache-2.0" in told
    assert f"at {COMMIT}" in told
    folder = data_folder / FOLDER
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in checkpoint.iterdir())
    assert (folder / WEIGHTS).read_bytes() == repository.files[WEIGHTS]
    record = ModelStore().get(NAME)
    assert (record.repository, record.revision, record.licence) == (repository.name, COMMIT, "apache-2.0")
    assert {file.name: file.sha256 for file in record.files}[WEIGHTS] == sha256(repository.files[WEIGHTS])
    assert resolve_model(NAME) == str(folder)


def test_a_short_name_means_one_commit_and_a_bare_repository_the_latest(repository: Repository) -> None:
    assert pull() == OK
    assert pull(repository.name, "--name", "mine", "--yes") == OK
    assert pull(f"{repository.name}@v0.1", "--name", "tagged", "--yes") == OK
    assert repository.revisions == [CATALOGUE[NAME].revision, "main", "v0.1"]


def test_no_code_is_fetched(repository: Repository) -> None:
    assert pull() == OK
    assert {name for name, _ in repository.requests} & {"modeling_odd.py", "extra/notes.json"} == set()


@pytest.mark.parametrize(
    ("card", "licence"),
    [({"license": "other", "license_name": "apple-amlr"}, "apple-amlr"), ({"language": "en"}, None), ({}, None)],
)
def test_the_licence_is_what_the_card_says(
    repository: Repository, capsys: pytest.CaptureFixture[str], card: dict[str, str], licence: str | None
) -> None:
    repository.card = card
    assert pull() == OK
    assert f"licence  {licence or 'its card names none'}" in capsys.readouterr().err
    assert ModelStore().get(NAME).licence == licence


@pytest.mark.parametrize(("token", "shown"), [("hf_secret", "Bearer hf_secret"), ("", None)])
def test_a_login_is_shown_to_the_hub(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, token: str, shown: str | None
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert pull() == OK
    assert set(repository.tokens) == {shown}


def test_a_login_is_not_shown_to_the_storage_that_the_hub_redirects_to(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    storage = Repository(repository.name, repository.files)
    with serving(storage) as repository.storage:
        assert pull() == OK
    assert set(storage.tokens) == {None}
    assert set(repository.tokens) == {"Bearer hf_secret"}


def test_any_repository_can_be_named(repository: Repository, data_folder: Path) -> None:
    repository.name = "somebody/Own-Dcoder"
    assert pull("somebody/Own-Dcoder@v1", "--yes") == OK
    assert (data_folder / "own-dcoder" / "Own-Dcoder" / WEIGHTS).is_file()


def test_another_name_leaves_the_length_of_blocks_as_it_was_published(repository: Repository, checkpoint: Path) -> None:
    PUBLISHED["sdar"](checkpoint)
    edit_json(checkpoint / "config.json", block_size=None)
    repository.name = "JetLM/SDAR-8B-Chat-b32"
    repository.files = {file.name: file.read_bytes() for file in checkpoint.iterdir()}
    assert pull(repository.name, "--name", "mine", "--yes") == OK
    folder = resolve_model("mine")
    assert folder is not None
    assert ModelConfig.from_checkpoint(Path(folder)).block_length == 32


def test_what_arrived_before_a_break_is_not_fetched_again(
    repository: Repository, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.ends_at[WEIGHTS] = 30_000
    assert pull() == MODEL
    assert "cannot be reached" in sentence(capsys)
    assert ModelStore().find(NAME) is None
    repository.ends_at.clear()
    repository.requests.clear()
    assert pull() == OK
    assert [28_000 < start <= 30_000 for name, start in repository.requests if name == WEIGHTS] == [True]
    assert (data_folder / FOLDER / WEIGHTS).read_bytes() == repository.files[WEIGHTS]


def test_a_corrupt_file_is_deleted_and_fetched_again(
    repository: Repository, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.corrupt.add(WEIGHTS)
    assert pull() == MODEL
    assert f"{WEIGHTS} of {repository.name} arrived corrupt" in sentence(capsys)
    assert not (data_folder / FOLDER / WEIGHTS).exists()
    assert ModelStore().find(NAME) is None
    repository.corrupt.clear()
    assert pull() == OK
    assert (data_folder / FOLDER / WEIGHTS).read_bytes() == repository.files[WEIGHTS]


def test_a_disk_too_small_is_known_before_anything_is_fetched(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.claimed_sizes[WEIGHTS] = 1 << 60
    assert pull() == MODEL
    assert "GiB more on the disk of" in sentence(capsys)
    assert repository.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_meanwhile(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    real_open = Path.open

    def open_full(path: Path, mode: str = "r", *arguments: object, **options: object) -> object:
        return real_open(Path("/dev/full") if path.suffix == ".part" else path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_full)
    assert pull() == MODEL
    assert "The disk is full" in sentence(capsys)


def test_a_licence_has_to_be_agreed_to(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert pull(NAME) == USAGE
    told = capsys.readouterr().err
    assert "licence  apache-2.0" in told
    assert "pass --yes to agree" in told
    assert repository.requests == []


def test_pickles_alone_are_refused(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.files["pytorch_model.bin"] = repository.files.pop(WEIGHTS)
    assert pull() == MODEL
    assert "weights only as pickles (pytorch_model.bin)" in sentence(capsys)
    assert repository.requests == []


def test_a_model_that_cannot_be_loaded_is_refused_before_its_weights_come(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = {"model_type": "odd", "auto_map": {"AutoModel": "modeling_odd.Odd"}}
    repository.files["config.json"] = json.dumps(json.loads(repository.files["config.json"]) | odd).encode()
    assert pull() == MODEL
    assert "model type 'odd' is not supported" in sentence(capsys)
    assert WEIGHTS not in [name for name, _ in repository.requests]


def test_a_model_that_the_hub_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert pull("nobody/nothing", "--yes") == MODEL
    assert "has no model nobody/nothing" in sentence(capsys)


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert pull("llada", "--yes") == USAGE
    assert "There is no published model 'llada' here (there are: dreamon-7b," in sentence(capsys)


def test_a_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert pull() == MODEL
    assert "http://127.0.0.1:9 cannot be reached" in sentence(capsys)


def test_a_machine_that_must_stay_offline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert pull() == MODEL
    assert "HF_HUB_OFFLINE is set" in sentence(capsys)


def test_what_is_on_disk_is_not_pulled_twice(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert pull() == OK
    repository.requests.clear()
    assert pull() == USAGE
    assert "already on disk" in sentence(capsys)
    assert repository.requests == []


def test_what_is_wrong_with_a_name_is_not_the_networks_fault(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull("some..body/model", "--yes") == MODEL
    told = sentence(capsys)
    assert told.startswith("dlm-lsp: some..body/model cannot be pulled: ")
    assert "cannot be reached" not in told
    assert repository.requests == []


def test_a_file_that_takes_another_package_says_so(
    repository: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.MAX_HTTP_DOWNLOAD_SIZE", 20_000)
    assert pull() == MODEL
    told = sentence(capsys)
    assert f"{repository.name} cannot be pulled: " in told
    assert "hf_xet" in told


def test_the_packaged_models_name_is_not_given_away(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert pull(repository.name, "--name", PACKAGED, "--yes") == USAGE
    assert f"The name {PACKAGED} stands for the packaged model" in sentence(capsys)
    assert repository.requests == []
