"""Middle → fill: the model's text, fitted into its place in the document and judged by the parser.

Knows holes and their documents; knows nothing about models or LSP.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.positions import with_line_feeds
from dlm_lsp.fills import Fill
from dlm_lsp.fitting.block_fitting import BlockFitter
from dlm_lsp.fitting.repairs import (
    splits_word,
    without_idle_end,
    without_other_files,
    without_overlap,
    without_repeated_text,
)
from dlm_lsp.holes.definitions import ancestors
from dlm_lsp.holes.excerpts import Edit, ParsedExcerpt
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.indentation import indent_style, indentation, line_above, opens_block
from dlm_lsp.holes.scopes import functions_around
from dlm_lsp.holes.statements import completes_headers
from dlm_lsp.holes.unclosed import with_brackets_closed, with_closers, without_unmatched_closers
from dlm_lsp.languages.brace_words import HEADER

MAX_CUT_LINES = 8
"""Upper bound on lines cut off in search of a beginning that parses; each costs a parse."""

_ENDS_OF_LINES = (";", ",", "{", "}")
"""Ends after which code needs a line break to go on."""

_LONE_WORD = re.compile(r"\s*\w+\s*")
"""Matches a single word, which does nothing as a statement."""

_ENDS_HEADER = re.compile(r"(?:[\w)\]]|(?<!=)>)\Z")

_LAST_WORD, _FIRST_WORD = re.compile(r"\w+\Z"), re.compile(r"\A\w+")


def present(hole: Hole, middle: str) -> Fill:
    """Fit the model's text into a hole.

    Indentation follows the document. Dropped are text that the suffix has already, closers without an opener, loops,
    and blank ends. If only the parser can tell whether a closer belongs, the version with fewer errors wins. Statements
    that do not parse are cut back to the lines that do: a full canvas often ends in the middle of a line, and the lines
    before are worth accepting.
    """
    middle = without_repeated_text(without_other_files(hole.language, with_line_feeds(middle)))
    fitter = BlockFitter(hole)
    text, is_valid = _best_version(fitter, middle)
    if text and not is_valid and (beginning := _valid_beginning(fitter, middle)):
        text, is_valid = beginning, True
    return Fill(text.replace("\n", hole.snapshot.line_ending), hole.start, hole.end, is_valid)


def is_whole(fitter: BlockFitter, middle: str) -> bool:
    """Whether the end of a text is complete: it would be presented whole, or not at all."""
    text, is_valid = _best_version(fitter, with_line_feeds(middle))
    return is_valid or not text


def _best_version(fitter: BlockFitter, middle: str) -> tuple[str, bool]:
    """The reading of the model's text with the fewest errors, and whether it adds none; empty where nothing is left."""
    hole = fitter.hole
    is_sound = {version.text: version.is_sound for version in _versions(fitter, middle)}
    if not is_sound:
        return "", False
    version_of = {hole.edit(text): text for text in is_sound}
    end_of_line = hole.end + len(hole.right)
    for text in is_sound if hole.kind == "line" else ():
        if assumed := _assumed(hole, text):
            version_of[Edit(hole.start, end_of_line, text + assumed)] = text
    best = hole.neutral.excerpt.best(version_of)
    text, likeliest = version_of[best.edit], next(iter(is_sound))
    is_valid = best.num_errors <= hole.neutral.num_errors and is_sound[text]
    is_doubtful = not hole.is_inline and (text != likeliest or not is_valid)
    if is_doubtful and is_sound[likeliest] and completes_headers(hole.snapshot, hole.start, likeliest):
        return likeliest, True
    return text, is_valid and (_is_above_code(hole) or not _ends_with_attribute(best))


def _assumed(hole: Hole, text: str) -> str:
    """The rest of a text's line, and the code that has to follow such a line; empty if none has to.

    A decorator needs a definition. A header needs a block, after which the call that holds it is closed. Without these,
    either is an error. In data, brackets that a value leaves open are closed right away.
    """
    language, left, right = hole.language, hole.left, hole.right
    if language.is_indented:
        is_decorator = left.lstrip().startswith("@")
        return f"{right}\n{indentation(left)}def _(): {language.neutral_statement}" if is_decorator else ""
    code = language.code_only(left + text + right).rstrip()
    if language.words:
        ends = language.words.ends_missing(code)
        return "\n".join([right, *ends]) if ends else ""
    if language.is_data or "\n" in text or not (code.endswith("{") or _is_header(hole, code)):
        return ""
    if not code.endswith("{"):
        return f"{right} {{}}"
    (closed,) = with_brackets_closed(language, [code])
    return right + closed.removeprefix(code)


