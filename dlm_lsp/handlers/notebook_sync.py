"""notebookDocument/didOpen, didChange, didClose: every cell is a document like any other, with a place in its notebook.

Neovim's client has no such messages. VS Code's client sends cells by no others.
"""

from lsprotocol import types

from dlm_lsp.handlers import document_sync
from dlm_lsp.session import DlmLanguageServer


def did_open(server: DlmLanguageServer, params: types.DidOpenNotebookDocumentParams) -> None:
    """Take in a notebook with its cells."""
    notebook = params.notebook_document
    server.notebooks.open(notebook.uri, notebook.cells)
    for item in params.cell_text_documents:
        document_sync.take_in(server, item, notebook.uri)


def did_change(server: DlmLanguageServer, params: types.DidChangeNotebookDocumentParams) -> None:
    """Follow cells that come, go and move, and the edits of their texts."""
    uri, cells = params.notebook_document.uri, params.change.cells
    if cells is None or not (cells.structure or cells.text_content):
        return
    if cells.structure:
        server.notebooks.change(uri, cells.structure.array)
        for item in cells.structure.did_open or ():
            document_sync.take_in(server, item, uri)
        for closed in cells.structure.did_close or ():
            document_sync.did_close(server, types.DidCloseTextDocumentParams(closed))
    for edited in cells.text_content or ():
        document_sync.did_change(server, types.DidChangeTextDocumentParams(edited.document, edited.changes))
    _forget_answers(server, uri, {edited.document.uri for edited in cells.text_content or ()})


def did_close(server: DlmLanguageServer, params: types.DidCloseNotebookDocumentParams) -> None:
    """Forget a notebook with its cells, also those that the client does not name."""
    uri = params.notebook_document.uri
    named = (closed.uri for closed in params.cell_text_documents)
    for cell in dict.fromkeys((*server.notebooks.cells_of(uri), *named)):
        document_sync.did_close(server, types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(cell)))
    server.notebooks.close(uri)


def _forget_answers(server: DlmLanguageServer, uri: str, edited: set[str]) -> None:
    """Forget the fills of the cells whose own text is as it was, since what they were made from has changed."""
    for cell in server.notebooks.cells_of(uri):
        if cell not in edited:
            server.recent_answers.forget(cell)
