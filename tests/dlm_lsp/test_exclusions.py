"""Files that never reach a prompt, and ordinary ones that look alike."""

import pytest

from dlm_lsp.exclusions import exclusion_reason, secret_reason
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
        "/p/secrets/token.py",
        "/home/me/.netrc",
    ],
)
def test_secrets_are_known_by_their_names(path: str) -> None:
    reason = secret_reason(path)
    assert reason is not None
    assert "may hold secrets" in reason


@pytest.mark.parametrize("path", ["/p/environment.py", "/p/keys.py", "/p/id_rsa_parser.py", "/p/credentials.py", None])
def test_code_about_secrets_is_code(path: str | None) -> None:
    assert secret_reason(path) is None


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        (Settings(enabled=False), "enabled"),
        (Settings(disabled_languages=("python",)), "disabled_languages"),
        (Settings(exclude=("gen/*.py",)), "exclude"),
        (Settings(max_document_chars=10), "max_document_chars"),
    ],
)
def test_the_reason_names_the_option_behind_it(settings: Settings, option: str) -> None:
    reason = exclusion_reason("/p/gen/a.py", "python", 11, settings)
    assert reason is not None
    assert option in reason


def test_other_documents_go_through() -> None:
    settings = Settings(disabled_languages=("rust",), exclude=("gen/*",), max_document_chars=10)
    assert exclusion_reason("/p/a.py", "python", 10, settings) is None
    assert exclusion_reason(None, "python", 10, settings) is None
