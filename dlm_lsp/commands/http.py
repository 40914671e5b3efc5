"""`dlm-lsp http`: fill-in-the-middle completions over HTTP."""

import os
from collections.abc import Sequence
from pathlib import Path

from dlm_lsp.commands.loading import load_quietly, require_guide
from dlm_lsp.errors import UsageError
from dlm_lsp.models.naming import resolve_model
from dlm_lsp.options import Settings

KEY_VARIABLE = "DLM_LSP_API_KEY"


def run_http(
    host: str,
    port: int,
    settings: Settings,
    *,
    api_key_file: Path | None = None,
    allowed_hosts: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
) -> int:
    """Serve until a signal ends it.

    Args:
        host: Address to listen on.
        port: 0 picks a free one.
        settings: In force for every request.
        api_key_file: Holds the key that clients need; overrules the one in the environment.
        allowed_hosts: Host names that are accepted.
        allowed_origins: Origins of web pages that may send requests.

    Returns:
        The exit code.

    Raises:
        UsageError: a package is missing, the key or the address is not usable.
        ModelUnavailableError: the model cannot be loaded.
        CheckpointError: there is no model or guide of that name; this is found out before clients can connect.
    """
    try:
        from dlm_lsp.http_api.access import AccessPolicy  # noqa: PLC0415
        from dlm_lsp.http_api.serving import serve_http  # noqa: PLC0415
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in {"starlette", "uvicorn"}:
            raise
        raise UsageError(f"dlm-lsp http needs {package}: pip install 'dlm-lsp[http]'.") from error
    hosts = frozenset(host.lower() for host in allowed_hosts)
    policy = AccessPolicy(hosts, frozenset(allowed_origins), read_key(api_key_file))
    resolve_model(settings.model)
    require_guide(settings.decode.guide)
    return serve_http(load_quietly, host, port, settings, policy)


def read_key(file: Path | None) -> str | None:
    """The key that clients need, from a file or the environment: arguments are seen by every user of the machine.

    Raises:
        UsageError: the file cannot be read, or holds nothing that a header could carry.
    """
    if file is None:
        source, key = KEY_VARIABLE, os.environ.get(KEY_VARIABLE, "")
        if not key:
            return None
    else:
        source = str(file)
        try:
            key = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"Cannot read the API key in {file}: {getattr(error, 'strerror', error)}.") from error
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"The API key in {source} must be one word of ASCII characters.")
    return key
