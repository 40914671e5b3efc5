"""What starting costs: heavy libraries are imported only by what needs them."""

import gc
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from dlm_lsp.process import importing
from tests.model.tiny_checkpoints import write_checkpoint

HEAVY_FOR_VERSION = {"torch", "numpy", "pygls", "lsprotocol", "typer", "rich", "tree_sitter", "dlm_model"}
HEAVY_FOR_INITIALIZE = {
    *("torch", "numpy", "rich", "tokenizers", "safetensors", "transformers", "jinja2", "starlette", "uvicorn"),
    *("filelock", "pathspec", "pydantic", "importlib.metadata", "statistics"),
    *("tree_sitter_python", "dlm_model.engine", "dlm_lsp.models.store", "dlm_lsp.models.hub", "dlm_lsp.http_api"),
    *("dlm_lsp.infilling", "dlm_lsp.fitting.presentation", "dlm_lsp.prompt.context"),
}


def run_python(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, check=True, timeout=60)


@pytest.mark.parametrize(
    "module", ["dlm_lsp.server", "dlm_lsp.cli", "dlm_lsp.commands.infill", "dlm_lsp.http_api.serving"]
)
def test_torch_is_not_imported_before_a_model_is_needed(module: str, child_environment: Mapping[str, str]) -> None:
    ending = run_python("-c", f"import sys, {module}; print('torch' in sys.modules)", env=child_environment)
    assert ending.stdout == "False\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["infill", "{file}:1:1", "--model", "nope"], "There is no model 'nope'"),
        (["infill", "{file}:1:1", "--model", "./nope"], "There is no model folder nope"),
        (["infill", "{file}:1:1", "--guide", "nope"], "There is no guide 'nope'"),
        (["infill", "{file}:1:1", "--guide", "./nope"], "There is no model folder nope"),
        (["race", "{file}:1:1", "--against", "nope"], "There is no guide 'nope'"),
        (["infill", "{file}", "--function", "nope"], "There is no function nope"),
    ],
)
def test_what_is_not_there_is_missed_without_torch(
    arguments: list[str], sentence: str, tmp_path: Path, child_environment: Mapping[str, str]
) -> None:
    file = tmp_path / "a.py"
    file.write_text("x = 1\n")
    script = f"""
import sys
from dlm_lsp.cli import run
run({[each.format(file=file) for each in arguments]!r})
print("torch" in sys.modules)
"""
    ending = run_python("-c", script, env=child_environment)
    assert ending.stdout == "False\n"
    assert sentence in ending.stderr


def test_a_fill_imports_no_compiler(tmp_path: Path, child_environment: Mapping[str, str]) -> None:
    write_checkpoint(tmp_path, "qwen2-tied")
    script = f"""
import sys
from dlm_model.engine import load_engine
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import CancelToken, InfillRequest
engine = load_engine({str(tmp_path)!r}, "cpu")
list(engine.infill(InfillRequest("a = ", "\\n"), DecodeOptions(num_steps=1), CancelToken()))
print({{"torch._dynamo", "transformers"}} & sys.modules.keys())
"""
    assert run_python("-c", script, env=child_environment).stdout == "set()\n"


def test_a_stage_of_training_that_compiles_nothing_imports_no_compiler(child_environment: Mapping[str, str]) -> None:
    script = "import sys, dlm_model.training.__main__; print('torch._dynamo' in sys.modules)"
    assert run_python("-c", script, env=child_environment).stdout == "False\n"


def test_the_version_imports_nothing_heavy(child_environment: Mapping[str, str]) -> None:
    ending = run_python("-X", "importtime", "-m", "dlm_lsp", "--version", env=child_environment)
    imported = set(re.findall(r"\| +([A-Za-z_0-9]+)", ending.stderr))
    assert re.fullmatch(r"dlm-lsp \d+\.\d+\.\d+\n", ending.stdout)
    assert not imported & HEAVY_FOR_VERSION


SERVE = """
import atexit, gc, sys
from dlm_lsp.__main__ import main

def note(phase, info):
    if phase == "start":
        sizes.append(sum(len(gc.get_objects(each)) for each in range(info["generation"] + 1)))

sizes = []
gc.callbacks.append(note)
atexit.register(lambda: print("collected", max(sizes), "spared", gc.get_freeze_count(), file=sys.stderr))
main()
"""


class Start(NamedTuple):
    """A server that answered one request.

    Attributes:
        answer: What it wrote.
        imported: Modules, by their full names.
        collected: How many objects its largest garbage collection looked at.
        spared: How many no collection looks at.
    """

    answer: bytes
    imported: set[str]
    collected: int
    spared: int


@pytest.fixture(scope="module")
def start(child_environment: Mapping[str, str]) -> Start:
    body = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":null,"capabilities":{}}}'
    ending = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", SERVE, "serve"],
        input=b"Content-Length: %d\r\n\r\n%s" % (len(body), body),
        env=child_environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    report = ending.stderr.decode()
    imported = set(re.findall(r"\| +([A-Za-z_0-9.]+)", report))
    collected, spared = re.search(r"^collected (\d+) spared (\d+)$", report, re.MULTILINE).groups()
    return Start(ending.stdout, imported, int(collected), int(spared))


def test_initialize_is_answered_before_anything_is_imported_that_it_does_not_need(start: Start) -> None:
    assert b'"capabilities"' in start.answer
    assert {"pygls.server", "dlm_lsp.server"} <= start.imported
    assert not start.imported & HEAVY_FOR_INITIALIZE


def test_no_garbage_collection_looks_at_what_was_imported(start: Start) -> None:
    assert start.collected < 0.1 * start.spared


def test_garbage_is_collected_again_after_imports_that_fail() -> None:
    with pytest.raises(ImportError), importing():
        importlib.import_module("dlm_lsp.no_such_module")
    assert gc.isenabled()
    num_spared = gc.get_freeze_count()
    with importing():
        assert not gc.isenabled()
    assert gc.get_freeze_count() <= num_spared, "nothing was imported, and yet garbage would stay for good"


def test_the_version_is_fast(child_environment: Mapping[str, str]) -> None:
    durations = []
    for _ in range(5):
        start = _seconds_of_children()
        run_python("-m", "dlm_lsp", "--version", env=child_environment)
        durations.append(_seconds_of_children() - start)
    assert min(durations) < 0.3


def _seconds_of_children() -> float:
    """The time that the CPU has spent on processes that have ended, whatever else it does."""
    times = os.times()
    return times.children_user + times.children_system
