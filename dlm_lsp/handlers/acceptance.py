"""What became of an item: shown, accepted in part (the notifications of Copilot's server), or as a whole."""

from collections.abc import Sequence

from dlm_lsp.session import DlmLanguageServer


def did_show(server: DlmLanguageServer, params: object) -> None:
    """textDocument/didShowCompletion `{item}`."""
    server.acceptance.record(_offer_id(params), "shown")


def did_partially_accept(server: DlmLanguageServer, params: object) -> None:
    """textDocument/didPartiallyAcceptCompletion `{item}`."""
    server.acceptance.record(_offer_id(params), "partial")


async def did_accept(server: DlmLanguageServer, arguments: Sequence[object]) -> None:
    """The command that every item carries; editors run it once they have inserted the item."""
    server.acceptance.record((list(arguments) or [None])[0], "accepted")


def _offer_id(params: object) -> object:
    """The first argument of the item's command; None for an item that is not ours."""
    command = getattr(getattr(params, "item", None), "command", None)
    return (list(getattr(command, "arguments", None) or ()) or [None])[0]
