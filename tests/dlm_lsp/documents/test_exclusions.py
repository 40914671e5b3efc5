"""Files that never reach a prompt, and ordinary ones that look alike."""

from pathlib import Path

import pytest

from dlm_lsp.documents.exclusions import exclusion_reason, secret_reason
from dlm_lsp.options import Settings


@pytest.mark.parametrize(
    "path",
    [
        "/p/.env",
        "/p/.env.local",
        "/p/prod.ENV",
        "/p/server.key",
        "/p/deep/down/cert.pem",
        "/home/me/.ssh/config",
        "/home/me/.ssh/id_ed25519",
        "/home/me/.aws/credentials",
        "/p/secrets.yaml",
        "/p/db-secret.prod.yml",
        "/p/client_secret_1.json",
        "/p/my-service-account.json",
        "/home/me/.cargo/credentials.toml",
        "/home/me/.docker/config.json",
        "/home/me/.kube/config.yaml",
        "/p/secrets/token.py",
        "/home/me/.netrc",
        "/home/me/.composer/auth.json",
        "/p/local.settings.json",
        "/p/appsettings.Development.json",
    ],
)
def test_secrets_are_known_by_their_names(path: str) -> None:
    reason = secret_reason(path)
    assert reason is not None
    assert "may hold secrets" in reason


@pytest.mark.parametrize(
    "path",
    [
        "/p/environment.py",
        "/p/keys.py",
        "/p/id_rsa_parser.py",
        "/p/credentials.py",
        "/p/secret.lua",
        "/p/config.json",
        "/p/oauth.json",
        "/p/appsettings.json",
        "/home/me/.bashrc",
        None,
    ],
)
def test_code_about_secrets_is_code(path: str | None) -> None:
    assert secret_reason(path) is None


def test_a_relative_path_is_one_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets").mkdir()
    monkeypatch.chdir(tmp_path / "secrets")
    assert secret_reason("token.py") is not None
    assert secret_reason("../token.py") is None
    settings = Settings(exclude=("generated/*",))
    assert exclusion_reason("../generated/a.py", "python", 1, settings) is not None
    assert exclusion_reason("../generated/../a.py", "python", 1, settings) is None


def test_a_symbolic_link_hides_neither_its_own_name_nor_its_targets(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    inside, outside = tmp_path / "secrets" / "token.py", tmp_path / "outside.py"
    inside.touch()
    outside.symlink_to(inside)
    assert secret_reason(str(outside)) is not None
    inside.unlink()
    outside.unlink()
    outside.touch()
    inside.symlink_to(outside)
    assert secret_reason(str(inside)) is not None
    assert secret_reason(str(outside)) is None


@pytest.mark.parametrize("path", ["/p/a\0.py", "/p/secrets/a\0.py"])
def test_a_name_that_no_file_can_have_is_judged_as_it_stands(path: str) -> None:
    assert (secret_reason(path) is not None) == ("secrets" in path)


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        (Settings(enabled=False), "enabled"),
        (Settings(disabled_languages=("python",)), "disabled_languages"),
        (Settings(exclude=("gen/*.py",)), "exclude"),
        (Settings(exclude=("/p/gen/*",)), "exclude"),
        (Settings(max_document_chars=10), "max_document_chars"),
    ],
)
def test_the_reason_names_its_option(settings: Settings, option: str) -> None:
    reason = exclusion_reason("/p/gen/a.py", "python", 11, settings)
    assert reason is not None
    assert option in reason


@pytest.mark.parametrize(
    ("spelling", "language_id"), [("typescriptreact", "tsx"), ("javascriptreact", "javascript"), ("C++", "cpp")]
)
def test_a_language_is_switched_off_by_the_name_that_editors_give_it(spelling: str, language_id: str) -> None:
    assert exclusion_reason(None, language_id, 1, Settings(disabled_languages=(spelling,)))


@pytest.mark.parametrize("path", ["/p/src/private/a.py", "/p/SRC/Private/deep/down/a.py"])
@pytest.mark.parametrize(
    "pattern",
    ["private", "private/", "/private/", "src/private", "src/private/", "private/**", "**/private", "Private", "p/src"],
)
def test_a_folder_is_excluded_as_one_would_ignore_it(path: str, pattern: str) -> None:
    settings = Settings(exclude=("", "# the client's", pattern))
    assert exclusion_reason(path, "python", 1, settings) == f"this file matches {pattern} (exclude)"


@pytest.mark.parametrize("pattern", ["private/", "src/*.py", "privat", "/a.py/", "", "# a.py", "!a.py"])
def test_other_files_are_not_excluded(pattern: str) -> None:
    settings = Settings(exclude=(pattern,))
    assert exclusion_reason("/p/src/deep/a.py", "python", 1, settings) is None
    assert exclusion_reason(None, "python", 1, settings) is None


@pytest.mark.parametrize("pattern", ["", " ", "/", "# a.py"])
def test_a_pattern_that_names_nothing_excludes_nothing(pattern: str) -> None:
    assert exclusion_reason("/p/a.py", "python", 1, Settings(exclude=(pattern,))) is None
    assert exclusion_reason("/p/# a.py", "python", 1, Settings(exclude=(pattern,))) is None


def test_no_pattern_takes_back_another() -> None:
    assert exclusion_reason("/p/gen/a.py", "python", 1, Settings(exclude=("gen/", "!gen/", "!a.py"))) is not None


@pytest.mark.parametrize("pattern", ["gen\\", "[z-a]"])
def test_a_broken_pattern_excludes_everything(pattern: str) -> None:
    reason = exclusion_reason("/p/a.py", "python", 1, Settings(exclude=("gen", pattern)))
    assert "broken" in str(reason)


def test_other_documents_go_through() -> None:
    settings = Settings(disabled_languages=("rust",), exclude=("gen/*",), max_document_chars=10)
    assert exclusion_reason("/p/a.py", "python", 10, settings) is None
    assert exclusion_reason(None, "python", 10, settings) is None


def test_no_setting_lets_a_secret_through() -> None:
    assert exclusion_reason("/p/secrets/a.py", "python", 1, Settings()) is not None
