"""initialize, initialized, shutdown, exit, and changes of the workspace folders."""

from collections.abc import Iterable
from pathlib import Path

from lsprotocol import types

from dlm_lsp.config_files import read_user_config
from dlm_lsp.documents.document_store import path_of
from dlm_lsp.handlers.configuration import listen_to_changes, pull_configuration
from dlm_lsp.options import parse_options
from dlm_lsp.process import exit_with
from dlm_lsp.session import DlmLanguageServer


def initialize(server: DlmLanguageServer, params: types.InitializeParams) -> None:
    """Gather the options that are known before the client is ready; pygls answers with the capabilities."""
    server.configure("user", read_user_config())
    server.configure("initialization", parse_options(params.initialization_options))
    server.take_roots(_paths([folder.uri for folder in params.workspace_folders or ()] or [params.root_uri or ""]))
    if server.exits_with_client and params.process_id is not None:
        exit_with(params.process_id)


def initialized(server: DlmLanguageServer, _params: types.InitializedParams) -> None:
    """Say what was wrong with the options, and ask the client for its own."""
    server.report_problems()
    listen_to_changes(server)
    pull_configuration(server)


def did_change_workspace_folders(server: DlmLanguageServer, params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Respect the projects in the folders that were added, and no longer those in the folders that were removed."""
    added, removed = (_paths(folder.uri for folder in each) for each in (params.event.added, params.event.removed))
    server.take_roots([*(root for root in server.roots if root not in removed), *added])
    server.report_problems()


def shutdown(server: DlmLanguageServer, _params: None = None) -> None:
    """Free the worker within one step."""
    server.is_shut_down = True
    server.desk.close()
    server.acceptance.flush()


def leave(server: DlmLanguageServer, _params: None = None) -> None:
    """End the conversation; the process may go on for other clients."""
    server.has_left.set()


def _paths(uris: Iterable[str]) -> list[Path]:
    return [Path(path) for uri in uris if (path := path_of(uri))]
