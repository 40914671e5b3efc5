"""Reading the data set, and grading: the author's text passes, cheats do not."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.infilling import DATA
from tests.bench.infilling_problems import FILES, Problem, evenly_spread, load_problems, parses


def program(problem: Problem, middle: str) -> str:
    return problem.prefix + middle + problem.suffix


def test_a_single_line_leaves_its_line_break_to_the_document(line_problem: Problem, span_problem: Problem) -> None:
    assert line_problem.middle == "        result += value"
    assert line_problem.suffix == "\n    return result\n"
    assert (line_problem.is_single_line, span_problem.is_single_line) == (True, False)
    assert span_problem.middle == "urn number / "


def test_the_author_passes_and_an_empty_fill_does_not(line_problem: Problem, span_problem: Problem) -> None:
    for problem in (line_problem, span_problem):
        assert problem.is_solved_by(problem.program)
        assert not problem.is_solved_by(program(problem, ""))


@pytest.mark.parametrize(
    "cheat",
    [
        "        pass\n    import sys; sys.exit(0)",
        "        pass\n    import os; os._exit(0)",
        "        pass\n    raise SystemExit",
        "        pass\n    check = lambda candidate: None",
        "        pass\n    import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    ],
)
def test_leaving_before_the_tests_is_no_pass(line_problem: Problem, cheat: str) -> None:
    assert not line_problem.is_solved_by(program(line_problem, cheat))


@pytest.mark.skipif(not DATA.is_dir(), reason="the data set is not part of the project")
@pytest.mark.parametrize(("split", "size"), [("single-line", 1033), ("random-span-light", 164)])
def test_a_sample_of_the_real_references_passes(split: str, size: int) -> None:
    problems = load_problems(DATA, split)
    assert len(problems) == size
    sample = evenly_spread(problems, 10)
    assert [problem.task_id for problem in sample if not problem.is_solved_by(problem.program)] == []


def test_a_part_is_spread_over_the_whole(line_problem: Problem) -> None:
    problems = [replace(line_problem, task_id=str(index)) for index in range(10)]
    assert [problem.task_id for problem in evenly_spread(problems, 4)] == ["0", "2", "5", "7"]
    assert evenly_spread(problems, None) == evenly_spread(problems, 99) == problems


@pytest.mark.parametrize(("text", "is_python"), [("x = 1", True), ("x = (", False), ("\0", False), ("'\\d'", True)])
def test_parsing_says_whether_it_is_python(text: str, is_python: bool) -> None:
    assert parses(text) is is_python


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"[1]\n"), gzip.compress(b"{}\n"), None],
    ids=["no gzip", "a list", "no problem", "missing"],
)
def test_a_broken_data_set_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / FILES["single-line"]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=str(path)):
        load_problems(tmp_path, "single-line")


def test_the_last_name_is_a_whole_word_and_no_keyword(line_problem: Problem, span_problem: Problem) -> None:
    assert line_problem.last_name == "value"
    # `urn` is a part of `return`.
    assert span_problem.last_name == "number"
    assert replace(span_problem, middle="urn ").last_name is None
    assert replace(line_problem, middle="        pass").last_name is None
