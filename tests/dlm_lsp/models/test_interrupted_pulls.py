"""What pulls leave behind when they do not end, and disks that cannot be written."""

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm_lsp.cli import run
from dlm_lsp.models.catalogue import CATALOGUE
from dlm_lsp.models.store import ModelStore
from tests.dlm_lsp.models.conftest import FOLDER, NAME
from tests.dlm_lsp.models.hub_stand_in import Repository

WEIGHTS = "model.safetensors"
OK, USAGE, MODEL = 0, 2, 3

pytestmark = pytest.mark.usefixtures("hub")


def pull(*arguments: str) -> int:
    return run(["models", "pull", *(arguments or (NAME, "--yes"))])


@pytest.fixture
def partial(repository: Repository, data_folder: Path) -> Iterator[Path]:
    """The folder of a pull that was interrupted."""
    repository.ends_at[WEIGHTS] = 30_000
    assert pull() == MODEL
    repository.ends_at.clear()
    assert (data_folder / FOLDER / f"{WEIGHTS}.part").is_file()
    return data_folder / FOLDER


def test_an_interrupted_pull_is_listed(partial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    run(["models", "list"])
    listed = capsys.readouterr()
    line = next(line for line in listed.out.splitlines() if line.startswith(NAME))
    assert "partial, 0." in line
    assert CATALOGUE[NAME].repository in line
    assert f"`dlm-lsp models remove {NAME}` deletes" in listed.err
    run(["models", "list", "--json"])
    listed = json.loads(capsys.readouterr().out)
    size = sum(file.stat().st_size for file in partial.iterdir())
    assert listed["leftovers"] == [{"name": NAME, "size": size, "problem": None}]
    assert NAME in [entry["name"] for entry in listed["to_pull"]]


def test_an_interrupted_pull_of_any_repository_is_listed(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.name, repository.ends_at[WEIGHTS] = "somebody/Own-Dcoder", 30_000
    assert pull("somebody/Own-Dcoder", "--yes") == MODEL
    run(["models", "list"])
    assert "own-dcoder" in capsys.readouterr().out


def test_an_interrupted_pull_is_removed(
    partial: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert run(["models", "remove", NAME]) == USAGE
    assert partial.is_dir()
    assert run(["models", "remove", NAME, "--yes"]) == OK
    assert f"{NAME} is gone." in capsys.readouterr().err
    assert list(data_folder.iterdir()) == []


def test_a_folder_is_not_added_under_the_name_of_an_interrupted_pull(
    repository: Repository, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.name, repository.ends_at[WEIGHTS] = "somebody/Mine", 30_000
    assert pull("somebody/Mine", "--yes") == MODEL
    assert run(["models", "add", str(checkpoint), "--name", "mine"]) == USAGE
    assert "The name mine is taken" in capsys.readouterr().err


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(
    repository: Repository, partial: Path, data_folder: Path
) -> None:
    (partial / f"{WEIGHTS}.part").write_bytes(b"x" * (len(repository.files[WEIGHTS]) + 5))
    assert pull() == OK
    assert (data_folder / FOLDER / WEIGHTS).read_bytes() == repository.files[WEIGHTS]


def test_a_part_of_another_file_is_found_out_and_fetched_anew(
    repository: Repository, partial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (partial / f"{WEIGHTS}.part").write_bytes(b"x" * len(repository.files[WEIGHTS]))
    assert pull() == MODEL
    assert "arrived corrupt" in capsys.readouterr().err
    assert pull() == OK


def test_a_part_of_a_file_without_a_hash_is_fetched_anew(
    repository: Repository, partial: Path, data_folder: Path
) -> None:
    (partial / "config.json.part").write_bytes(b"foreign")
    assert pull() == OK
    assert (data_folder / FOLDER / "config.json").read_bytes() == repository.files["config.json"]


def test_a_file_of_another_size_than_listed_is_no_matter_of_the_network(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.claimed_sizes["config.json"] = len(repository.files["config.json"]) + 3
    assert pull() == MODEL
    told = capsys.readouterr().err.splitlines()[-1]
    assert f"did not send {repository.name} as it lists it (Consistency check failed" in told
    assert "cannot be reached" not in told


@pytest.mark.parametrize("command", ["pull", "remove"])
def test_one_command_at_a_time_writes_a_model(
    repository: Repository, partial: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with ModelStore().locked(NAME):
            is_held.set()
            may_end.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert is_held.wait(10)
    repository.requests.clear()
    assert run(["models", command, NAME, "--yes"]) == MODEL
    assert f"Another command is pulling or removing {NAME}." in capsys.readouterr().err
    assert repository.requests == []
    assert partial.is_dir()
    may_end.set()
    holder.join()
    assert run(["models", command, NAME, "--yes"]) == OK


def test_no_lock_is_left_behind(data_folder: Path) -> None:
    assert pull() == OK
    assert sorted(path.name for path in data_folder.iterdir()) == [NAME, f"{NAME}.json"]


def test_a_file_in_the_data_folders_place(
    data_folder: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_folder.parent.write_text("in the way")
    for arguments in (["pull", NAME, "--yes"], ["add", str(checkpoint), "--name", "mine"]):
        assert run(["models", *arguments]) == MODEL
        told = capsys.readouterr().err.splitlines()[-1]
        assert f"{data_folder}" in told
        assert "cannot be written" in told
        assert "DLM_LSP_DEBUG" not in told


def test_a_file_in_the_model_folders_place(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_folder.mkdir(parents=True)
    (data_folder / NAME).write_text("in the way")
    assert pull() == MODEL
    told = capsys.readouterr().err.splitlines()[-1]
    assert f"cannot be saved to this disk ({data_folder / FOLDER}: Not a directory)" in told


def test_a_folder_in_a_files_place(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data_folder / FOLDER / WEIGHTS).mkdir(parents=True)
    assert pull() == MODEL
    told = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be saved to this disk" in told
    assert "Is a directory" in told


@pytest.mark.parametrize("command", ["pull", "add"])
def test_a_disk_that_is_full_when_the_record_is_written(
    command: str,
    checkpoint: Path,
    data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_write = Path.write_text

    def write_full(path: Path, text: str, *arguments: object, **options: object) -> int:
        if path.suffix == ".new":
            path.touch()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real_write(path, text, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", write_full)
    arguments = {"pull": [NAME, "--yes"], "add": [str(checkpoint), "--name", "mine"]}[command]
    assert run(["models", command, *arguments]) == MODEL
    assert "cannot be written: No space left on device." in capsys.readouterr().err.splitlines()[-1]
    assert list(data_folder.glob("*.new")) == []
    assert list(ModelStore().records()) == []


def test_a_file_that_may_not_be_read(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(folder: Path, name: str) -> None:  # root may read everything, whatever the file's mode
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder / name))

    monkeypatch.setattr("dlm_lsp.commands.models.describe", refuse)
    assert run(["models", "add", str(checkpoint), "--name", "mine"]) == MODEL
    assert "cannot be read: Permission denied." in capsys.readouterr().err


def test_a_foreign_repository_gets_no_name_of_the_catalogue(
    repository: Repository, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.name = "evil/Dreamon-7b"
    assert pull("evil/Dreamon-7b", "--yes") == USAGE
    told = capsys.readouterr().err
    assert "The name dreamon-7b stands for Dream-org/DreamOn-v0-7B; give evil/Dreamon-7b another with --name." in told
    assert repository.tokens == []
    assert pull("evil/Dreamon-7b", "--name", "another", "--yes") == OK
    assert (data_folder / "another" / "Dreamon-7b" / WEIGHTS).is_file()
    assert ModelStore().get("another").repository == "evil/Dreamon-7b"


def test_the_catalogues_own_repository_may_have_its_name(repository: Repository) -> None:
    assert pull(f"{repository.name}@v1", "--yes") == OK
    assert ModelStore().get(NAME).repository == repository.name
