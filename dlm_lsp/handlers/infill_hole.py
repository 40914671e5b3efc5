"""workspace/executeCommand for `dlm-lsp infill --connect`: holes of texts that no editor has open.

The command has found the hole and will judge the fills. Only the denoising happens here.
"""

import asyncio
from collections.abc import Sequence

from dlm_lsp.engine_facts import EngineFacts
from dlm_lsp.errors import UsageError
from dlm_lsp.hole_wire import draft_to_json, request_from_json
from dlm_lsp.messages import INFILL_DRAFT, INFILL_HOLE
from dlm_lsp.session import DlmLanguageServer
from dlm_lsp.worker import Result, Task
from dlm_model.request import CancelToken, Draft, InfillEngine


async def describe_engine(server: DlmLanguageServer, _arguments: Sequence[object]) -> dict[str, object]:
    """Take the engine that the editors use, load it if it is not loaded, and say which one it is.

    A shell has no settings of an editor's, which may name another model. Where no editor has used any yet, it is the
    one of the daemon's flags and the user's config file.

    Raises:
        ModelUnavailableError: it cannot be loaded.
    """

    def task(engine: InfillEngine, _cancel: CancelToken) -> dict[str, object]:
        return EngineFacts.of(engine)._asdict()

    server.desk.take_last_used()
    return await _run(server, task)


async def infill_hole(server: DlmLanguageServer, arguments: Sequence[object]) -> None:
    """Denoise a hole, and send every draft, the last one with its candidates.

    Raises:
        DlmLspError: arguments that are not `[hole]`, or a hole that cannot be filled.
        ModelError: the model cannot serve it.
    """
    if len(arguments) != 1:
        raise UsageError(f"{INFILL_HOLE} takes [hole]")
    from dlm_lsp.infilling import infill  # noqa: PLC0415 - `initialize` is answered before

    loop = asyncio.get_running_loop()

    def send(draft: Draft) -> None:
        server.protocol.notify(INFILL_DRAFT, draft_to_json(draft))

    def task(engine: InfillEngine, cancel: CancelToken) -> None:
        for draft in infill(engine, request_from_json(arguments[0]), cancel):
            loop.call_soon_threadsafe(send, draft)

    await _run(server, task)


async def _run(server: DlmLanguageServer, task: Task[Result]) -> Result:
    """Have the worker do something that gives way to nobody: whoever waits for it typed a command."""
    server.desk.retry()
    return await server.desk.submit(object(), task, gives_way=False)
