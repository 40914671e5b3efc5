"""`dlm-lsp serve`: the transport around the language server."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlm_lsp.commands.loading import load_quietly
from dlm_lsp.commands.settings import flag_name
from dlm_lsp.errors import UsageError
from dlm_lsp.options import ClientOptions
from dlm_lsp.serving import serve_stdio, serve_tcp

logger = logging.getLogger(__name__)

_NO_EDITOR = "dlm-lsp: waiting for an editor on standard input; editors start this themselves. Ctrl-C ends it.\n"


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
        flags: Overrule every other source of options.
        client_process_id: The server ends with this process.
        ignored: Arguments unknown to us. Editors add their own, and the server must start all the same.

    Returns:
        The exit code LSP asks for.

    Raises:
        UsageError: the address cannot be listened on.
    """
    if ignored:
        logger.warning("ignoring arguments: %s", " ".join(ignored))
    if address is None:
        if sys.stdin.isatty():
            sys.stderr.write(_NO_EDITOR)
            sys.stderr.flush()
        return serve_stdio(load_quietly, flags, client_process_id=client_process_id)
    try:
        return serve_tcp(load_quietly, address.host, address.port, flags, client_process_id=client_process_id)
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

    return serve_socket(load_quietly, Path(path), flags, idle_seconds=idle_exit_minutes * 60)


def run_connect(path: str, flags: ClientOptions, *, client_process_id: int | None = None) -> int:
    """Relay between an editor and the daemon on a socket.

    Args:
        path: Of the socket.
        flags: Options of the command line, none of which reaches a daemon that was started with its own.
        client_process_id: The bridge ends with this process, or else with the one that started it.

    Raises:
        UsageError: no daemon listens there, or there are such options.
    """
    if flags:
        names = " and ".join(flag_name(name) for name in flags)
        raise UsageError(f"{names} cannot be used with --connect: pass them to the daemon, or set them in the editor.")
    from dlm_lsp.daemon import connect_stdio  # noqa: PLC0415

    return connect_stdio(Path(path), client_process_id=client_process_id)
