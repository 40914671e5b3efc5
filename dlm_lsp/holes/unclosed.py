"""Brackets, block words and tags of JSX: those that a text closes without opening them, or leaves open.

Works on lines and strings alone; knows nothing about documents or syntax trees.
"""

import re
from itertools import pairwise
from typing import NamedTuple

from dlm_lsp.holes.indentation import indentation
from dlm_lsp.languages import Language
from dlm_lsp.languages.brace_words import CONDITION, CONTAINER
from dlm_lsp.languages.brackets import CLOSER_OF, OPENER_OF, left_open, left_open_of_kind, num_unmatched

_CALLED = re.compile(r"\s*(?:go|defer)\s+func\b")
_SEMICOLON = re.compile(r";")
_CLOSES_CALL = re.compile(r"[)\]]+;?|;")
_IN_PARENTHESES = re.compile(r"\([^()]*\)")


class Unclosed(NamedTuple):
    """What is open around a place in a document, and what of it the document does not close yet.

    Whoever opens a brace or a `do` may close it only once its block is written; until then, the fill may have to. Where
    this is all of a document, three braces and one other bracket are missing, and two of the braces are in the class:

        class A {
          m() {
            f(() => {
              ▢

    Attributes:
        num_missing: Closing braces that the document lacks.
        num_inner: Braces that are open around the place within the innermost class or the like, whether the document
            closes them or not; 1 at least. What closes them all ends what is to be filled.
        num_calls: Other closing brackets that it lacks around these braces, or words, as of a call with a
            function in it.
        num_words: Closing words that it lacks within the innermost block of members.
        num_inner_words: Blocks with such words that are open there, whether the document closes them or not.
    """

    num_missing: int
    num_inner: int
    num_calls: int = 0
    num_words: int = 0
    num_inner_words: int = 0

    @property
    def lacks_some(self) -> bool:
        """Whether a brace or a word is missing."""
        return self.num_missing > 0 or self.num_words > 0


NOTHING_UNCLOSED = Unclosed(0, 1)


def without_unmatched_closers(language: Language, text: str, unclosed: Unclosed = NOTHING_UNCLOSED) -> str:
    """The text up to the first bracket, block word, or tag of JSX that closes what the text did not open.

    Args:
        language: What it is written in.
        text: The model's.
        unclosed: What it may close of the document, and where it is to end then.
    """
    opened: list[str] = []
    num_missing, num_inner, num_calls, num_words, num_inner_words = unclosed
    ends = language.words.ends if language.words else ()
    is_last = not num_missing and 0 < num_words == num_inner_words
    code = _own_code(language, text, num_words, is_last=is_last)
    for match in re.finditer(r"[()\[\]{}]|</([\w.]*)>", code):
        bracket = match.group()
        is_behind_word = num_words > 0 and code[: match.start()].endswith(ends)
        if bracket.startswith("<"):
            if not _is_tag_open(match[1], code[: match.start()]):
                return text[: match.start()]
        elif bracket in CLOSER_OF:
            opened.append(bracket)
        elif opened and opened[-1] == OPENER_OF[bracket]:
            opened.pop()
        elif bracket != "}" and not opened and num_calls and (num_missing < unclosed.num_missing or is_behind_word):
            num_calls -= 1
        elif bracket != "}" or opened or not num_missing:
            return text[: match.start()]
        elif num_inner == 1:
            around = (_CLOSES_CALL if num_calls else _SEMICOLON).match(code, match.end())
            return text[: around.end() if around else match.end()]
        else:
            num_missing, num_inner = num_missing - 1, num_inner - 1
    return text[: len(code)]


def _own_code(language: Language, text: str, num_missing: int = 0, *, is_last: bool = False) -> str:
    """The code of a text up to the first word that closes or divides what the text did not open."""
    code, words = language.code_only(text), language.words or language.spare_words
    own = code[: words.end_of_own(code, num_missing, is_last=is_last)] if words else code
    # Where the word stands in a tag of its own, the tag is not the text's either.
    is_in_tag = own != code and bool(language.code_tag) and own.rstrip().endswith(language.code_tag)
    return own.rstrip().removesuffix(language.code_tag) if is_in_tag else own


