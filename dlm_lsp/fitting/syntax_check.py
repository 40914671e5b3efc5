"""Where a draft breaks the syntax of its document, and whether a fill does.

Knows holes and syntax trees; knows nothing of tokens or models.
"""

from typing import NamedTuple

from dlm_lsp.documents.document import SourceText
from dlm_lsp.fills import Fill
from dlm_lsp.holes.excerpts import Edit, errors_in
from dlm_lsp.holes.hole import Hole

_MOST_CHARACTERS = 200_000
"""Longest document that the language's own parser is asked about: that takes a quarter of a second, and no other
thread runs meanwhile."""


def adds_no_error(hole: Hole, fill: Fill) -> bool:
    """Whether the whole document parses no worse with a fill than without it, and than with something harmless there.

    Neither has its tree more ERROR and MISSING nodes, nor do more of them lie in the fill: in a document that is broken
    already, a new error may swallow an old one. If the language's own parser accepts the document without the fill, or
    with something harmless in its place, it must accept it with the fill too.

    `Fill.parse_valid` alone says less: it looks at an excerpt, and takes the block of a header to be on its way.
    """
    edit = Edit(fill.start, fill.end, fill.text)
    return _has_no_worse_tree(hole, edit) and not _is_refused(hole, edit)


def _is_refused(hole: Hole, edit: Edit) -> bool:
    """Whether the language's own parser refuses a document after an edit, but takes it before, or with no harm done.

    Where it refuses both of these, it says nothing of the edit.
    """
    parses = hole.language.own_parser
    if parses is None or len(hole.snapshot.text) > _MOST_CHARACTERS:
        return False
    edits = (edit, hole.neutral.edit, hole.edit(hole.replaced))
    with_fill, *others = (hole.language.without_commands(_edited(hole, each)) for each in edits)
    return not parses(with_fill) and any(map(parses, others))


def _has_no_worse_tree(hole: Hole, edit: Edit) -> bool:
    errors = _count_errors(hole, edit)
    if not errors.in_all:
        return True
    harmless = _count_errors(hole, hole.neutral.edit)
    now = _count_errors(hole, hole.edit(hole.replaced)).in_all
    if errors.in_all <= min(harmless.in_all, now) and errors.in_edit <= harmless.in_edit:
        return True
    # Below a bracket that is open far away, the parser recovers otherwise for any text: there the excerpt has to do.
    is_broken_elsewhere = harmless.in_all > 0 and now > 0 and not hole.neutral.num_errors
    return is_broken_elsewhere and not hole.neutral.excerpt.parse(edit).num_errors


class _NumErrors(NamedTuple):
    in_all: int
    in_edit: int


def _count_errors(hole: Hole, edit: Edit) -> _NumErrors:
    """ERROR and MISSING nodes of the document after an edit, and those of them that begin in the edit."""
    source = SourceText(_edited(hole, edit))
    start, end = source.to_byte(edit.start), source.to_byte(edit.start + len(edit.text))
    begins = [node.start_byte for node in errors_in(hole.language.parse(source.encoded).root_node)]
    return _NumErrors(len(begins), sum(start <= begin <= end for begin in begins))


def _edited(hole: Hole, edit: Edit) -> str:
    text = hole.snapshot.text
    return text[: edit.start] + edit.text + text[edit.end :]


class DraftChecker:
    """The `SyntaxChecker` of one hole. Parses nothing until it is asked: most fills need no answer."""

    def __init__(self, hole: Hole) -> None:
        self._hole = hole

    def errors(self, middle: str) -> tuple[tuple[int, int], ...]:
        """Half-open character ranges of a middle under the innermost ERROR and MISSING nodes; empty if it adds none.

        An error that lies beyond the middle is the fault of its end.
        """
        placement, neutral = self._hole.placement, self._hole.neutral
        parsed = neutral.excerpt.parse(self._hole.edit(placement.set(middle)))
        if parsed.num_errors <= neutral.num_errors or not middle:
            return ()
        start = self._hole.start - parsed.shift + len(placement.before)
        ranges = (
            (parsed.source.to_offset(node.start_byte) - start, parsed.source.to_offset(node.end_byte) - start)
            for node in errors_in(parsed.root)
            if not any(child.has_error for child in node.children)
        )
        found = tuple(
            (max(0, begin), min(end, len(middle))) for begin, end in ranges if begin <= len(middle) and end >= 0
        )
        return found or ((len(middle) - 1, len(middle)),)
