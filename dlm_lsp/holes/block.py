"""Lines of code, and which of them count for the depth of a block. Knows nothing about documents or syntax trees."""

import re
from dataclasses import dataclass, replace

from dlm_lsp.holes.indentation import IndentStyle
from dlm_lsp.languages import Language
from dlm_lsp.languages.brackets import LEADING_CLOSERS, growth

_PREPROCESSOR = re.compile(r"#\s*(?:if|ifdef|ifndef|elif|else|endif|define|undef|include|pragma|error)\b")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines without line breaks, and which of them say how deep they are.

    Attributes:
        language: What they are written in.
        lines: The first begins with its text; all others with their indentation.
        code: The same lines, as `Language.code_only` leaves them.
        literal_lines: Lines whose indentation is content: those that begin inside a string, and the preprocessor's.
        statement_lines: Lines after the first that stand at a statement's own depth. Where indentation makes blocks,
            every line that begins a statement; elsewhere the lines outside all brackets and block words, closing ones
            included.
    """

    language: Language
    lines: tuple[str, ...]
    code: tuple[str, ...]
    literal_lines: frozenset[int]
    statement_lines: tuple[int, ...]

    @classmethod
    def of(cls, language: Language, lines: list[str]) -> "Block":
        """Tell the lines apart."""
        text = "\n".join(lines)
        code = language.code_only(text).split("\n")
        literal_lines = _literal_lines(language, text)
        if not language.is_indented:
            literal_lines |= {number for number, line in enumerate(code) if _PREPROCESSOR.match(line.lstrip())}
        outside = _lines_outside_brackets(language, code)
        statement_lines = [number for number in outside if number and number not in literal_lines]
        return cls(language, tuple(lines), tuple(code), literal_lines, tuple(statement_lines))

    def trimmed(self) -> "Block":
        """The lines without blanks at their ends, except where a string goes on."""
        trimmed = (line if n + 1 in self.literal_lines else line.rstrip() for n, line in enumerate(self.lines))
        return replace(self, lines=tuple(trimmed))

    @property
    def own_lines(self) -> list[int]:
        """The statement lines, without those of words like `else` that divide a block which the lines did not open."""
        words = self.language.words
        return [number for number in self.statement_lines if not (words and words.divides(self.code[number]))]

    def depths(self, style: IndentStyle) -> list[int]:
        """Columns at which the `own_lines` begin."""
        return [style.depth(self.lines[number]) for number in self.own_lines]


def _lines_outside_brackets(language: Language, code: list[str]) -> list[int]:
    """Lines with code that no bracket or word holds open, up to one that closes more than was opened."""
    outside, depth, words = [], 0, language.words
    for number, line in enumerate(code):
        closers = None if language.is_indented else LEADING_CLOSERS.match(line)
        num_closed = len(re.sub(r"\s", "", closers.group())) if closers else 0
        num_closed = num_closed or bool(words and words.num_closing(line))
        is_continued = number > 0 and code[number - 1].rstrip().endswith("\\")
        is_inside = depth - num_closed > 0
        depth += growth(line) + (words.growth(line) if words else 0)
        if depth < 0:
            break
        if line.strip() and not is_inside and not is_continued:
            outside.append(number)
    return outside


def _literal_lines(language: Language, text: str) -> frozenset[int]:
    numbers: set[int] = set()
    for match in language.literal.finditer(text):
        is_comment = language.comment_start.match(match.group()) is not None
        if "\n" in match.group() and not is_comment:
            first = text.count("\n", 0, match.start())
            numbers.update(range(first + 1, first + match.group().count("\n") + 1))
    return frozenset(numbers)
