"""What starting costs: heavy libraries are imported only by what needs them."""

import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.model.tiny_checkpoints import write_checkpoint

HEAVY_FOR_VERSION = {"torch", "numpy", "pygls", "lsprotocol", "typer", "rich", "tree_sitter", "dlm_model"}


def run_python(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, check=True, timeout=60)


@pytest.mark.parametrize(
    "module", ["dlm_lsp.server", "dlm_lsp.cli", "dlm_lsp.commands.infill", "dlm_lsp.http_api.serving"]
)
def test_torch_is_not_imported_before_a_model_is_needed(module: str, child_environment: Mapping[str, str]) -> None:
    ending = run_python("-c", f"import sys, {module}; print('torch' in sys.modules)", env=child_environment)
    assert ending.stdout == "False\n"


def test_a_fill_imports_no_compiler(tmp_path: Path, child_environment: Mapping[str, str]) -> None:
    write_checkpoint(tmp_path, "qwen2-tied")
    script = f"""
import sys
from dlm_model.engine import load_engine
from dlm_model.request import CancelToken, DecodeOptions, InfillRequest
engine = load_engine({str(tmp_path)!r}, "cpu")
list(engine.infill(InfillRequest("a = ", "\\n"), DecodeOptions(num_steps=1), CancelToken()))
print({{"torch._dynamo", "transformers"}} & sys.modules.keys())
"""
    assert run_python("-c", script, env=child_environment).stdout == "set()\n"


def test_the_version_imports_nothing_heavy(child_environment: Mapping[str, str]) -> None:
    ending = run_python("-X", "importtime", "-m", "dlm_lsp", "--version", env=child_environment)
    imported = set(re.findall(r"\| +([A-Za-z_0-9]+)", ending.stderr))
    assert re.fullmatch(r"dlm-lsp \d+\.\d+\.\d+\n", ending.stdout)
    assert not imported & HEAVY_FOR_VERSION


def test_the_version_is_fast(child_environment: Mapping[str, str]) -> None:
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        run_python("-m", "dlm_lsp", "--version", env=child_environment)
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.3
