"""workspace/executeCommand: our commands, and which of them is meant.

Start reading at `COMMANDS`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from dlm_lsp.errors import DlmLspError, UsageError
from dlm_lsp.handlers.acceptance import did_accept
from dlm_lsp.handlers.infill_hole import describe_engine, infill_hole
from dlm_lsp.handlers.infill_range import infill_range
from dlm_lsp.messages import DESCRIBE_ENGINE, DID_ACCEPT, INFILL_HOLE, INFILL_RANGE
from dlm_lsp.session import DlmLanguageServer
from dlm_model.errors import ModelError


@dataclass(frozen=True, slots=True)
class Command:
    """One of our commands.

    Attributes:
        name: As it is sent.
        run: Takes the arguments, returns the result.
        is_advertised: Editors may know of it: they offer what is advertised to their users.
    """

    name: str
    run: Callable[[DlmLanguageServer, Sequence[object]], Awaitable[dict[str, object] | None]]
    is_advertised: bool = True


COMMANDS = (
    Command(INFILL_RANGE, infill_range),
    Command(DID_ACCEPT, did_accept),
    Command(DESCRIBE_ENGINE, describe_engine, is_advertised=False),
    Command(INFILL_HOLE, infill_hole, is_advertised=False),
)


async def execute_command(server: DlmLanguageServer, params: types.ExecuteCommandParams) -> dict[str, object] | None:
    """Run one of our commands.

    Raises:
        JsonRpcException: no such command, or what the command could not do.
    """
    try:
        return await _command(params.command).run(server, params.arguments or ())
    except DlmLspError as error:
        raise JsonRpcException(str(error), error.lsp_code) from error
    except ModelError as error:
        raise JsonRpcException(str(error), types.LSPErrorCodes.RequestFailed) from error


def _command(name: str) -> Command:
    for command in COMMANDS:
        if command.name == name:
            return command
    raise UsageError(f"{name} is not a command of this server")
