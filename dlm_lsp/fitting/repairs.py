"""Removes what models add by mistake: text that the suffix has already, loops, and blank ends.

Works on lines and strings alone; knows nothing about documents or syntax trees.
"""

import re
from itertools import takewhile

from dlm_lsp.holes.indentation import indentation
from dlm_lsp.holes.unclosed import NOTHING_UNCLOSED, Unclosed, without_unmatched_closers
from dlm_lsp.languages import Language
from dlm_lsp.languages.brackets import BRACKET, CLOSER_OF

MIN_WORD_OVERLAP = 3
"""Fewest characters of a part of a word that make an overlap; shorter parts end one identifier and begin another by
chance."""

MAX_LOOP_LINES = 8
"""Lines of the longest repeated unit that is searched for at the end of a fill."""

MAX_CALLS = 4
"""Equal calls in a row that a fill may end with; more are a loop."""

MIN_COPIES = 5
"""Copies in a row that make a loop, of a unit of one line or less. Only the first of them says anything."""

MIN_COPIES_OF_LINES = 3
"""Copies in a row that make a loop, of a unit of several lines."""

MIN_COPIED_CHARS = 24
"""Characters of all copies that make a loop within a line; a unit as short as `_t` comes five times by chance."""

MAX_COPIED_CHARS = 160
"""Characters of the longest repeated unit that is searched for at the end of a text."""

MIN_SUFFIX_RUN = 3
"""Equal lines in a row that make a repetition of the lines below; code often begins like the code after it, and then
differs.
"""

MIN_SEMICOLONS = 2
"""Lines that end with a semicolon from which on it is a habit."""

OPEN_LITERALS = ("'", '"', "`", "/*")
"""Characters that begin a literal. Where `Language.code_only` leaves one, the literal has no end."""

_WORD = re.compile(r"\w")
_LONE_NAME = re.compile(r"\s+(?!(?:break|continue|pass|raise|return|yield|_+)\s*$)[^\W\d]\w*\s*")
"""Matches a line of code that is only a name; underscores alone are a literal."""

_NAME = re.compile(r"\s*(?!(?:break|continue)$)[\w$.?#]*\w")
_ONLY_CLOSES = re.compile(r"\s*(?:[)\]}]+[;,]*|</[\w.]*>|(?:done|end|esac|fi)\b)+\s*$")
_OPENS = re.compile(r"[(\[{]")
_REPEATABLE = re.compile(r"\s*(?:#\s*endif|(?!(?:return|throw|raise|if|while|for)\b)[\w.*&$][^=(]*\(.*\)\s*;?\s*$)")
"""Matches a line that may be repeated: a call has an effect each time, and an `#endif` closes each time."""

_SAYS_NOTHING = ("", "#", "--", "---", "//", "///")
"""Lines that are as good as blank: comments without any words."""

_ASSIGNED = re.compile(
    r"\s*(?:(?:const|let|var|val|lazy|static|final|pub|export)\s+)*\$?[\w.]+(?:->\w+)*(?:\s*:[^=]*)?\s*:?=(?!=)"
)


def without_other_files(language: Language, text: str) -> str:
    """The text before a comment that names a file, as the signatures of other files begin in a prompt.

    At the end of a document, models take such a list for the beginning of a document, and write another. It names files
    of the same language; `# self.items:` is a comment like any other.
    """
    suffixes = "|".join(map(re.escape, language.suffixes if language.functions else ()))
    heading = rf"^[ \t]*{re.escape(language.line_comment)} \S+(?:{suffixes or '(?!)'}):$"
    for named in re.finditer(heading, text, re.MULTILINE):
        before = text[: named.start()]
        if not any(mark in language.code_only(before) for mark in OPEN_LITERALS):
            return before
    return text


def breaks_off(language: Language, lines: list[str], indent: str) -> bool:
    """Whether the last line is only a name while all others end with a semicolon that the language does not require.

    A longer line may lack nothing but its semicolon.

    Args:
        language: What they are written in.
        lines: The first without its indentation.
        indent: That of the first.
    """
    if not language.has_optional_semicolons:
        return False
    whole = [indent + lines[0], *lines[1:]]
    code = [line.rstrip() for line in language.code_only("\n".join(whole)).split("\n")]
    depth = len(indentation(code[-1]))
    above = list(takewhile(lambda line: not line or len(indentation(line)) >= depth, reversed(code[:-1])))
    ends = [line[-1] for line in above if line and len(indentation(line)) == depth]
    is_name = _NAME.fullmatch(whole[-1][: len(code[-1])]) is not None
    return is_name and ends.count(";") >= MIN_SEMICOLONS and not any(map(_WORD.match, ends))