def _is_header(hole: Hole, code: str) -> bool:
    """Whether a line may lack only its block; in a function, no other function begins without a keyword."""
    is_whole_line = _ENDS_HEADER.search(code) is not None
    is_in_function = bool(functions_around(hole.language, hole.neutral.root, hole.neutral.edit_byte))
    return is_whole_line and (HEADER.match(code) is not None or (")" in code and not is_in_function))


class _Version(NamedTuple):
    """One way to read the model's text, with line breaks as `\\n`, and whether its indentation makes blocks."""

    text: str
    is_sound: bool = True


def _versions(fitter: BlockFitter, middle: str) -> Iterator[_Version]:
    """The ways to read the model's text, the most likely first; one is empty if the document has all of it."""
    return _inline_versions(fitter.hole, middle) if fitter.hole.is_inline else _block_versions(fitter, middle)


def _valid_beginning(fitter: BlockFitter, middle: str) -> str:
    """The longest beginning, in lines, that adds no error and lacks nothing but the braces that it leaves open.

    Empty where none do, or the hole is within a line.
    """
    hole = fitter.hole
    if hole.is_inline:
        return ""
    language, lines = hole.language, fitter.fit(middle)
    # All lines do not parse as they are, but may once their braces are closed.
    most = len(lines) - 1 if language.is_indented else len(lines)
    fewest = max(1, len(lines) - MAX_CUT_LINES)
    for num_lines in range(most, fewest - 1, -1):
        kept = fitter.without_repeats(lines[:num_lines])
        closed = "\n".join(with_closers(language, kept, hole.placement.indent))
        has_items = language.is_data and not language.is_indented
        texts = (closed.removesuffix(","), closed.removesuffix(",") + ",") if has_items else (closed,)
        parsed = hole.neutral.excerpt.best(hole.edit(hole.placement.set(text)) for text in texts)
        is_valid = parsed.num_errors <= hole.neutral.num_errors
        if kept and is_valid and fitter.is_sound(kept) and not _leads_on(parsed, kept):
            return parsed.edit.text
    return ""


def _leads_on(parsed: ParsedExcerpt, lines: list[str]) -> bool:
    """Whether lines end with a comment, a decorator or a `case` that belongs to the line that was cut off."""
    language = parsed.excerpt.snapshot.language
    last_line = language.code_only("\n".join(lines)).rpartition("\n")[2]
    # Where indentation makes blocks, the depths have already shown whether the lines below belong to the header.
    is_header = not language.is_indented and opens_block(language, last_line)
    return not last_line.strip() or is_header or _ends_with_attribute(parsed)


def _ends_with_attribute(parsed: ParsedExcerpt) -> bool:
    """Whether an edit's text ends with a decorator or the like, which then falls to the definition below."""
    node = parsed.root.descendant_for_byte_range(parsed.edit_last_byte, parsed.edit_last_byte + 1)
    attribute = next(ancestors(node, parsed.excerpt.snapshot.language.attributes), None)
    return attribute is not None and attribute.start_byte >= parsed.edit_byte


def _is_above_code(hole: Hole) -> bool:
    """Whether code stands right of a hole or on the very next line, so that a decorator may be meant for it."""
    lines, next_line = hole.snapshot.lines, hole.last_line + 1
    below = lines.line_text(next_line) if next_line < lines.num_lines else ""
    code = hole.right.strip() or below.strip()
    return bool(code) and not hole.language.closes(code)


def _inline_versions(hole: Hole, middle: str) -> Iterator[_Version]:
    """Versions of text that continues a line; first the one that repeats nothing of the line's rest.

    The last versions are a value with the comma before the item below, and with its open brackets closed.

    No version runs into the word right of it, unless the left side has begun that word, or the document has the joined
    word: models take the text on the right for a word of its own, not for the end of one that they begin.
    """
    left, right = hole.left, hole.right
    text = middle.split("\n", 1)[0] if hole.kind == "line" else middle.rstrip("\n")
    if not left.strip() or left[-1].isspace():
        text = text.lstrip(" \t")
    own_line = _on_own_line(hole, text)
    text = _without_comment(hole, text)
    is_spaced = not right.strip() or right[0].isspace()
    text = text.rstrip() if is_spaced else text
    unrepeated = without_overlap(text, right, left)
    own_lines = [_Version(own_line)] if own_line and unrepeated == text else []
    if text.rstrip().endswith(_ENDS_OF_LINES) or hole.language.closes(right):
        yield from own_lines
    if unrepeated != text:
        yield _Version(unrepeated.rstrip() if is_spaced or not unrepeated.strip() else unrepeated)
    is_within_word = splits_word(left + hole.replaced, right)
    if text.strip() and (is_within_word or not splits_word(text, right) or _is_known(hole.snapshot, text, right)):
        yield _Version(text)
    yield from own_lines
    opened = without_unmatched_closers(hole.language, text)
    if opened.strip() and right.lstrip().startswith(tuple(text[len(opened) :][:1])):
        yield _Version(opened)  # what the editor has closed, and the model has gone on from
    if hole.language.is_data and text.strip() and not right.strip():
        (closed,) = with_brackets_closed(hole.language, [text])
        yield from (_Version(f"{text},"), _Version(closed), _Version(f"{closed},"))


