"""Middle → fill: what the model wrote, made to fit the place where it will stand, and judged by the parser.

Knows snapshots and holes; knows nothing about models or LSP.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dlm_lsp.documents import Snapshot
from dlm_lsp.enclosing import header_indentation
from dlm_lsp.excerpts import Edit, ParsedExcerpt
from dlm_lsp.holes import Hole
from dlm_lsp.indentation import IndentStyle, indent_style, indentation, line_below
from dlm_lsp.placement import Placement, is_inline, parse_neutral, place, sides
from dlm_lsp.reindent import Block, reindented
from dlm_lsp.repairs import (
    without_blank_ends,
    without_loops,
    without_overlap,
    without_suffix,
    without_unmatched_closers,
)

MAX_SUFFIX_LINES = 30  # below the hole, searched for what the fill repeats of them


@dataclass(frozen=True, slots=True)
class Fill:
    """A replacement of the document's characters `[start, end)`.

    Attributes:
        text: With the document's line endings; empty when there is nothing to show.
        start: Character offset.
        end: Character offset.
        parse_valid: The document has no more ERROR or MISSING nodes with the fill than with a neutral statement in
            its place; false when there is nothing to show.
    """

    text: str
    start: int
    end: int
    parse_valid: bool


def present(snapshot: Snapshot, hole: Hole, middle: str) -> Fill:
    """Fit the model's text into a hole.

    Indentation follows the document; what the suffix has already, closers of what was never opened, loops, and blank
    ends are dropped. Where it takes the parser to tell whether a closer belongs, the version with fewer errors wins.
    """
    middle = middle.replace("\r\n", "\n").replace("\r", "\n")
    neutral = parse_neutral(snapshot, hole)
    versions = _inline_versions if is_inline(snapshot, hole) else _block_versions
    texts = dict.fromkeys(text for text in versions(snapshot, hole, middle, neutral) if text.strip())
    if not texts:
        return Fill("", hole.start, hole.end, parse_valid=False)
    best = neutral.excerpt.best(Edit(hole.start, hole.end, text) for text in texts)
    text = best.edit.text.replace("\n", snapshot.line_ending)
    return Fill(text, hole.start, hole.end, parse_valid=best.num_errors <= neutral.num_errors)


def _inline_versions(snapshot: Snapshot, hole: Hole, middle: str, _: ParsedExcerpt) -> Iterator[str]:
    """Text that continues a line, the version that repeats nothing of its rest first."""
    left, right = sides(snapshot, hole)
    text = middle.split("\n", 1)[0] if hole.kind == "line" else middle.rstrip("\n")
    if not left.strip() or left[-1].isspace():
        text = text.lstrip(" \t")
    if not right.strip() or right[0].isspace():
        text = text.rstrip()
    yield without_overlap(text, right)
    yield text


def _block_versions(snapshot: Snapshot, hole: Hole, middle: str, neutral: ParsedExcerpt) -> Iterator[str]:
    """Statements on lines of their own, the version that closes nothing it did not open first."""
    placement = place(snapshot, hole)
    for text in dict.fromkeys((without_unmatched_closers(snapshot.language, middle), middle)):
        lines = _block_lines(snapshot, hole, text, placement, neutral)
        if len(lines) == 1 and sides(snapshot, hole)[1].startswith("}") and not placement.starts_line:
            yield f" {lines[0]} "
        elif lines:
            yield placement.set("\n".join(lines))


def _block_lines(snapshot: Snapshot, hole: Hole, text: str, placement: Placement, neutral: ParsedExcerpt) -> list[str]:
    """The lines of a block, the first without indentation."""
    lines = without_blank_ends(text.split("\n"))
    if not lines:
        return []
    style = indent_style(snapshot, snapshot.lines.line_of(hole.start))
    floor = _floor(snapshot, hole, style, placement, neutral)
    starts_own_line = placement.starts_line and not sides(snapshot, hole)[0]
    is_absolute = starts_own_line or text.startswith(("\n", " \n", "\t\n"))
    first_depth = style.columns(indentation(lines[0])) if is_absolute else None
    lines = reindented(_trimmed_block(snapshot, lines), style, placement.indent, first_depth, floor)
    lines = _within_block(snapshot, style, lines, floor)
    full = [placement.indent + lines[0], *lines[1:]]
    full = without_suffix(without_loops(full), _lines_below(snapshot, hole))
    full = without_blank_ends(full)
    return [full[0].removeprefix(placement.indent), *full[1:]] if full else []


def _trimmed_block(snapshot: Snapshot, lines: list[str]) -> Block:
    """The lines without trailing whitespace, except where it belongs to a string that goes on."""
    block = Block.of(snapshot.language, lines)
    trimmed = [line if number + 1 in block.literal_lines else line.rstrip() for number, line in enumerate(lines)]
    return Block(block.language, tuple(trimmed), block.literal_lines, block.statement_lines)


def _floor(snapshot: Snapshot, hole: Hole, style: IndentStyle, placement: Placement, neutral: ParsedExcerpt) -> int:
    """Columns below which a statement of the fill would leave the block it is meant for."""
    target = style.columns(placement.indent)
    if hole.kind == "body" or not snapshot.language.is_indented:
        return target
    if hole.kind == "range":
        return 0
    header = header_indentation(neutral)
    below = line_below(snapshot, snapshot.lines.line_of(hole.end))
    depth_below = style.columns(indentation(snapshot.lines.line_text(below))) if below is not None else 0
    return max(min(target, depth_below), style.columns(header) + 1 if header is not None else 0)


def _within_block(snapshot: Snapshot, style: IndentStyle, lines: list[str], floor: int) -> list[str]:
    """The lines before the first statement that leaves the block, where indentation tells."""
    if not snapshot.language.is_indented:
        return lines
    for number in Block.of(snapshot.language, lines).statement_lines:
        if style.columns(indentation(lines[number])) < floor:
            return lines[:number]
    return lines


def _lines_below(snapshot: Snapshot, hole: Hole) -> list[str]:
    """The first lines after the hole's last line."""
    first = snapshot.lines.line_of(hole.end) + 1
    last = min(first + MAX_SUFFIX_LINES, snapshot.lines.num_lines)
    return [snapshot.lines.line_text(line).rstrip() for line in range(first, last)]
