"""The systems that are measured: each turns a problem into a whole program, and counts tokens and network calls.

`engine` is given the two sides of the hole as they stand, and what an editor knows about it: one line or anything. A
method that has syntax as a guide is also given the checker that editors use.
`daemon` opens the program in a document as an editor would. For a single line, the cursor is on a blank line, in the
column where the author's line begins, which says which block is meant; for a random span, it is between the two
characters around it. The best fill is taken as presentation sets it into the document (the rest of the line, the next
statement, or the last ones of a block, without repetitions of the suffix), as a user would see it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fitting.syntax_check import DraftChecker
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.indentation import indentation
from dlm_lsp.infilling import infill, present_candidates
from dlm_lsp.languages import language_for
from dlm_lsp.options import Settings
from dlm_lsp.prompt.context import EXPECTED_TOKENS
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine
from dlm_model.methods import METHODS
from dlm_model.request import INITIAL_TOKENS, CancelToken, InfillRequest
from tests.bench.infilling_metrics import Outcome, Setting
from tests.bench.infilling_problems import Problem, parses


@dataclass(frozen=True, slots=True)
class Filled:
    """A hole filled.

    Attributes:
        middle: The new text.
        program: The whole document with it.
        num_tokens: Tokens that add to the middle.
        num_forwards: Network calls.
    """

    middle: str
    program: str
    num_tokens: int
    num_forwards: int


FillProblem = Callable[[Problem, Setting], Filled]


def fill_as_author(problem: Problem, _setting: Setting) -> Filled:
    """The ceiling: the data set's own text."""
    return Filled(problem.middle, problem.program, 0, 0)


@dataclass(frozen=True, slots=True)
class DiffusionSystems:
    """The engine, and the daemon's path to text around it.

    Prompts are forgotten before each fill; otherwise only the first setting of a problem would pay for reading them.
    """

    engine: Engine
    seed: int

    def fill_by_engine(self, problem: Problem, setting: Setting) -> Filled:
        """Give prefix and suffix to the engine, and put its text into the hole unchanged."""
        expected = EXPECTED_TOKENS["line"] if problem.is_single_line else INITIAL_TOKENS
        self.engine.forget()
        keep = (problem.last_name,) if setting.anchors == "oracle" and problem.last_name else ()
        options = self._options(problem, setting)
        # A checker also weighs where a guided fill ends, so that only the methods that ask for it are given one.
        syntax = _verbatim_checker(problem) if options.syntax_tries else None
        request = InfillRequest(problem.prefix, problem.suffix, problem.is_single_line, expected, keep, syntax=syntax)
        *_, draft = self.engine.infill(request, options, CancelToken())
        best = draft.candidates[0]
        return Filled(best.text, problem.prefix + best.text + problem.suffix, best.num_tokens, draft.num_forwards)

    def fill_by_daemon(self, problem: Problem, setting: Setting) -> Filled:
        """Fill the document as an editor holds it; it stays as it is where there is nothing to show."""
        indent = indentation(problem.middle) if problem.is_single_line else ""
        text, offset = problem.prefix + indent + problem.suffix, len(problem.prefix + indent)
        hole = find_hole(_parsed(text), offset)
        options, budget = self._options(problem, setting), Settings().max_prompt_tokens
        self.engine.forget()
        *_, draft = infill(self.engine, HoleRequest(hole, options, max_prompt_tokens=budget), CancelToken())
        ranked = present_candidates(hole, draft)
        if not ranked:
            return Filled("", text, 0, draft.num_forwards)
        fill, num_tokens = ranked[0].fill, ranked[0].candidate.num_tokens
        return Filled(fill.text, text[: fill.start] + fill.text + text[fill.end :], num_tokens, draft.num_forwards)

    def _options(self, problem: Problem, setting: Setting) -> DecodeOptions:
        chosen = next((each.decode_options for each in METHODS if each.name == setting.method), DecodeOptions())
        options = replace(chosen, seed=self.seed)
        if setting.num_steps is not None:
            options = replace(options, num_steps=setting.num_steps)
        if setting.threshold is not None:
            options = replace(options, schedule="threshold", confidence_threshold=setting.threshold)
        if setting.length == "oracle":
            length = min(max(self.engine.count_tokens(problem.middle), 1), options.max_middle_tokens)
            options = replace(options, middle_length=length)
        return options


def run(fill: FillProblem, problem: Problem, setting: Setting) -> Outcome:
    """Fill one hole, timed, and grade the program."""
    start = time.perf_counter()
    filled = fill(problem, setting)
    elapsed_ms = (time.perf_counter() - start) * 1000
    is_parse_valid = parses(filled.program)
    return Outcome(
        split=problem.split,
        task_id=problem.task_id,
        setting=setting,
        middle=filled.middle,
        is_passed=is_parse_valid and problem.is_solved_by(filled.program),
        is_exact=_without_trailing_space(filled.program) == _without_trailing_space(problem.program),
        is_parse_valid=is_parse_valid,
        num_tokens=filled.num_tokens,
        num_forwards=filled.num_forwards,
        elapsed_ms=elapsed_ms,
    )


def _verbatim_checker(problem: Problem) -> DraftChecker:
    """Judges a middle between the two sides as it is: one within a line is set into the document unchanged."""
    offset = len(problem.prefix)
    return DraftChecker(Hole(_parsed(problem.prefix + problem.suffix), offset, offset, "line"))


def _parsed(text: str) -> Snapshot:
    return Snapshot.parse("untitled:program.py", language_for("program.py", "python"), text)


def _without_trailing_space(program: str) -> list[str]:
    return [line.rstrip() for line in program.rstrip().split("\n")]
