"""The documents that the client has open, kept current edit by edit, and why some of them are not read.

Bridges LSP's text synchronisation and `documents.Document`. pygls' own text documents are never consulted: they split
lines at form feeds and U+2028, where LSP does not.
"""

import logging
from collections.abc import Sequence

from lsprotocol import types
from pygls.uris import to_fs_path

from dlm_lsp.documents import Document, Snapshot
from dlm_lsp.errors import DlmLspError, DocumentNotOpenError, UnreadableDocumentError
from dlm_lsp.exclusions import secret_reason
from dlm_lsp.languages import language_for
from dlm_lsp.options import LARGEST_DOCUMENT_CHARS
from dlm_lsp.positions import PositionEncoding, well_formed

logger = logging.getLogger(__name__)


class DocumentStore:
    """Open documents by URI. A document that may not or cannot be read is held as the error that says so."""

    def __init__(self) -> None:
        self._documents: dict[str, Document | DlmLspError] = {}

    def open(self, item: types.TextDocumentItem) -> None:
        """Take a document in as the client sends it; one that is refused is remembered by its reason, not by its text.

        What settings exclude is taken in all the same: settings change while the document is open.
        """
        try:
            self._documents[item.uri] = _read(item)
        except DlmLspError as refusal:
            self._documents[item.uri] = refusal

    def change(
        self,
        identifier: types.VersionedTextDocumentIdentifier,
        changes: Sequence[types.TextDocumentContentChangeEvent],
        encoding: PositionEncoding,
    ) -> None:
        """Apply edits in order; positions past the end are clamped."""
        document = self._documents.get(identifier.uri)
        if not isinstance(document, Document):
            return
        version = document.snapshot().version
        if version is not None and identifier.version <= version:
            logger.warning("%s: version %s came after %s", identifier.uri, identifier.version, version)
        for change in changes:
            _apply(document, change, identifier.version, encoding)

    def close(self, uri: str) -> None:
        """Forget a document; one that is not open is no error."""
        self._documents.pop(uri, None)

    def is_current(self, snapshot: Snapshot) -> bool:
        """Whether the document is still open and was not edited since."""
        document = self._documents.get(snapshot.uri)
        return isinstance(document, Document) and document.snapshot().version == snapshot.version

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Every document that can be read, the last one opened first."""
        documents = reversed(self._documents.values())
        return tuple(document.snapshot() for document in documents if isinstance(document, Document))

    def snapshot(self, uri: str) -> Snapshot:
        """The document as it stands.

        Raises:
            DocumentNotOpenError: it is not open.
            UnsupportedLanguageError: there is no grammar for it.
            UnreadableDocumentError: it may not be read into a prompt.
        """
        document = self._documents.get(uri)
        if document is None:
            raise DocumentNotOpenError(f"{uri} is not open")
        if isinstance(document, DlmLspError):
            raise document
        return document.snapshot()


def path_of(uri: str) -> str | None:
    """The path of a file URI; None for untitled documents, notebook cells and whatever else is no file."""
    return to_fs_path(uri) if uri.startswith("file:") else None


def _read(item: types.TextDocumentItem) -> Document:
    path = path_of(item.uri)
    if reason := secret_reason(path):
        raise UnreadableDocumentError(reason)
    language = language_for(path, item.language_id)
    if len(item.text) > LARGEST_DOCUMENT_CHARS:
        raise UnreadableDocumentError(f"no setting allows a document of {len(item.text)} characters")
    return Document.open(item.uri, language, well_formed(item.text), item.version)


def _apply(
    document: Document, change: types.TextDocumentContentChangeEvent, version: int, encoding: PositionEncoding
) -> None:
    snapshot = document.snapshot()
    if isinstance(change, types.TextDocumentContentChangePartial):
        ends = (change.range.start, change.range.end)
        start, end = sorted(snapshot.lines.offset(each.line, each.character, encoding) for each in ends)
    else:
        start, end = 0, len(snapshot.text)
    document.replace(start, end, well_formed(change.text), version)
