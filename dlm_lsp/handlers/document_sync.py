"""textDocument/didOpen, didChange, didClose: keep the text current, and stop work on text that is gone."""

from lsprotocol import types

from dlm_lsp.handlers.filling import cancel_fills
from dlm_lsp.session import DlmLanguageServer


def did_open(server: DlmLanguageServer, params: types.DidOpenTextDocumentParams) -> None:
    """Take the document in, in place of whatever was open under its name."""
    cancel_fills(server, params.text_document.uri)
    server.documents.open(params.text_document)


def did_change(server: DlmLanguageServer, params: types.DidChangeTextDocumentParams) -> None:
    """Apply the edits; a fill of the text before them could only be shown in the wrong place."""
    cancel_fills(server, params.text_document.uri)
    server.documents.change(params.text_document, params.content_changes, server.position_encoding)


def did_close(server: DlmLanguageServer, params: types.DidCloseTextDocumentParams) -> None:
    """Forget the document."""
    cancel_fills(server, params.text_document.uri)
    server.documents.close(params.text_document.uri)
