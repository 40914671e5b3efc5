"""workspace/executeCommand: which of our commands it is."""

from lsprotocol import types

from dlm_lsp.errors import UsageError
from dlm_lsp.handlers.acceptance import did_accept
from dlm_lsp.handlers.infill_range import infill_range
from dlm_lsp.messages import DID_ACCEPT, INFILL_RANGE
from dlm_lsp.session import DlmLanguageServer


async def execute_command(server: DlmLanguageServer, params: types.ExecuteCommandParams) -> dict[str, object] | None:
    """Run one of our commands.

    Raises:
        UsageError: no such command.
        DlmLspError: as the command says.
    """
    if params.command == INFILL_RANGE:
        return await infill_range(server, params.arguments or ())
    if params.command != DID_ACCEPT:
        raise UsageError(f"{params.command} is not a command of this server")
    did_accept(server, params)
    return None
