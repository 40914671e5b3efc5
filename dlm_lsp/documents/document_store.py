"""The documents that the client has open, kept current edit by edit, or the reason why one is not read.

Connects LSP's text synchronisation with `documents.Snapshot`. pygls' own text documents are never used: they split
lines at form feeds and U+2028, where LSP does not.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from lsprotocol import types
from pygls.uris import to_fs_path

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.exclusions import secret_reason
from dlm_lsp.documents.positions import PositionEncoding, well_formed
from dlm_lsp.errors import DlmLspError, DocumentNotOpenError, UnreadableDocumentError
from dlm_lsp.languages import language_for
from dlm_lsp.languages.cells import as_cell
from dlm_lsp.options import LARGEST_DOCUMENT_CHARS

logger = logging.getLogger(__name__)

_Partial = types.TextDocumentContentChangePartial

MANY_CHANGES = 16
"""Changes in one message from which on they are joined into one, if they can be. Each would make a text of its own,
with its lines and its tree: in a long document two thousand take seconds.
"""


class DocumentStore:
    """Open documents by URI. In place of a document that may not or cannot be read, the error that says why is held."""

    def __init__(self) -> None:
        self._documents: dict[str, Snapshot | DlmLspError] = {}

    def open(self, item: types.TextDocumentItem, notebook: str | None = None) -> None:
        """Take in a document as the client sends it; if it is refused, only the reason is kept, not the text.

        Documents that the settings exclude are taken in too: settings may change while a document is open.

        Args:
            item: The document.
            notebook: URI of the notebook that it is a cell of.
        """
        try:
            if reason := secret_reason(path_of(notebook or item.uri)):
                raise UnreadableDocumentError(reason)
            # The name of a notebook says nothing of its cells.
            language = language_for(None if notebook else path_of(item.uri), item.language_id)
        except DlmLspError as refusal:
            self._documents[item.uri] = refusal
        else:
            blank = Snapshot.unparsed(item.uri, as_cell(language) if notebook else language, "", notebook=notebook)
            self._documents[item.uri] = _taken_in(blank, item.text, item.version)

    def change(
        self,
        identifier: types.VersionedTextDocumentIdentifier,
        changes: Sequence[types.TextDocumentContentChangeEvent],
        encoding: PositionEncoding,
    ) -> None:
        """Apply edits in order; positions past the end are clamped. A notification without any brings its version.

        A document that grows too large is refused from then on, and its text dropped. It is taken in again once the
        client sends the whole of it, by a change or by opening it.
        """
        uri, version = identifier.uri, identifier.version
        document = self._documents.get(uri)
        if isinstance(document, Snapshot):
            known = document.version
            if known is not None and version <= known:
                logger.warning("%s: version %s came after %s", uri, version, known)
            if len(changes) >= MANY_CHANGES and (joined := _joined(document, changes, encoding)):
                document, changes = _changed(document, joined, version), ()
        for change in changes:
            if isinstance(document, Snapshot):
                document = _changed(document, _located(document, change, encoding), version)
            elif isinstance(document, _TooLargeError) and not isinstance(change, _Partial):
                document = _taken_in(document.blank, change.text, version)
        if isinstance(document, Snapshot) and document.version != version:
            document = replace(document, version=version)
        if document is not None:
            self._documents[uri] = document

    def close(self, uri: str) -> None:
        """Forget a document; one that is not open is no error."""
        self._documents.pop(uri, None)

    def is_current(self, snapshot: Snapshot) -> bool:
        """Whether the document is still open and was not edited since."""
        document = self._documents.get(snapshot.uri)
        return isinstance(document, Snapshot) and document.version == snapshot.version

    def snapshots(self) -> tuple[Snapshot, ...]:
        """All documents that can be read, the most recently opened first."""
        return tuple(each for each in reversed(self._documents.values()) if isinstance(each, Snapshot))

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
            raise document.with_traceback(None)  # or it would keep the stack frames of everyone who got it
        return document


def path_of(uri: str) -> str | None:
    """The path of a file URI; None for untitled documents and anything else that is not a file.

    A notebook's cell is none: its path is that of the notebook, whose URI `Snapshot.home` is.
    Neovim calls a buffer without a name `file://`: its path is not the empty one, which is this process's own folder.
    """
    return to_fs_path(uri) or None if uri.startswith("file:") else None


class _TooLargeError(UnreadableDocumentError):
    """The document is larger than any setting allows: to follow its edits would take seconds each."""

    def __init__(self, like: Snapshot, num_chars: int) -> None:
        super().__init__(
            f"no setting allows a document of {num_chars} characters; once it has fewer than "
            f"{LARGEST_DOCUMENT_CHARS}, open it again"
        )
        self.blank = Snapshot.unparsed(like.uri, like.language, "", notebook=like.notebook)


def _taken_in(like: Snapshot, text: str, version: int) -> Snapshot | _TooLargeError:
    """A text as a document in the place of another one."""
    if len(text) > LARGEST_DOCUMENT_CHARS:
        return _TooLargeError(like, len(text))
    return Snapshot.unparsed(like.uri, like.language, well_formed(text), version, notebook=like.notebook)


class _Replacement(NamedTuple):
    """A change in character offsets of one text."""

    start: int
    end: int
    text: str


def _located(
    snapshot: Snapshot, change: types.TextDocumentContentChangeEvent, encoding: PositionEncoding
) -> _Replacement:
    if isinstance(change, _Partial):
        ends = (change.range.start, change.range.end)
        start, end = sorted(snapshot.lines.offset(each.line, each.character, encoding) for each in ends)
    else:
        start, end = 0, len(snapshot.text)
    return _Replacement(start, end, well_formed(change.text))


def _joined(
    snapshot: Snapshot, changes: Sequence[types.TextDocumentContentChangeEvent], encoding: PositionEncoding
) -> _Replacement | None:
    """The one change that comes to the same as many; None where one of them may move the place of another.

    Editors send those of several places from the last place to the first. Then each range means the same in the text
    before all of them, unless it touches the one that was changed before it.
    """
    located = [_located(snapshot, change, encoding) for change in changes]
    if any(lower.start <= upper.end for lower, upper in pairwise(located)):
        return None
    parts, position = [], located[-1].start
    for start, end, text in reversed(located):
        parts += [snapshot.text[position:start], text]
        position = end
    return _Replacement(located[-1].start, position, "".join(parts))


def _changed(snapshot: Snapshot, change: _Replacement, version: int) -> Snapshot | _TooLargeError:
    num_chars = len(snapshot.text) - (change.end - change.start) + len(change.text)
    if num_chars > LARGEST_DOCUMENT_CHARS:
        return _TooLargeError(snapshot, num_chars)
    return snapshot.replaced(*change, version)