def _is_known(snapshot: Snapshot, text: str, right: str) -> bool:
    """Whether a document has the word that a text and what is right of it make together."""
    joint = "".join((*_LAST_WORD.findall(text), *_FIRST_WORD.findall(right)))
    return re.search(rf"\b{re.escape(joint)}\b", snapshot.text) is not None


def _on_own_line(hole: Hole, text: str) -> str:
    """A statement, an item or a comment as a line above the code that the hole is in front of; or else empty."""
    left, right = hole.left, hole.right
    if left.strip() or not right.strip() or not text.strip() or _LONE_WORD.fullmatch(text):
        return ""
    depth, is_closing = indentation(right), hole.language.closes(right)
    unit = indent_style(hole.snapshot, hole.first_line).unit if is_closing else ""
    return f"{depth}{unit}{text.rstrip()}\n{left}"


def _without_comment(hole: Hole, text: str) -> str:
    """The text up to the comment that it opens and that would take in the code right of it."""
    language = hole.language
    code = language.code_only(hole.right)
    if not code.strip() or not any(mark in text for mark in (language.line_comment, "/*")):
        return text
    parsed = hole.neutral.excerpt.parse(hole.edit(text))
    byte = parsed.source.to_byte(hole.start + len(text) + len(indentation(code)) - parsed.shift)
    comment = next(ancestors(parsed.root.descendant_for_byte_range(byte, byte + 1), language.comments), None)
    start = parsed.source.to_offset(comment.start_byte) + parsed.shift - hole.start if comment is not None else -1
    return text[:start].rstrip() if start >= 0 else text


def _block_versions(fitter: BlockFitter, middle: str) -> Iterator[_Version]:
    """Versions of statements on lines of their own; first the one without closers that it did not open.

    The last versions are an item with the comma before the item below, which models often omit, and one without a
    trailing comma, which not every language allows.
    """
    hole, placement, language = fitter.hole, fitter.hole.placement, fitter.hole.language
    left, right = hole.left, hole.right
    is_closed = right.lstrip().startswith("}") or (language.words is not None and language.words.closes(right))
    before, after = ("" if spaced else " " for spaced in (left[-1:].isspace(), right[:1].isspace()))
    is_item = _is_among_items(hole)
    within, no_more = fitter.within_braces(middle), without_unmatched_closers(language, middle)
    for text in dict.fromkeys((within, no_more, middle)):
        lines = _without_idle_end(fitter, fitter.fit(text))
        if len(lines) == 1 and is_closed and not placement.starts_line:
            yield _Version(f"{before}{lines[0]}{after}")
        elif lines:
            is_cut_off = language.is_data and with_brackets_closed(language, lines) != lines
            is_sound = fitter.is_sound(lines) and not is_cut_off
            yield _Version(placement.set("\n".join(lines)), is_sound)
            if is_item:
                yield _Version(placement.set("\n".join(lines) + ","), is_sound)
            if lines[-1].endswith(","):
                yield _Version(placement.set("\n".join(lines)[:-1]), is_sound)


def _without_idle_end(fitter: BlockFitter, lines: list[str]) -> list[str]:
    """Fitted lines without idle lines at the end, if nothing follows in their block."""
    if not lines or fitter.hole.kind not in ("body", "statements"):
        return lines
    indent = fitter.hole.placement.indent
    first, *others = without_idle_end(fitter.hole.language, [indent + lines[0], *lines[1:]])
    return [first.removeprefix(indent), *others]


def _is_among_items(hole: Hole) -> bool:
    """Whether the line above ends as only lines in a list of items do."""
    above = line_above(hole.snapshot, hole.first_line) if hole.kind == "statement" else None
    return above is not None and hole.snapshot.lines.line_text(above).rstrip().endswith((",", "(", "[", "{"))
