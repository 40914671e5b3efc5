"""initialize, initialized, shutdown: from the first options to the last job."""

from pathlib import Path

from lsprotocol import types

from dlm_lsp.config_files import read_project_config, read_user_config
from dlm_lsp.document_store import path_of
from dlm_lsp.handlers.configuration import listen_to_changes, pull_configuration
from dlm_lsp.ignore_rules import IgnoreRules
from dlm_lsp.options import parse_options
from dlm_lsp.process import exit_with
from dlm_lsp.session import DlmLanguageServer


def initialize(server: DlmLanguageServer, params: types.InitializeParams) -> None:
    """Gather the options that are known before the client is ready; pygls answers with the capabilities."""
    roots = _roots(params)
    server.roots = tuple(roots)
    server.ignore_rules, server.related_ignore_rules = IgnoreRules(roots), IgnoreRules(roots)
    server.configure("user", read_user_config())
    server.configure("project", *(read_project_config(root) for root in roots))
    server.configure("initialization", parse_options(params.initialization_options))
    if server.exits_with_client and params.process_id is not None:
        exit_with(params.process_id)


def initialized(server: DlmLanguageServer, _params: types.InitializedParams) -> None:
    """Say what was wrong with the options, and ask the client for its own."""
    server.report_problems()
    listen_to_changes(server)
    pull_configuration(server)


def shutdown(server: DlmLanguageServer, _params: None = None) -> None:
    """Free the worker within one step."""
    server.is_shut_down = True
    server.worker.close()
    server.acceptance.flush()


def leave(server: DlmLanguageServer, _params: None = None) -> None:
    """End the conversation, in a process that goes on for others."""
    if server.protocol.writer:
        server.protocol.writer.close()


def _roots(params: types.InitializeParams) -> list[Path]:
    uris = [folder.uri for folder in params.workspace_folders or ()] or [params.root_uri or ""]
    return [Path(path) for uri in uris if (path := path_of(uri))]
