"""The Triton kernels without a GPU: interpreted, and compiled for absent GPUs; each in a process of its own."""

import json
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


CAPABILITY, SHARED_BYTES = 86, 99 * 1024
"""Of the GPUs that multiply bf16, those with the least shared memory for a block of threads."""


def test_kernels_fit_the_smallest_gpu_that_they_are_meant_for(repository_root: Path, tmp_path: Path) -> None:
    ending = subprocess.run(
        [sys.executable, "-m", "tests.kernels.triton_compiled", str(CAPABILITY)],
        cwd=repository_root,
        env=os.environ | {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join((".", "model", "kernels"))},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ending.returncode == 0, ending.stdout + ending.stderr
    kernels = [json.loads(line) for line in ending.stdout.splitlines()]
    assert len(kernels) == 5
    for kernel in kernels:
        assert kernel["shared_bytes"] <= SHARED_BYTES, kernel
        assert kernel["spilled_bytes"] == 0, kernel
