"""The command line with a scripted engine, and a config file that is nobody's own."""

from pathlib import Path

import pytest

from tests.dlm_lsp.commands.command_line import CommandLine


@pytest.fixture(autouse=True)
def config_file(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's config file, which is not there yet; nobody's real one is read."""
    path = tmp_path_factory.mktemp("config") / "config.toml"
    monkeypatch.setattr("dlm_lsp.config_files.user_config_path", lambda: path)
    return path


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capfd)
