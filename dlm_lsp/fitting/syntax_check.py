"""Where a draft breaks the syntax of its document: answers the engine's questions.

Knows holes and syntax trees; knows nothing of tokens or models.
"""

from dlm_lsp.holes.excerpts import errors_in
from dlm_lsp.holes.hole import Hole


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
