"""Holes for measuring: the last lines of functions of Python's own library, which every machine has."""

import ast
import importlib
import inspect
from dataclasses import dataclass

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.positions import LineIndex
from dlm_lsp.holes.named_holes import range_hole
from dlm_lsp.languages import language_for
from dlm_lsp.prompt.context import build_request
from dlm_model.request import InfillEngine, InfillRequest

FUNCTIONS = (
    "bisect.insort_right",
    "textwrap.indent",
    "shlex.join",
    "fnmatch.filter",
    "heapq.heappushpop",
    "colorsys.rgb_to_hls",
    "posixpath.commonprefix",
    "calendar.monthrange",
    "keyword.iskeyword",
    "string.capwords",
    "operator.countOf",
    "statistics.fmean",
    "random.shuffle",
    "tempfile.gettempprefix",
    "types.resolve_bases",
    "functools.update_wrapper",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and the text that its author wrote there."""

    name: str
    request: InfillRequest
    truth: str


def make_cases(engine: InfillEngine, num_cases: int, *, max_prompt_tokens: int) -> list[Case]:
    """Cut the last two statements, or the only one, out of each function; those without Python source are left out."""
    cases = (_make_case(engine, name, max_prompt_tokens) for name in FUNCTIONS)
    return [case for case in cases if case][:num_cases]


def span_of(text: str, function_name: str) -> tuple[int, int]:
    """Character offsets of a function's last two statements, or of its only one.

    Raises:
        LookupError: the text has no such function.
    """
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    function = next((node for node in functions if node.name == function_name), None)
    if function is None:
        raise LookupError(function_name)
    lines = LineIndex(text)
    first, last = function.body[-2:][0], function.body[-1]
    return (
        lines.line_start(first.lineno - 1) + first.col_offset,
        lines.line_start(last.end_lineno - 1) + last.end_col_offset,
    )


def _make_case(engine: InfillEngine, name: str, max_prompt_tokens: int) -> Case | None:
    module_name, function_name = name.split(".")
    text = inspect.getsource(importlib.import_module(module_name))
    try:
        start, end = span_of(text, function_name)
    except LookupError:
        return None
    snapshot = Snapshot.parse(f"untitled:{module_name}.py", language_for("a.py", "python"), text)
    hole = range_hole(snapshot, start, end)
    request = build_request(hole, max_prompt_tokens=max_prompt_tokens, count_tokens=engine.count_tokens)
    return Case(name, request, text[start:end])
