"""workspace/configuration and workspace/didChangeConfiguration: the client's settings, at the start and live."""

import logging
from collections.abc import Mapping

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from dlm_lsp.messages import SECTION
from dlm_lsp.options import parse_options
from dlm_lsp.session import DlmLanguageServer

logger = logging.getLogger(__name__)


def did_change_configuration(server: DlmLanguageServer, params: types.DidChangeConfigurationParams) -> None:
    """Take the section that was pushed, or ask for it when none was."""
    if isinstance(params.settings, Mapping) and SECTION in params.settings:
        _configure(server, params.settings[SECTION])
    else:
        server.spawn(_pull(server))


async def configure_from_client(server: DlmLanguageServer) -> None:
    """At the start: listen for changes, pull the settings, and preload the model if they ask for it."""
    await _listen(server)
    await _pull(server)
    if server.settings.preload and server.settings.enabled:
        server.worker.load()


async def _listen(server: DlmLanguageServer) -> None:
    """Register for changes, with a client that asks to be registered with."""
    workspace = server.client_capabilities.workspace
    capability = workspace and workspace.did_change_configuration
    if not (capability and capability.dynamic_registration):
        return
    registration = types.Registration(
        id=SECTION,
        method=types.WORKSPACE_DID_CHANGE_CONFIGURATION,
        register_options=types.DidChangeConfigurationRegistrationOptions(section=SECTION),
    )
    try:
        await server.client_register_capability_async(types.RegistrationParams([registration]))
    except JsonRpcException as error:
        logger.warning("the client refused to send changes of its settings: %s", error)


async def _pull(server: DlmLanguageServer) -> None:
    """Ask the client for its settings, if it can be asked."""
    workspace = server.client_capabilities.workspace
    if not (workspace and workspace.configuration):
        return
    item = types.ConfigurationItem(section=SECTION)
    try:
        answers = await server.workspace_configuration_async(types.ConfigurationParams([item]))
    except JsonRpcException as error:
        logger.warning("the client did not give its settings: %s", error)
        return
    _configure(server, answers[0] if answers else None)


def _configure(server: DlmLanguageServer, section: object) -> None:
    server.configure("configuration", parse_options(section))
    server.report_problems()