def unclosed_between(language: Language, before: str, after: str) -> Unclosed:
    """The braces and the block words that one text opens and the other does not close."""
    code, code_after = language.code_only(before), language.code_only(after)
    opened = left_open_of_kind(code)
    headers = [code[:start].rstrip().rpartition("\n")[2] for bracket, start in opened if bracket == "{"]
    while opened and opened[-1][0] != "{" and not language.words:
        opened.pop()
    num_missing = max(len(headers) - num_unmatched(code_after, "{")[1], 0)
    num_calls = max(len(opened) - len(headers) - num_unmatched(code_after, "([")[1], 0)
    num_inner = next((n for n, line in enumerate(reversed(headers)) if _is_container(line)), len(headers))
    num_words = language.words.num_missing(code, code_after) if language.words else (0, 0)
    return Unclosed(num_missing, max(num_inner, 1), num_calls, *num_words)


def outermost_open(language: Language, text: str) -> int:
    """Where the line begins that opens the first brace that a text leaves open; the end of the text if none does."""
    code = language.code_only(text)
    start = next((start for bracket, start in left_open_of_kind(code) if bracket == "{"), None)
    return len(text) if start is None else text.rfind("\n", 0, len(code[:start].rstrip())) + 1


def _is_container(header: str) -> bool:
    """Whether the line before a brace says that members stand in it, rather than statements."""
    return not CONDITION.match(header) and CONTAINER.search(_IN_PARENTHESES.sub("", header)) is not None


def _is_tag_open(name: str, code: str) -> bool:
    """Whether more tags of a name open than close; what is not certain to close itself counts as open."""
    tag = re.escape(name)
    num_opened = len(re.findall(rf"<{tag}(?=[\s>/])", code)) - len(re.findall(rf"<{tag}(?:\s[^<>]*)?/>", code))
    return num_opened > code.count(f"</{name}>")


def with_closers(language: Language, lines: list[str], indent: str) -> list[str]:
    """The lines and a `}` for every brace that they leave open, as deep as its line; in data, every closer.

    What is open around a brace is closed right after it, with a semicolon if the lines have any. Unchanged where a
    bracket is open that is in no brace, a condition, or a function of Go that has to be called behind its brace: nobody
    knows what was still to come there.

    Args:
        language: What they are written in; where indentation makes the blocks, nothing is missing.
        lines: The first without its indentation.
        indent: That of the first.
    """
    code = [] if language.is_indented else language.code_only(indent + "\n".join(lines)).split("\n")
    if language.words:
        return [*lines, *(language.words.ends_missing("\n".join(code)) or ())]
    if language.is_data and not language.is_indented:
        return _with_values_closed(language, indent + "\n".join(lines)).removeprefix(indent).split("\n")
    text = "\n".join(code)
    opened = [(bracket, code[text.count("\n", 0, start)]) for bracket, start in left_open(text)]
    is_unknown = any((_CALLED if each == "{" else CONDITION).match(line) for each, line in opened)
    if opened and (opened[-1][0] != "{" or is_unknown):
        return lines
    semicolon = ";" if any(line.rstrip().endswith(";") for line in code) else ""
    closing: list[str] = []
    for (bracket, line), (around, _) in pairwise([*reversed(opened), ("{", "")]):
        end = semicolon if bracket != "{" and around == "{" else ""
        start = [*closing, indentation(line)] if bracket == "{" else closing
        closing = [*start[:-1], f"{start[-1]}{CLOSER_OF[bracket]}{end}"]
    return [*lines, *closing]


def _with_values_closed(language: Language, text: str) -> str:
    """Some data with the lists closed that it leaves open, without a comma before; unchanged where it leaves none.

    A bracket that ends its line is closed on a line of its own, as deep as that of the bracket.
    """
    code = language.code_only(text)
    closers: list[str] = []
    for bracket, start in left_open(code):
        closer, line_start = CLOSER_OF[bracket], code.rfind("\n", 0, start) + 1
        ends_line = not code[start + 1 :].partition("\n")[0].strip()
        closers.append(f"\n{indentation(code[line_start:])}{closer}" if ends_line else closer)
    within_line, line_break, on_own_lines = "".join(reversed(closers)).partition("\n")
    end = len(code.rstrip())
    last = len(code[:end].removesuffix(",")) if closers else end
    return text[:last] + within_line + text[end:] + line_break + on_own_lines


def with_brackets_closed(language: Language, lines: list[str]) -> list[str]:
    """The lines with all that they leave open closed at the end of the last, before its comment."""
    code = language.code_only("\n".join(lines))
    closers = "".join(CLOSER_OF[bracket] for bracket, _ in reversed(left_open(code)))
    end = len(code.rpartition("\n")[2].rstrip())
    return [*lines[:-1], lines[-1][:end] + closers + lines[-1][end:]]
