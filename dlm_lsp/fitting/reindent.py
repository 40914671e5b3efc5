"""Lines of a fill, moved as one block to the depth at which they belong.

A model may write a block at the document's depth, from column 0, or one level off. The first line continues typed text
and has no depth of its own. Knows lines and columns; knows nothing about documents or holes.
"""

from dataclasses import replace
from itertools import pairwise

from dlm_lsp.holes.block import Block
from dlm_lsp.holes.indentation import IndentStyle, indentation, opens_block
from dlm_lsp.languages.brace_words import LABEL
from dlm_lsp.languages.brackets import BRACKET, CLOSER_OF, LEADING_CLOSERS, scan

_COMPLETE_OR_OPENING = (";", "}", "{", "(", "[")


def reindented(block: Block, style: IndentStyle, indent: str, first_depth: int | None, floor: int) -> list[str]:
    """The lines with the first at `indent`, not written out, and the others shifted to fit it.

    Args:
        block: The lines; tabs and spaces may be mixed.
        style: How the document is indented.
        indent: Where the first line will stand.
        first_depth: Columns the model gave the first line; None when it only continued the text to its left.
        floor: Columns below which no statement may lie.
    """
    step = _blanks_per_tab(block, style, first_depth)
    first_depth = first_depth and first_depth // step * style.width
    block = _with_closers_outside(_with_tabs(block, style, step), style)
    shift = _shift(block, style, style.columns(indent), first_depth, floor)
    excess = _excess(block, style, style.columns(indent) - shift)
    num_left = _blocks_left(block)
    lines = [block.lines[0].lstrip(" \t")]
    for number, line in enumerate(block.lines[1:], start=1):
        if number in block.literal_lines or not line.strip():
            lines.append(line)
        else:
            depth = style.depth(line) + shift - excess[number]
            if number in num_left:
                depth = style.columns(indent) - num_left[number] * style.width
            lines.append(style.whitespace(max(depth, 0)) + line.lstrip(" \t"))
    return [*_with_closers_outside(replace(block, lines=tuple(lines)), style).lines]


def _blanks_per_tab(block: Block, style: IndentStyle, first_depth: int | None) -> int:
    """Blanks that stand for a tab in the lines, where the document has tabs and they have none; else a level's width.

    A document that is indented with blanks may not have shown by how many. Depths that are no multiples of those blanks
    mean something else.
    """
    if block.language.is_indented or style.unit != "\t" or any(line.startswith("\t") for line in block.lines):
        return style.width
    first = min(block.depths(style), default=None) if first_depth is None else first_depth
    depths = [first or 0, *(len(indentation(line)) for line in block.lines[1:])]
    says_nothing = block.literal_lines | ({0} if first is None else set())
    known = [number for number, code in enumerate(block.code) if code.strip() and number not in says_nothing]
    steps = {
        depths[below] - depths[above]
        for above, below in pairwise(known)
        if opens_block(block.language, block.code[above])
        and not (block.language.closes(block.code[below]) or LABEL.match(block.code[below]))
    }
    step = steps.pop() if len(steps) == 1 else style.width
    is_narrow = 2 <= step < style.width and all(depths[number] % step == 0 for number in known)
    return step if is_narrow else style.width


def _with_tabs(block: Block, style: IndentStyle, step: int) -> Block:
    """The lines with a tab for each `step` blanks that they begin with."""
    lines = [*block.lines]
    for number, line in enumerate(lines):
        if number and number not in block.literal_lines and step != style.width:
            levels, rest = divmod(len(indentation(line)), step)
            lines[number] = style.unit * levels + " " * rest + line.lstrip(" \t")
    return replace(block, lines=tuple(lines))


def _with_closers_outside(block: Block, style: IndentStyle) -> Block:
    """The lines with every closer in braces a level outside of what it closes, if it was written as deep as that.

        f(         f(
            a,  →      a,
            )      )

    One that closes a block which begins with a label stays: labels may stand as deep as their block's brace.
    """
    lines, code = [*block.lines], "\n".join(block.code)
    for _, start, opened in () if block.language.is_indented else scan(code):
        if opened < 0 or code[code.rfind("\n", 0, start) + 1 : start].strip():
            continue
        opener, number = (code.count("\n", 0, offset) for offset in (opened, start))
        inner = next((line for line in range(opener + 1, number) if block.code[line].strip()), number)
        ends_line = block.code[opener].rstrip().endswith(("(", "[", "{"))
        if ends_line and not block.literal_lines & {inner, number} and not LABEL.match(block.code[inner]):
            lines[number] = _less_deep(lines[number], lines[inner], style)
    return replace(block, lines=tuple(lines))


def _less_deep(line: str, inner: str, style: IndentStyle) -> str:
    """A line, moved a level outside of another one if it is as deep or deeper."""
    depth, inner_depth = (style.depth(each) for each in (line, inner))
    is_too_deep = 0 < inner_depth <= depth and line != inner
    return style.whitespace(inner_depth - style.width) + line.lstrip(" \t") if is_too_deep else line


