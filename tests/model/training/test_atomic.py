"""Files and folders that are written whole, and who may read them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dlm_model.training.atomic import creating_folder, replacing_file


@pytest.fixture(params=[0o022, 0o077], ids=["for-all", "for-the-owner"])
def mode(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_weights_can_be_read_by_whom_the_umask_permits(tmp_path: Path, mode: int) -> None:
    tensors = {"a": torch.zeros(1)}
    with replacing_file(tmp_path / "state") as partial:
        save_file(tensors, partial)
    with creating_folder(tmp_path / "model") as folder:
        (folder / "guide").mkdir()
        save_file(tensors, folder / "guide" / "weights")
    assert [mode_of(tmp_path / name) for name in ("state", "model/guide/weights")] == [mode, mode]


def test_what_a_kill_has_left_does_not_decide_who_may_read_the_next_file(tmp_path: Path, mode: int) -> None:
    left = tmp_path / "state.partial"
    left.touch()
    left.chmod(0o600)
    with replacing_file(tmp_path / "state") as partial:
        partial.write_bytes(b"whole")
    assert mode_of(tmp_path / "state") == mode
