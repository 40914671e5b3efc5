"""Which cells the open notebooks have, and in which order. What the cells say is in the document store."""

from collections.abc import Iterable, Iterator

from lsprotocol import types

from dlm_lsp.documents.cells import NO_CELLS, Cells
from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.document_store import DocumentStore
from dlm_lsp.errors import DlmLspError
from dlm_lsp.languages.cells import foreign_magic

ALL_NOTEBOOKS = types.NotebookDocumentSyncOptions([types.NotebookDocumentFilterWithNotebook("*")])
"""What clients are asked to send: notebooks of any kind, with all of their cells. As with files, the server says which
ones can be filled.
"""


class Notebooks:
    """Open notebooks by URI."""

    def __init__(self, documents: DocumentStore) -> None:
        """Hold none yet.

        Args:
            documents: Has the cells by their own URIs.
        """
        self._documents = documents
        self._cells: dict[str, list[str]] = {}

    def open(self, uri: str, cells: Iterable[types.NotebookCell]) -> None:
        """Take in a notebook with its cells in order."""
        self._cells[uri] = _uris(cells)

    def change(self, uri: str, change: types.NotebookCellArrayChange) -> None:
        """Put some cells in place of others; a notebook that is not open stays closed."""
        cells = self._cells.get(uri)
        if cells is not None:
            cells[change.start : change.start + change.delete_count] = _uris(change.cells or ())

    def close(self, uri: str) -> None:
        """Forget a notebook; one that is not open is no error."""
        self._cells.pop(uri, None)

    def cells_of(self, uri: str) -> tuple[str, ...]:
        """The URIs of a notebook's cells in order."""
        return tuple(self._cells.get(uri, ()))

    def around(self, snapshot: Snapshot) -> Cells:
        """What a document's notebook holds before and after it, of the same language; of other documents, nothing."""
        cells = self.cells_of(snapshot.home)
        if snapshot.uri not in cells:
            return NO_CELLS
        index = cells.index(snapshot.uri)
        before, after = (self._readable(uris, snapshot) for uris in (cells[:index], cells[index + 1 :]))
        return Cells(tuple(before), tuple(after))

    def _readable(self, uris: Iterable[str], snapshot: Snapshot) -> Iterator[Snapshot]:
        for uri in uris:
            try:
                cell = self._documents.snapshot(uri)
            except DlmLspError:
                continue
            is_code = cell.language is snapshot.language and not foreign_magic(cell.language, cell.text)
            if is_code and cell.text.strip():
                yield cell


def _uris(cells: Iterable[types.NotebookCell]) -> list[str]:
    return [cell.document for cell in cells]
