"""Document and hole → the request for the engine: the lines on both sides that the model sees.

Knows a budget in tokens and a function that counts them; knows nothing of tokenizers, models or LSP.

    far above        imports kept while they fit, the rest dropped
    class A:         kept first: headers and signatures around the hole, then docstrings, up to a share
        def f(x):
            ...      dropped from far to near
            near     kept
            ▢        the hole
            near     kept
    far below        dropped
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from dlm_lsp.documents.cells import NO_CELLS, Cells
from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.positions import LineIndex, with_line_feeds
from dlm_lsp.holes.hole import Hole, HoleKind
from dlm_lsp.prompt.enclosing import EnclosingScope, enclosing_scope, line_range
from dlm_lsp.prompt.kept_lines import LONGEST_TOKEN, Budget, KeptLines
from dlm_model.request import INITIAL_TOKENS, InfillRequest

PREFIX_SHARE = 0.75
"""Share of the prompt for the text before the hole, which says more about it than the text after it. Each side takes
over what the other leaves.
"""
NOTES_SHARE = 0.5
"""Share of both sides that docstrings and comments of the definitions around the hole may take: one of three pages must
not crowd out the code it is about.
"""
IMPORTS_SHARE = 0.25
"""Share of the prefix that imports may take: names in reach matter, but less than the code beside the hole."""

STRIDES = 16
"""How many strides a budget has. The cost of the hole's own line and of the definitions around it is rounded up to
strides.

So the window over a long document moves rarely, and then far. A prompt that began with different lines at every key
would share no keys and values with the one before.
"""
EXPECTED_TOKENS: dict[HoleKind, int] = {"line": 16, "statement": 24, "statements": 48, "body": 64}
"""Tokens that each kind of hole is expected to need, rather too many than too few.

A canvas that is too short grows one position at a time, and one that is too long shrinks at once.

