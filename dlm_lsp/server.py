"""The language server: which handler answers which method.

Start reading at `ROUTES`. Importing this module imports no torch. The caller hands in a loader, and the worker's thread
gets the engine from it after `initialize` was answered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lsprotocol import types

from dlm_lsp.engine_room import EngineRoom
from dlm_lsp.handlers import (
    acceptance,
    configuration,
    document_sync,
    execute_command,
    inline_completion,
    lifecycle,
    notebook_sync,
)
from dlm_lsp.messages import DID_PARTIALLY_ACCEPT_COMPLETION, DID_SHOW_COMPLETION
from dlm_lsp.options import ClientOptions
from dlm_lsp.session import DlmLanguageServer

Handler = Callable[[DlmLanguageServer, Any], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One LSP method.

    Attributes:
        method: As LSP spells it.
        handler: Answers it; pygls passes it the server, which its first parameter is annotated with. A coroutine if it
            waits for a worker, so that it can be cancelled; the message loop waits some milliseconds for any other.
        options: Advertised with the capability.
        replaces_builtin: Instead of pygls' own handler, rather than after it. Those would keep a second copy of every
            document, run a command where no cancel reaches it, and end the process at `exit`.
    """

    method: str
    handler: Handler
    options: object = None
    replaces_builtin: bool = False


ROUTES = (
    Route(types.INITIALIZE, lifecycle.initialize),
    Route(types.INITIALIZED, lifecycle.initialized),
    Route(types.SHUTDOWN, lifecycle.shutdown),
    Route(types.EXIT, lifecycle.leave, replaces_builtin=True),
    Route(types.WORKSPACE_DID_CHANGE_CONFIGURATION, configuration.did_change_configuration),
    Route(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, lifecycle.did_change_workspace_folders),
    Route(types.TEXT_DOCUMENT_DID_OPEN, document_sync.did_open, replaces_builtin=True),
    Route(types.TEXT_DOCUMENT_DID_CHANGE, document_sync.did_change, replaces_builtin=True),
    Route(types.TEXT_DOCUMENT_DID_CLOSE, document_sync.did_close, replaces_builtin=True),
    Route(types.NOTEBOOK_DOCUMENT_DID_OPEN, notebook_sync.did_open, replaces_builtin=True),
    Route(types.NOTEBOOK_DOCUMENT_DID_CHANGE, notebook_sync.did_change, replaces_builtin=True),
    Route(types.NOTEBOOK_DOCUMENT_DID_CLOSE, notebook_sync.did_close, replaces_builtin=True),
    # Without an options object pygls does not advertise inline completion, and no editor ever asks.
    Route(
        types.TEXT_DOCUMENT_INLINE_COMPLETION,
        inline_completion.inline_completion,
        types.InlineCompletionOptions(),
    ),
    Route(types.WORKSPACE_EXECUTE_COMMAND, execute_command.execute_command, replaces_builtin=True),
    Route(DID_SHOW_COMPLETION, acceptance.did_show),
    Route(DID_PARTIALLY_ACCEPT_COMPLETION, acceptance.did_partially_accept),
)


def create_server(
    engines: EngineRoom, flags: ClientOptions | None = None, *, exits_with_client: bool = False
) -> DlmLanguageServer:
    """Build a server that is not connected yet.

    Args:
        engines: The workers of this process, shared by its sessions.
        flags: Options from the command line, which overrule every other source.
        exits_with_client: End this process when the client's, which `initialize` names, has ended.
    """
    server = DlmLanguageServer(engines, flags or {}, exits_with_client=exits_with_client)
    for route in ROUTES:
        if route.replaces_builtin:
            del server.protocol.fm.builtin_features[route.method]
        server.feature(route.method, route.options)(route.handler)
    for command in execute_command.COMMANDS:
        if command.is_advertised:  # which is all that pygls does with it: our route runs every command
            server.command(command.name)(command.run)
    return server
