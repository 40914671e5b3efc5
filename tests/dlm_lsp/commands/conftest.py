"""The command line with a scripted engine, and the config file that it reads."""

from pathlib import Path

import pytest

from tests.dlm_lsp.commands.command_line import SOURCE, CommandLine


@pytest.fixture
def config_file(user_config_folder: Path) -> Path:
    """The user's config file, which is not there yet."""
    user_config_folder.mkdir(parents=True)
    return user_config_folder / "config.toml"


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capfd)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with an empty function, and one that is not."""
    path = tmp_path / "sums.py"
    path.write_bytes(SOURCE.encode())
    return path