Measured on Python's standard library, in tokens of the packaged model: the rest of a line after a random place is at
most 12 long in 9 of 10 cases, a statement at most 24 in 3 of 4, two of them 45, a body at most 45 in half of the cases
(and 122 in 3 of 4, which would double the cost of every short one). Rounded up to canvas lengths from training. Of a
range, its old text alone tells how long the new one may be.
"""

_MARGIN = 1.25
"""Tokens expected for each token that was in the hole: the new text may be longer, and a canvas that is too long
shrinks at once.
"""


def build_request(
    hole: Hole, *, max_prompt_tokens: int, count_tokens: Callable[[str], int], cells: Cells = NO_CELLS
) -> InfillRequest:
    r"""The text around a hole, cut to a budget by whole lines, with line breaks as `\n`.

    It includes the indentation or line break before and after statements, so that the model begins with its first word;
    `presentation.present` puts them into the fill.

    Args:
        hole: What will be replaced.
        max_prompt_tokens: Tokens that prefix and suffix may have together, counted line by line.
        count_tokens: Tokens of a text on its own. Called once for every line kept, twice for those of the docstring,
            and for none in a document that fits whatever its tokens are.
        cells: The rest of the document's notebook; they are cut as if all were one file.
    """
    placement = hole.placement
    prefix, suffix = cells.text_before + hole.prefix, hole.suffix + cells.text_after
    added = placement.before + placement.after
    if len(hole.snapshot.encoded) + cells.num_bytes + len(added) > max_prompt_tokens:  # a token is one byte at least
        budget = Budget(max_prompt_tokens, count_tokens)
        is_room = not added or budget.spend(added)
        prefix, suffix = _trimmed(_site(hole, cells), budget) if is_room else ("", "")
    return InfillRequest(
        prefix=with_line_feeds(prefix) + placement.before,
        suffix=placement.after + with_line_feeds(suffix),
        single_line=hole.kind == "line",
        expected_tokens=_expected_tokens(hole, max_prompt_tokens, count_tokens),
    )


def build_plain_request(
    prefix: str, suffix: str, *, max_prompt_tokens: int, count_tokens: Callable[[str], int]
) -> InfillRequest:
    """The text around a hole in an unknown language, cut to a budget by keeping the nearest lines.

    Args:
        prefix: All that stands before the hole.
        suffix: All that stands after it.
        max_prompt_tokens: Tokens that both may have together, counted line by line.
        count_tokens: Tokens of a text on its own; not called where both fit whatever their tokens are.
    """
    prefix, suffix = with_line_feeds(prefix), with_line_feeds(suffix)
    text = prefix + suffix
    if len(text.encode("utf-8", "surrogatepass")) > max_prompt_tokens:
        lines, offset = LineIndex(text), len(prefix)
        site = _Site(text, lines, offset, offset, EnclosingScope(lines.line_of(offset), (), (), ()), ())
        prefix, suffix = _trimmed(site, Budget(max_prompt_tokens, count_tokens))
    return InfillRequest(prefix, suffix)


def _expected_tokens(hole: Hole, max_tokens: int, count_tokens: Callable[[str], int]) -> int:
    """Tokens that such a hole usually takes, or that its old text took, if those are more; counted up to a limit."""
    replaced = hole.replaced.strip()[: max(max_tokens, 1) * LONGEST_TOKEN]
    counted = round(_MARGIN * count_tokens(replaced)) if replaced else 0
    return max(EXPECTED_TOKENS.get(hole.kind, 0), counted) or INITIAL_TOKENS


class _Site(NamedTuple):
    """A hole `[start, end)` in all the text that its prompt is cut from.

    Attributes:
        text: A document, or a notebook with a blank line between its cells.
        lines: Where its lines begin.
        start: Character offset in the text.
        end: Character offset in the text.
        scope: The definitions around it, by lines of the text.
        imports: Lines above them that say where names come from.
    """

    text: str
    lines: LineIndex
    start: int
    end: int
    scope: EnclosingScope
    imports: Iterable[int]


def _site(hole: Hole, cells: Cells) -> _Site:
    snapshot, scope = hole.snapshot, enclosing_scope(hole)
    if cells == NO_CELLS:
        own_imports = _import_lines(snapshot, scope.first_line)
        return _Site(snapshot.text, snapshot.lines, hole.start, hole.end, scope, own_imports)
    text, num_above, imports = cells.text_before + snapshot.text + cells.text_after, 0, []
    for cell in cells.before:
        imports += [num_above + line for line in _import_lines(cell, cell.lines.num_lines)]
        num_above += cell.lines.num_lines + 1
    imports += [num_above + line for line in _import_lines(snapshot, scope.first_line)]
    shift = len(cells.text_before)
    scope = scope.below(num_above)
    return _Site(text, LineIndex(text), shift + hole.start, shift + hole.end, scope, imports)


def _trimmed(site: _Site, budget: Budget) -> tuple[str, str]:
    """Both sides, as much of each as the budget allows.

    Paid for in this order: the hole's own line, the definitions around it, the lines near above, imports, the lines
    below; and what is left goes to lines farther above.
    """
    lines = site.lines
    hole_line, last_line = lines.line_of(site.start), lines.line_of(site.end)
    stride = max(1, budget.left // STRIDES)
    left_end = site.text[lines.line_start(hole_line) : site.start]
    left = budget.spend_on_end(left_end, reserve=round(budget.left * (1 - PREFIX_SHARE)))
    is_last = last_line + 1 == lines.num_lines
    rest = site.text[site.end : lines.line_end(last_line)]
    right = budget.spend_on_start(rest if is_last else f"{rest}\n")

    prefix = KeptLines(lines, budget)
    _keep_enclosing(prefix, budget, site.scope)
    budget.left -= budget.left % stride
    reached = _keep_above(prefix, budget, site.scope, hole_line, site.imports)

    suffix = KeptLines(lines, budget)
    if right.endswith("\n"):
        suffix.keep_downwards(last_line + 1)
    if prefix.keep_upwards(reached, 0, reserve=0) > 0:
        prefix.begin_at_landmark()
    return prefix.text + left, right + suffix.text


def _keep_enclosing(prefix: KeptLines, budget: Budget, scope: EnclosingScope) -> None:
    """Keep signatures as far as the budget reaches, docstrings and comments up to their share of it."""
    for line in scope.signature_lines:
        prefix.keep(line)
    reserve_beside_notes = budget.left - round(budget.left * NOTES_SHARE)
    # The docstring says what to write: cut only if it does not fit at all, and then to its share.
    is_whole = prefix.fits(scope.docstring_lines)
    for line in scope.docstring_lines:
        prefix.keep(line, reserve=0 if is_whole else reserve_beside_notes)
    for line in scope.note_lines:
        prefix.keep(line, reserve=reserve_beside_notes)


def _keep_above(
    prefix: KeptLines, budget: Budget, scope: EnclosingScope, hole_line: int, imports: Iterable[int]
) -> int:
    """Keep the lines up to where the scope begins, then imports, then lines farther above; the topmost line reached."""
    reserve = round(budget.left * (1 - PREFIX_SHARE))
    for_imports = round((budget.left - reserve) * IMPORTS_SHARE)
    reached = prefix.keep_upwards(hole_line, scope.first_line, reserve=reserve)
    if reached == scope.first_line:
        reserve_beside_imports = max(reserve, budget.left - for_imports)
        for line in imports:
            prefix.keep(line, reserve=reserve_beside_imports)
        reached = prefix.keep_upwards(reached, 0, reserve=reserve)
    return reached


def _import_lines(snapshot: Snapshot, before: int) -> Iterator[int]:
    """Lines of the imports at the top level, in order."""
    for node in snapshot.top_level:
        if node.type in snapshot.language.imports:
            lines = line_range(snapshot, snapshot.to_offset(node.start_byte), snapshot.to_offset(node.end_byte))
            yield from (line for line in lines if line < before)
