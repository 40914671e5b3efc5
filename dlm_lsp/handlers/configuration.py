"""workspace/configuration and workspace/didChangeConfiguration: the client's settings, at the start and live.

The client's answers are taken by callbacks, not by coroutines. A coroutine would resume only after the messages that
follow, and a request among them would be served with old settings.
"""

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from lsprotocol import types

from dlm_lsp.errors import DlmLspError
from dlm_lsp.handlers.filling import open_snapshot, stop_fills
from dlm_lsp.messages import SECTION
from dlm_lsp.options import parse_options
from dlm_lsp.session import DlmLanguageServer

logger = logging.getLogger(__name__)

_CLIENTS_OWN = "trace"
"""`SECTION.trace.server` is read by VS Code's client library, and arrives among our options."""


def did_change_configuration(server: DlmLanguageServer, params: types.DidChangeConfigurationParams) -> None:
    """Take the section that was pushed, or ask for it when none was."""
    if isinstance(params.settings, Mapping) and SECTION in params.settings:
        _configure(server, params.settings[SECTION])
    else:
        pull_configuration(server)


def pull_configuration(server: DlmLanguageServer) -> None:
    """Ask the client for its settings, if it can be asked; the model is preloaded once they are known."""
    workspace = server.client_capabilities.workspace
    if not (workspace and workspace.configuration):
        _preload(server)
        return

    def take(answer: "Future[Any]") -> None:
        if answer.cancelled():  # by the end of the conversation
            return
        if error := answer.exception():
            logger.warning("the client did not give its settings: %s", error)
            _preload(server)
        else:
            sections = answer.result()
            _configure(server, sections[0] if sections else None)

    item = types.ConfigurationItem(section=SECTION)
    server.workspace_configuration(types.ConfigurationParams([item])).add_done_callback(take)


def listen_to_changes(server: DlmLanguageServer) -> None:
    """Register for changes of the settings, if the client supports registration."""
    workspace = server.client_capabilities.workspace
    capability = workspace and workspace.did_change_configuration
    if not (capability and capability.dynamic_registration):
        return

    def check(answer: "Future[None]") -> None:
        if not answer.cancelled() and (error := answer.exception()):
            logger.warning("the client refused to send changes of its settings: %s", error)

    options = types.DidChangeConfigurationRegistrationOptions(section=SECTION)
    registration = types.Registration(SECTION, types.WORKSPACE_DID_CHANGE_CONFIGURATION, options)
    server.client_register_capability(types.RegistrationParams([registration])).add_done_callback(check)


def _configure(server: DlmLanguageServer, section: object) -> None:
    if isinstance(section, Mapping):
        section = {name: value for name, value in section.items() if str(name).partition(".")[0] != _CLIENTS_OWN}
    server.configure("configuration", parse_options(section))
    server.report_problems()
    _stop_what_is_left_alone_now(server)
    _preload(server)


def _stop_what_is_left_alone_now(server: DlmLanguageServer) -> None:
    for uri in server.opened:
        try:
            open_snapshot(server, uri)
        except DlmLspError:
            stop_fills(server, uri)


def _preload(server: DlmLanguageServer) -> None:
    if server.settings.preload and server.settings.enabled and not server.policy.is_all_off:
        server.desk.load()
