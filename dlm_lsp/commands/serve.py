"""`dlm-lsp serve`: the log and the transport around the language server."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlm_lsp.errors import UsageError
from dlm_lsp.models.store import resolve_model
from dlm_lsp.options import ClientOptions, Settings
from dlm_lsp.serving import serve_stdio, serve_tcp
from dlm_model.request import InfillEngine

logger = logging.getLogger(__name__)

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


def run_serve(
    address: TcpAddress | None,
    flags: ClientOptions,
    *,
    client_process_id: int | None = None,
    ignored: Sequence[str] = (),
) -> int:
    """Serve one client until it leaves.

    Args:
        address: None speaks over standard input and output.
        flags: They overrule every other source of options.
        client_process_id: The server ends with this process.
        ignored: Arguments that mean nothing to us. Editors add their own, and must not fail to start for it.

    Returns:
        The exit code LSP asks for.

    Raises:
        UsageError: the address cannot be listened on.
    """
    if ignored:
        logger.warning("ignoring arguments: %s", " ".join(ignored))
    if address is None:
        return serve_stdio(_load_engine, flags, client_process_id=client_process_id)
    try:
        return serve_tcp(_load_engine, address.host, address.port, flags, client_process_id=client_process_id)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"Cannot listen on {address.host}:{address.port}: {reason}.") from error


def run_daemon(path: str, flags: ClientOptions, *, idle_exit_minutes: float) -> int:
    """Serve every editor that connects to a socket.

    Raises:
        UsageError: it cannot be listened on.
    """
    # Imported late: Windows has no Unix domain sockets.
    from dlm_lsp.daemon import serve_socket  # noqa: PLC0415

    return serve_socket(_load_engine, Path(path), flags, idle_seconds=idle_exit_minutes * 60)


def run_connect(path: str) -> int:
    """Be the way between an editor and the daemon on a socket.

    Raises:
        UsageError: no daemon listens there.
    """
    from dlm_lsp.daemon import connect_stdio  # noqa: PLC0415

    return connect_stdio(Path(path))


def start_log(file: Path | None, verbosity: int) -> None:
    """Send the log to a file, or to standard error.

    Args:
        file: Appended to; its folder is made if need be.
        verbosity: How often `-v` was given: 0 warnings, 1 what happens, 2 everything.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(
            level=_LEVELS[min(verbosity, len(_LEVELS) - 1)],
            filename=file,
            encoding="utf-8" if file else None,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
    except OSError as error:
        raise UsageError(f"Cannot write the log {file}: {error.strerror or error}.") from error


def _load_engine(settings: Settings) -> InfillEngine:
    # Imported late: the server answers `initialize` long before torch is there.
    from dlm_model.engine import load_engine  # noqa: PLC0415

    return load_engine(resolve_model(settings.model), settings.device)
