"""HumanEval-Infilling (Bavarian et al., arXiv 2207.14255) from its JSON lines, and how a program is graded.

Only the base tests that come with the problems are run; stricter ones (EvalPlus) fail many of the references. Programs
that the sandbox itself fails lower the bench's rows of the author's own text, which are the ceiling.
"""

import ast
import gzip
import json
import keyword
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.infilling_sandbox import runs_to_end

FILES = {
    "single-line": "HumanEval-SingleLineInfilling.jsonl.gz",
    "random-span-light": "HumanEval-RandomSpanInfillingLight.jsonl.gz",
}

_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Problem:
    """A hole; prefix, middle and suffix join to the author's program.

    Attributes:
        split: A key of `FILES`.
        task_id: As in the data set.
        prefix: Text before the hole.
        middle: The text that the author wrote there; a single line has no line break, which an editor has already.
        suffix: Text after the hole.
        test: Python source that defines `check`.
        entry_point: The function that `check` takes.
    """

    split: str
    task_id: str
    prefix: str
    middle: str
    suffix: str
    test: str
    entry_point: str

    @property
    def program(self) -> str:
        """The author's program."""
        return self.prefix + self.middle + self.suffix

    @property
    def last_name(self) -> str | None:
        """The last whole word of the author's text that is no keyword: what somebody might know of it beforehand."""
        start, stop = len(self.prefix), len(self.prefix + self.middle)
        words = [word[0] for word in _NAME.finditer(self.program) if start <= word.start() and word.end() <= stop]
        names = [word for word in words if not keyword.iskeyword(word)]
        return names[-1] if names else None

    @property
    def is_single_line(self) -> bool:
        return self.split == "single-line"

    def is_solved_by(self, program: str) -> bool:
        """Whether a program passes the base tests."""
        return runs_to_end(f"{program}\n{self.test}\ncheck({self.entry_point})\n")


def load_problems(folder: Path, split: str) -> list[Problem]:
    """All problems of a split, in the order of the file.

    Raises:
        ValueError: the file is missing, or not the data set.
    """
    path = folder / FILES[split]
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [_problem(split, json.loads(line)) for line in lines if line.strip()]
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not readable as HumanEval-Infilling: {error}") from error


def evenly_spread(problems: Sequence[Problem], limit: int | None) -> list[Problem]:
    """At most `limit` of the problems, the same ones every time, evenly spread over the list."""
    if limit is None or limit >= len(problems):
        return list(problems)
    return [problems[index * len(problems) // limit] for index in range(limit)]


def parses(program: str) -> bool:
    """Whether a program is Python."""
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _problem(split: str, record: dict[str, str]) -> Problem:
    middle, suffix = record["canonical_solution"], record["suffix"]
    if split == "single-line" and middle.endswith("\n"):
        middle, suffix = middle[:-1], f"\n{suffix}"
    return Problem(split, record["task_id"], record["prompt"], middle, suffix, record["test"], record["entry_point"])
