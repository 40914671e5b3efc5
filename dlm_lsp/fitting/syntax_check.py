"""Where a draft breaks the syntax of its document: answers the engine's questions.

Knows holes and syntax trees; knows nothing of tokens or models.
"""

from functools import cached_property

from dlm_lsp.fitting.placement import parse_neutral, place
from dlm_lsp.holes.excerpts import ParsedExcerpt, errors_in
from dlm_lsp.holes.hole import Hole


class DraftChecker:
    """The `SyntaxChecker` of one hole. Parses nothing until it is asked: most fills need no answer."""

    def __init__(self, hole: Hole) -> None:
        self._hole = hole
        self._placement = place(hole)

    @cached_property
    def _neutral(self) -> ParsedExcerpt:
        return parse_neutral(self._hole)

    def errors(self, middle: str) -> tuple[tuple[int, int], ...]:
        """Half-open character ranges of a middle under the innermost ERROR and MISSING nodes; empty if it adds none.

        An error that lies beyond the middle is the fault of its end.
        """
        text = self._placement.set(middle)
        parsed = self._neutral.excerpt.parse(self._hole.edit(text))
        if parsed.num_errors <= self._neutral.num_errors or not middle:
            return ()
        start = self._hole.start - parsed.shift + len(self._placement.before)
        ranges = (
            (parsed.source.to_offset(node.start_byte) - start, parsed.source.to_offset(node.end_byte) - start)
            for node in errors_in(parsed.root)
            if not any(child.has_error for child in node.children)
        )
        found = tuple(
            (max(0, begin), min(end, len(middle))) for begin, end in ranges if begin <= len(middle) and end >= 0
        )
        return found or ((len(middle) - 1, len(middle)),)
