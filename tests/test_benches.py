"""No test runs a bench; that each can still be started, and that it would measure the same again, is tested here."""

import importlib
from pathlib import Path

import pytest

from dlm_lsp.languages import language_for
from tests.bench.cuts import cut_holes

BENCHES = sorted(path.stem for path in (Path(__file__).parent / "bench").glob("*.py"))


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_finds_what_it_imports(name: str) -> None:
    importlib.import_module(f"tests.bench.{name}")


def test_the_same_holes_are_cut_every_time(tmp_path: Path) -> None:
    functions = [f"def f{i}(x):\n    y = x + {i}\n    if y:\n        y = -y\n    return y\n\n\n" for i in range(9)]
    for index in range(5):
        (tmp_path / f"{index}.py").write_text("".join(functions))
    python = language_for("a.py", None)
    cuts = cut_holes(python, (tmp_path,), num_holes=4)
    assert [(cut.name, cut.hole) for cut in cuts] == [
        (cut.name, cut.hole) for cut in cut_holes(python, (tmp_path,), num_holes=4)
    ]
    assert len({cut.hole.start for cut in cuts}) > 1
    for cut in cuts:
        text, hole = cut.snapshot.text, cut.hole
        assert text[: hole.start] + cut.truth + text[hole.end :] == "".join(functions)
