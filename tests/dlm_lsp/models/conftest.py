"""A data folder of its own and a hub on this machine, for every test here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm_lsp.models.catalogue import CATALOGUE
from tests.dlm_lsp.models.hub_stand_in import Repository, serving
from tests.model.families.published_checkpoints import write_open_dcoder

NAME = "open-dcoder-0.5b"
FOLDER = f"{NAME}/open-dcoder-0.5B"
"""Where a model of that name is pulled to."""


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the models go."""
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    return tmp_path / "data" / "models"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A tiny checkpoint that could have been published."""
    folder = tmp_path / "Tiny-Checkpoint"
    folder.mkdir()
    write_open_dcoder(folder)
    return folder


@pytest.fixture
def repository(checkpoint: Path) -> Repository:
    """The repository that the hub has under the name of open-dcoder."""
    files = {file.name: file.read_bytes() for file in checkpoint.iterdir()}
    code = {"modeling_odd.py": b"raise SystemExit('run')\n", "extra/notes.json": b"{}"}
    return Repository(CATALOGUE[NAME].repository, {**files, **code})


@pytest.fixture
def hub(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The hub's address, which is also in the environment."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1024)
    # Between two tries of huggingface_hub's own.
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    with serving(repository) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield address
