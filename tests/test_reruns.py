"""The tests of editors, and no others, are run once more when they fail."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

OF_EDITORS = """
import time
from pathlib import Path

import pytest

def test_that_fails_at_first():
    file = Path(__file__).with_suffix(".tried")
    was_tried = file.exists()
    file.touch()
    assert was_tried

def test_that_always_fails():
    raise AssertionError

@pytest.mark.timeout(0.5)
def test_that_hangs():
    time.sleep(60)
"""
ELSEWHERE = "def test_that_always_fails():\n    raise AssertionError\n"


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "in parallel"])
def test_a_test_of_an_editor_that_fails_is_run_once_more(
    repository_root: Path, tmp_path: Path, options: Sequence[str]
) -> None:
    editors = tmp_path / "editors"
    editors.mkdir()
    shutil.copy(repository_root / "tests/editors/conftest.py", editors)
    (editors / "test_editor.py").write_text(OF_EDITORS)
    (tmp_path / "test_elsewhere.py").write_text(ELSEWHERE)
    ours = ("-c", repository_root / "pyproject.toml", "--rootdir", tmp_path, "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *ours, *options, tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert "3 failed, 1 passed, 2 rerun" in run.stdout, run.stdout + run.stderr
