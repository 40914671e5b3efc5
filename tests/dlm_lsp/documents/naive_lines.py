"""Lines and columns by walking a text one character at a time, and the texts that tell whether others count as well."""

from typing import get_args

from hypothesis import strategies as st

from dlm_lsp.documents.positions import PositionEncoding

ENCODINGS: tuple[PositionEncoding, ...] = get_args(PositionEncoding)

PIECES = st.sampled_from(["a", "\t", "é", "漢", "😀", "a😀b", "\n", "\r", "\r\n", "\x0c", "\u2028", "\ufeff"])
r"""Drawn one character at a time, `\r` would seldom be followed by `\n`."""

TEXTS = st.lists(PIECES, max_size=40).map("".join)


def naive_lines(text: str) -> list[tuple[int, int]]:
    """(start, end without break) of every line."""
    lines, start, at = [], 0, 0
    while at < len(text):
        width = 2 if text[at : at + 2] == "\r\n" else 1
        if text[at] in "\r\n":
            lines.append((start, at))
            start = at + width
        at += width
    return [*lines, (start, len(text))]


def naive_offset(text: str, line: int, character: int, encoding: PositionEncoding) -> int:
    """The offset of an LSP position, clamped."""
    lines = naive_lines(text)
    if line >= len(lines):
        return len(text)
    start, end = lines[line]
    at, units = start, 0
    while at < end and units + _num_units(text[at], encoding) <= character:
        units += _num_units(text[at], encoding)
        at += 1
    return at


def _num_units(character: str, encoding: PositionEncoding) -> int:
    if encoding == "utf-32":
        return 1
    if encoding == "utf-16":
        return 2 if ord(character) > 0xFFFF else 1
    return len(character.encode("utf-8", "surrogatepass"))
