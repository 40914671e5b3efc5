"""The Triton kernels on a CPU: the interpreter is switched on before the import, so in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton comes with torch for CUDA; on a CPU it is a dependency of the tests alone")


def test_kernels_equal_their_references_in_the_interpreter(repository_root: Path) -> None:
    ending = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernels/triton_checks.py"],
        cwd=repository_root,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ending.returncode == 0, ending.stdout + ending.stderr
    assert "passed" in ending.stdout
    assert "skipped" not in ending.stdout
