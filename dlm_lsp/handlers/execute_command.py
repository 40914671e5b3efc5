"""workspace/executeCommand: which of our commands it is."""

from lsprotocol import types

from dlm_lsp.errors import UsageError
from dlm_lsp.handlers.acceptance import did_accept
from dlm_lsp.handlers.infill_hole import describe_engine, infill_hole
from dlm_lsp.handlers.infill_range import infill_range
from dlm_lsp.messages import DESCRIBE_ENGINE, DID_ACCEPT, INFILL_HOLE, INFILL_RANGE
from dlm_lsp.session import DlmLanguageServer


async def execute_command(server: DlmLanguageServer, params: types.ExecuteCommandParams) -> dict[str, object] | None:
    """Run one of our commands.

    Raises:
        UsageError: no such command.
        DlmLspError: as the command says.
    """
    arguments = params.arguments or ()
    if params.command == INFILL_RANGE:
        return await infill_range(server, arguments)
    if params.command == DESCRIBE_ENGINE:
        return await describe_engine(server)
    if params.command == INFILL_HOLE:
        await infill_hole(server, arguments)
        return None
    if params.command != DID_ACCEPT:
        raise UsageError(f"{params.command} is not a command of this server")
    did_accept(server, params)
    return None
