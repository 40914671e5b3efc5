"""A small HumanEval-Infilling in the real format, of problems that can be checked by eye."""

import gzip
import json
from pathlib import Path

import pytest

from tests.bench.infilling_problems import FILES, Problem, load_problems

SINGLE_LINES = [
    {
        "task_id": f"SingleLineInfilling/HumanEval/{index}/L0",
        "entry_point": "total",
        "prompt": 'def total(values):\n    """Sum them."""\n    result = 0\n    for value in values:\n',
        "suffix": "    return result\n",
        "canonical_solution": "        result += value\n",
        "test": "def check(candidate):\n    assert candidate([1, 2, 4]) == 7\n",
    }
    for index in range(2)
]
SPANS = [
    {
        "task_id": "RandomSpanInfillingLight/HumanEval/0/1",
        "entry_point": "half",
        "prompt": "def half(number):\n    ret",
        "suffix": "2\n",
        "canonical_solution": "urn number / ",
        "test": "def check(candidate):\n    assert candidate(6) == 3\n",
    }
]


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("humaneval_infilling")
    for split, records in {"single-line": SINGLE_LINES, "random-span-light": SPANS}.items():
        with gzip.open(folder / FILES[split], "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
    return folder


@pytest.fixture(scope="session")
def line_problem(data_folder: Path) -> Problem:
    return load_problems(data_folder, "single-line")[0]


@pytest.fixture(scope="session")
def span_problem(data_folder: Path) -> Problem:
    return load_problems(data_folder, "random-span-light")[0]
