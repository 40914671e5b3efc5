"""No test runs a bench; that each can still be started is all that is tested here."""

import importlib
from pathlib import Path

import pytest

BENCHES = sorted(path.stem for path in (Path(__file__).parent / "bench").glob("*.py"))


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_finds_what_it_imports(name: str) -> None:
    importlib.import_module(f"tests.bench.{name}")