def without_repeated_text(text: str) -> str:
    """The text without the copies of a loop at its end, except one: `x.a.a.a.a.a.a`, `f(g(g(g(g(g(`.

    Finds what `without_repeated_lines` cannot see: loops within a line, and loops in a text that is still being
    written, whose last copy may be cut off. It wants more copies than that, because it cannot tell a call from an
    assignment. Lists of the same value, rulers (`0, 0, 0`, `----`, `AAAA`), rows of digits and blank
    lines are no loops.
    """
    for size in range(1, min(MAX_COPIED_CHARS, len(text) // MIN_COPIES_OF_LINES) + 1):
        start = len(text) - size
        while start > 0 and text[start - 1] == text[start - 1 + size]:
            start -= 1
        unit, num_chars = text[start : start + size], len(text) - start
        num_copies = MIN_COPIES if unit.count("\n") < 2 else MIN_COPIES_OF_LINES
        if num_chars < num_copies * size or ("\n" not in unit and num_chars < MIN_COPIED_CHARS):
            continue
        if not _may_repeat(unit):
            return text[: start + size]
    return text


def _may_repeat(unit: str) -> bool:
    """Whether a unit makes no loop, however often it comes: one of a list, of a ruler, or of a table of numbers."""
    is_list = "," in unit and not re.search(r"[(\[{=]", unit)
    is_ruler = not _WORD.search(unit) and not _OPENS.search(unit) and ("\n" not in unit or unit.isspace())
    is_of_digits = any(map(str.isdigit, unit)) and all(each.isdigit() or each.isspace() for each in unit)
    is_one_character = len(set(unit)) == 1 and unit.isalnum()
    return is_list or is_ruler or is_of_digits or is_one_character


def without_repeated_lines(lines: list[str]) -> list[str]:
    """The lines without immediate repetitions.

    A line is dropped if it repeats the line above. Several lines together are dropped only at the end, where a looping
    model has run out of space, perhaps in the middle of a line. There, repeated calls are dropped as well. Elsewhere
    calls may repeat (`next(it)`), and so may values of a list (`0,`) and lone brackets.
    """
    kept: list[str] = []
    for line in lines:
        may_repeat = _WORD.search(line) is None or line.endswith(",") or _REPEATABLE.match(line)
        if not kept or line != kept[-1] or may_repeat:
            kept.append(line)
    num_calls = next((n for n, line in enumerate(reversed(kept)) if line != kept[-1]), len(kept))
    if num_calls > MAX_CALLS and _REPEATABLE.match(kept[-1]):
        kept = kept[: 1 - num_calls]
    for period in range(2, MAX_LOOP_LINES + 1):
        copies = 2 if period > 2 else 3
        if len(kept) >= period * copies and _repeats(_completed(kept, period), period, copies):
            kept = _completed(kept, period)
            while len(kept) >= 2 * period and _repeats(kept, period, 2):
                kept = kept[:-period]
    return kept


def without_overlap(text: str, right: str, left: str = "") -> str:
    """The text without an end that repeats the beginning of the text right of it.

    Punctuation and whole words count at any length. Parts of words count only if they are long, so that no identifier
    is cut by chance. Blanks at the end of the text, and around the text right of it, do not count.

    Args:
        text: The model's.
        right: The text after it on its line.
        left: The text before it on its line; tells whether its first word is whole.
    """
    right, written = right.strip(), text.rstrip()
    for length in range(min(len(written), len(right)), 0, -1):
        overlap, rest = right[:length], right[length:]
        if not written.endswith(overlap):
            continue
        kept = written[:-length]
        is_punctuation, ends_whole = not _WORD.search(overlap), not splits_word(overlap, rest)
        is_whole = ends_whole and not splits_word(kept or left, overlap)
        if is_punctuation or is_whole or (ends_whole and length >= MIN_WORD_OVERLAP):
            return kept
    return text


def splits_word(left: str, right: str) -> bool:
    """Whether a word goes on from one text into the other."""
    return bool(_WORD.match(left[-1:]) and _WORD.match(right))


def without_suffix(
    language: Language, lines: list[str], suffix: list[str], unclosed: Unclosed = NOTHING_UNCLOSED
) -> list[str]:
    """The lines up to where they begin to repeat the lines that follow the hole, indentation included.

    A line that only closes what none of the lines opened, and what is not left open, belongs to those below, however
    deep it is written. A repetition goes on to the end of the fill, or for several lines at least. Blank lines do not
    count, nor do lines that only lead to a difference (`_num_said`): a sibling may begin like the definition below.
    """
    below = [line for line in suffix if line.strip()]
    numbers = [number for number, line in enumerate(lines) if line.strip()]
    text = "\n".join(lines)
    opened = without_unmatched_closers(language, text, unclosed)
    first_closing = len(lines) if opened == text else opened.count("\n")
    for position, number in enumerate(numbers):
        rest = [lines[other].rstrip() for other in numbers[position:]]
        pairs = enumerate(zip(numbers[position:], rest, below, strict=False))
        same = next(
            (i for i, (at, a, b) in pairs if a != b and not (at >= first_closing and _is_closing_alike(a, b))),
            min(len(rest), len(below)),
        )
        is_run = same >= MIN_SUFFIX_RUN and any(_WORD.search(line) for line in rest[:same])
        # The last line may be the beginning of the one below, where the canvas was full.
        is_cut_off = same == len(rest) - 1 and "".join(below[same : same + 1]).startswith(rest[same])
        says_it = is_run and (is_cut_off or _num_said(language, rest[:same]) >= MIN_SUFFIX_RUN)
        if same and (same == len(rest) or says_it):
            return lines[:number]
    return lines


def _is_closing_alike(line: str, below: str) -> bool:
    """Whether two lines only close, and the same, at whatever depths."""
    return line.strip() == below.strip() and _ONLY_CLOSES.match(line) is not None


def _num_said(language: Language, lines: list[str]) -> int:
    """How many lines keep their meaning whatever follows them, even if that is not what follows in the document.

    Decorators, attributes and comments at the end belong to the next line. A call or a header that is still open may
    become a different one. An assignment has named its target; where braces make blocks, so has a line that opens one.
    """
    code = language.code_only("\n".join(lines)).split("\n")
    if any(mark in line for line in code for mark in OPEN_LITERALS):
        return len(lines)
    open_since: list[int] = []
    starts: list[int] = []
    for number, line in enumerate(code):
        if not open_since:
            starts.append(number)
        for bracket in BRACKET.findall(line):
            open_since = [*open_since, starts[-1]] if bracket in CLOSER_OF else open_since[:-1]
        if _ASSIGNED.match(lines[starts[-1]]) or (line.rstrip().endswith("{") and not language.is_indented):
            open_since = []
    num_said = open_since[0] if open_since else len(lines)
    for start in reversed([start for start in starts if start < num_said]):
        is_whole = code[num_said - 1].rstrip().endswith(("{", ";"))
        if is_whole or not language.comment_start.match(lines[start].lstrip()):
            break
        num_said = start
    return num_said


def without_idle_end(language: Language, lines: list[str]) -> list[str]:
    """The lines without comments below the last that is none, and without a name alone in a block as the last.

    Such comments speak of code that does not follow, and such a name is the beginning of a statement. In data, a name
    is a value, and after a backslash, a part of the line above.

    Args:
        language: What they are written in.
        lines: All with their indentation; unchanged where they are nothing else.
    """
    code = language.code_only("\n".join(lines)).split("\n")
    last = next((number for number in reversed(range(len(lines))) if code[number].strip()), 0)
    may_be_statement = language.is_indented and not language.is_data and last > 0
    if may_be_statement and _LONE_NAME.fullmatch(code[last]) and not code[last - 1].endswith("\\"):
        return without_idle_end(language, lines[:last])
    return lines[: last + 1] if code[last].strip() else lines


def without_blank_ends(lines: list[str]) -> list[str]:
    """The lines between the first and the last with text; a comment at the end that holds none is as good as blank."""
    says = [number for number, line in enumerate(lines) if line.strip() not in _SAYS_NOTHING]
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    return lines[first : says[-1] + 1] if says else []


def _completed(lines: list[str], period: int) -> list[str]:
    """The lines with the last one completed, if it is the beginning of the line one period above."""
    above = lines[-1 - period]
    return [*lines[:-1], above] if above.startswith(lines[-1]) else lines


def _repeats(lines: list[str], period: int, copies: int) -> bool:
    tail = lines[-period:]
    return any(_WORD.search(line) for line in tail) and all(
        lines[len(lines) - period * (copy + 1) : len(lines) - period * copy] == tail for copy in range(1, copies)
    )
