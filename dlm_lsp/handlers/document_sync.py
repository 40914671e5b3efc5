"""textDocument/didOpen, didChange, didClose: keep the text current, and stop work on text that is gone."""

import asyncio
from contextlib import suppress

from lsprotocol import types

from dlm_lsp.errors import DlmLspError
from dlm_lsp.handlers.filling import stop_fill, stop_fills
from dlm_lsp.keystrokes.triggers import edit_of
from dlm_lsp.session import DlmLanguageServer, OpenDocument


def did_open(server: DlmLanguageServer, params: types.DidOpenTextDocumentParams) -> None:
    """Take the document in."""
    take_in(server, params.text_document)


def take_in(server: DlmLanguageServer, item: types.TextDocumentItem, notebook: str | None = None) -> None:
    """Open a document, or a cell of a notebook, in place of any that was open under its name."""
    stop_fills(server, item.uri)
    server.opened[item.uri] = OpenDocument()
    server.documents.open(item, notebook)


def did_change(server: DlmLanguageServer, params: types.DidChangeTextDocumentParams) -> None:
    """Apply the edits; a fill of the text before them could only be shown in the wrong place.

    A run of ghost text goes on while what is typed is what its draft says; the request that began it is over.
    """
    uri = params.text_document.uri
    server.documents.change(params.text_document, params.content_changes, server.position_encoding)
    stop_fill(server, uri, "edit")
    document = server.opened.get(uri)
    if document is None:
        return
    with suppress(DlmLspError):
        snapshot = server.documents.snapshot(uri)
        server.typing_pace.on_edit(asyncio.get_running_loop().time())
        document.last_edit = edit_of(params.content_changes, snapshot, server.position_encoding)
        if document.run and not document.run.follow(snapshot):
            document.run.cancel()
    document.drop_request()


def did_close(server: DlmLanguageServer, params: types.DidCloseTextDocumentParams) -> None:
    """Forget the document."""
    uri = params.text_document.uri
    stop_fills(server, uri)
    server.opened.pop(uri, None)
    server.documents.close(uri)
    server.forget(uri)