def _shift(block: Block, style: IndentStyle, target: int, first_depth: int | None, floor: int) -> int:
    """Columns to add to every line but the first, which is at `target`."""
    if first_depth or block.language.nests_freely:
        return target - first_depth if first_depth else 0
    if not block.language.is_indented:
        return _shift_in_braces(block, style, target)
    if not block.statement_lines:
        return 0
    depths = block.depths(style)
    below, lowest = depths[0], min(depths)
    first_statement = "\n".join(block.lines[: block.statement_lines[0]])
    if opens_block(block.language, first_statement):
        if below <= target:
            return target + style.width - below
        return target - lowest if target < lowest < below else 0
    leaves_block = below < target and (below >= floor or _leaves_block(block, first_statement, below))
    return 0 if leaves_block else target - below


def _shift_in_braces(block: Block, style: IndentStyle, target: int) -> int:
    """Columns to add to every line but the first, where depth is only for the eye.

    What the model did stays unless it cannot be meant.
    """
    num_left = _blocks_left(block)
    if not block.statement_lines and not num_left:
        inner = [style.depth(line) for line in block.lines[1:] if line.strip()]
        opens = block.language.words is not None and opens_block(block.language, block.lines[0])
        is_open = opens or block.code[0].rstrip().endswith(("{", "(", "["))
        return target + style.width - inner[0] if is_open and inner and inner[0] <= target else 0
    depths = {number: style.depth(block.lines[number]) for number in {*block.own_lines, *num_left}}
    lowest = min((depth + num_left.get(number, 0) * style.width for number, depth in depths.items()), default=target)
    is_continued = not block.code[0].rstrip().endswith(_COMPLETE_OR_OPENING)
    return 0 if lowest > target and is_continued else target - lowest


def _blocks_left(block: Block) -> dict[int, int]:
    """The lines that begin with a closer of what the lines did not open, and how many blocks they have left by then.

    Of `return a;`, `}`, `});` these are the second, which leaves one block, and the third, which leaves the next one:
    closers in a row, as of a function and the call that it is an argument of, lead one level out together. A word that
    divides such a block stands as deep as the one that closes it. Empty where the first line begins with a closer: it
    has no depth of its own, from which the others could be told.
    """
    found: dict[int, int] = {}
    num_open = num_left = num_blocks = 0
    for number, code in enumerate(() if block.language.is_indented else block.code):
        end, words = -1, block.language.words
        if words and not num_blocks and words.closes(code):
            found[number], end = num_left + 1, words.num_closing(code)
            num_left += not words.divides(code)
        num_blocks = max(num_blocks + words.growth(code), 0) if words else 0
        for bracket in BRACKET.finditer(code):
            if bracket.group() in CLOSER_OF:
                num_open += 1
            elif num_open:
                num_open -= 1
            else:
                num_left += bracket.start() != end
                end = bracket.end()
                if not code[: bracket.start()].strip():
                    found[number] = num_left
    return {} if 0 in found else found


def _excess(block: Block, style: IndentStyle, first_depth: int) -> list[int]:
    """Columns by which each line in braces is too deep, where each brace of the lines leads by several levels at once.

    In a document with levels of two columns, they are

        if (a) {        0
            b();        2
        }               0
    """
    lines, code = block.lines, block.code
    none, num_open, nesting, steps = [0] * len(lines), 0, [], set()
    if block.language.is_indented:
        return none
    depths = [first_depth, *(style.depth(line) for line in lines[1:])]
    for number, line in enumerate(code):
        closers = LEADING_CLOSERS.match(line)
        nesting.append(num_open - (closers.group().count("}") if closers else 0))
        num_open += line.count("{") - line.count("}")
        below = next((each for each in range(number + 1, len(code)) if code[each].strip()), None)
        if line.rstrip().endswith("{") and below is not None and not code[below].lstrip().startswith("}"):
            steps.add(depths[below] - depths[number])
    step = steps.pop() if len(steps) == 1 else style.width
    is_multiple = step > style.width and step % style.width == 0
    return [max(level, 0) * (step - style.width) for level in nesting] if is_multiple else none


def _leaves_block(block: Block, first_statement: str, depth_below: int) -> bool:
    """Whether a second statement left of the first has left the block, rather than being written from column 0."""
    language, line_below = block.language, block.lines[block.statement_lines[0]]
    ends_block = language.block_end.match(first_statement.lstrip()) is not None
    return depth_below > 0 or ends_block or language.definition_start.match(line_below) is not None


def is_sound(block: Block, style: IndentStyle, depth: int, depth_below: int) -> bool:
    """Whether Python would accept the depths of the lines, which the parser does not tell; it does for YAML.

    Args:
        block: The lines.
        style: How the document is indented.
        depth: Columns of the first line.
        depth_below: Columns of the first line with text below the block.
    """
    if block.language.nests_freely:
        return True
    levels, starts = [depth], [0, *block.statement_lines, len(block.lines)]
    for start, end in pairwise(starts):
        is_last = end == len(block.lines)
        below = depth_below if is_last else style.depth(block.lines[end])
        if opens_block(block.language, "\n".join(block.lines[start:end])):
            if below <= levels[-1]:
                return False
            levels.append(below)
        elif not is_last:
            levels = [level for level in levels if level <= below] or [below]
            if levels[-1] != below:
                return False
    return True
