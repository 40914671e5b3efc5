"""`dlm-lsp http`: the arguments of the server, the sources of the key, and the message if a package is missing."""

import sys
from pathlib import Path

import pytest

from dlm_lsp.http_api.access import AccessPolicy
from dlm_lsp.options import Settings
from tests.dlm_lsp.commands.command_line import CommandLine

Call = tuple[object, ...]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """How the server was started, without the engine loader; it ends at once with exit code 0."""
    calls: list[Call] = []

    def serve(_load_engine: object, *arguments: object) -> int:
        calls.append(arguments)
        return 0

    monkeypatch.setattr("dlm_lsp.http_api.serving.serve_http", serve)
    monkeypatch.delenv("DLM_LSP_API_KEY", raising=False)
    return calls


def test_it_listens_on_this_machine_without_a_key(command_line: CommandLine, served: list[Call]) -> None:
    assert command_line("http") == (0, "", "")
    assert served == [("127.0.0.1", 8791, Settings(), AccessPolicy())]


def test_flags_reach_the_server(command_line: CommandLine, served: list[Call]) -> None:
    names = ["--allow-host", "Workstation", "--allow-origin", "http://a", "--allow-origin", "http://b"]
    command_line("http", "--host", "::1", "--port", "0", *names, "--model", "/weights", "--device", "cpu")
    policy = AccessPolicy(frozenset({"workstation"}), frozenset({"http://a", "http://b"}))
    assert served == [("::1", 0, Settings(model="/weights", device="cpu"), policy)]


def test_a_model_that_is_not_there_keeps_the_server_from_starting(
    command_line: CommandLine, served: list[Call]
) -> None:
    code, stdout, stderr = command_line("http", "--model", "unheard-of")
    assert (code, stdout, served) == (3, "", [])
    assert stderr.startswith("dlm-lsp: There is no model 'unheard-of'")


@pytest.mark.parametrize("guide", ["unheard-of", "./unheard-of"])
def test_a_guide_that_is_not_there_keeps_it_as_well(
    command_line: CommandLine, served: list[Call], user_config_folder: Path, guide: str
) -> None:
    user_config_folder.mkdir(parents=True)
    (user_config_folder / "config.toml").write_text(f'guide = "{guide}"\n')
    code, stdout, stderr = command_line("http")
    assert (code, stdout, served) == (3, "", [])
    assert stderr.startswith("dlm-lsp: There is no ")


def test_the_users_options_hold(command_line: CommandLine, served: list[Call], user_config_folder: Path) -> None:
    user_config_folder.mkdir(parents=True)
    (user_config_folder / "config.toml").write_text("max_prompt_tokens = 99\n")
    command_line("http")
    assert served == [("127.0.0.1", 8791, Settings(max_prompt_tokens=99), AccessPolicy())]


def test_the_key_comes_from_the_environment_or_a_file(
    command_line: CommandLine, served: list[Call], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DLM_LSP_API_KEY", "from-environment")
    (tmp_path / "key").write_text("from-file\n")
    command_line("http")
    command_line("http", "--api-key-file", str(tmp_path / "key"))
    assert [call[3] for call in served] == [AccessPolicy(key="from-environment"), AccessPolicy(key="from-file")]


@pytest.mark.parametrize("content", [b"", b"two words", b"schl\xc3\xbcssel", b"\xff"])
def test_a_key_that_no_client_could_send(
    command_line: CommandLine, served: list[Call], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "key").write_bytes(content)
    code, _, stderr = command_line("http", "--api-key-file", str(tmp_path / "key"))
    assert (code, served) == (2, [])
    assert "API key in" in stderr


def test_a_key_file_that_is_not_there(command_line: CommandLine, served: list[Call], tmp_path: Path) -> None:
    outcome = command_line("http", "--api-key-file", str(tmp_path / "key"))
    message = f"dlm-lsp: Cannot read the API key in {tmp_path / 'key'}: No such file or directory.\n"
    assert (outcome, served) == ((2, "", message), [])


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_a_missing_package_is_named(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    for name in [name for name in sys.modules if name.startswith(("dlm_lsp.http_api", package))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    expected = f"dlm-lsp: dlm-lsp http needs {package}: pip install 'dlm-lsp[http]'.\n"
    assert command_line("http") == (2, "", expected)
