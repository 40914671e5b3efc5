"""`dlm-lsp train` hands its arguments to the stages of training, and their exit codes back."""

from pathlib import Path

import pytest

from dlm_lsp.cli import run
from dlm_model.network.config import ModelConfig


def test_help_lists_the_stages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "Usage: dlm-lsp train" in printed
    assert all(stage in printed for stage in ("corpus", "initialize", "distill", "export", "run"))


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["nonsense"], 2), (["train", "start"], 2)])
def test_a_stage_that_does_not_exist_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert run(["train", *arguments]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_missing_checkpoint_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "initialize", str(tmp_path / "nowhere"), str(tmp_path / "start")]) == 3
    error = capsys.readouterr().err
    assert error.startswith("dlm-lsp train: ")
    assert "config.json" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "start").exists()


def test_the_packaged_model_is_a_start(tmp_path: Path) -> None:
    assert run(["train", "initialize", "packaged", str(tmp_path / "start")]) == 0
    assert ModelConfig.from_checkpoint(tmp_path / "start").can_resize
