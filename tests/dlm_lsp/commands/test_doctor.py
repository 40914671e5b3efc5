import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from dlm_lsp.commands.checks import check_dry_run
from dlm_lsp.languages import LANGUAGES
from dlm_lsp.options import Settings
from dlm_model.decode_options import DecodeOptions
from dlm_model.errors import DeviceError
from dlm_model.request import CancelToken, Draft, InfillEngine, InfillRequest
from tests.dlm_lsp.commands.command_line import CommandLine, Outcome
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.model.tiny_checkpoints import DLM_SECTION, SHAPE, write_checkpoint

Doctor = Callable[..., Outcome]


@pytest.fixture
def doctor(command_line: CommandLine, tmp_path: Path) -> Doctor:
    """Runs `dlm-lsp doctor` on a checkpoint folder whose weights are five bytes."""
    config = {"model_type": "llama", "rms_norm_eps": 1e-6, "dlm": DLM_SECTION} | SHAPE
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"12345")

    def run(*arguments: str) -> Outcome:
        return command_line("doctor", "--model", str(tmp_path), *arguments)

    return run


def findings(outcome: Outcome) -> dict[str, tuple[str, str]]:
    return {check["name"]: (check["status"], check["detail"]) for check in json.loads(outcome.stdout)["checks"]}


def test_everything_in_order_exits_with_0(doctor: Doctor, tmp_path: Path) -> None:
    outcome = doctor("--json")
    found = findings(outcome)
    assert outcome.code == 0
    assert json.loads(outcome.stdout)["ok"] is True
    assert {f"grammar {language.id}" for language in LANGUAGES} <= found.keys()
    assert found["torch"][0] == found["config"][0] == "ok"
    assert found["model"] == ("ok", str(tmp_path))
    assert found["weights"] == ("ok", "model.safetensors, 5 bytes, no record to compare with")
    assert found["family"] == ("ok", "dlm, 512 tokens")
    assert re.fullmatch(r"auto on (cpu|cuda:0): (bf16|fp32, .*)", found["precision"][1])
    assert found["dry run"] == ("ok", "scripted on cpu: first draft after 1 ms, 1 steps in 1 ms, text to show")


@pytest.mark.parametrize(("alone", "advice"), [(8.9, True), (9.1, False)])
def test_where_one_thread_is_faster_that_is_said(monkeypatch: pytest.MonkeyPatch, alone: float, advice: bool) -> None:
    num_threads = [4]

    class Timed(ScriptedEngine):
        def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
            for draft in super().infill(request, options, cancel):
                yield replace(draft, elapsed_ms=alone if num_threads == [1] else 10.0)

    monkeypatch.setattr("torch.get_num_threads", lambda: num_threads[0])
    monkeypatch.setattr("torch.set_num_threads", lambda number: num_threads.__setitem__(0, number))
    (check,) = check_dry_run(Timed("return left + right"), Settings())
    assert check.detail.endswith("; again in 10 ms, and on one thread in 9: set OMP_NUM_THREADS=1") == advice
    assert num_threads == [4]


def test_a_guide_is_checked_like_the_model(doctor: Doctor, tmp_path: Path) -> None:
    assert findings(doctor("--json"))["guide"] == ("ok", "none came with this model")
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "adapter_model.safetensors").write_bytes(b"12345")
    expected = ("ok", "guide/adapter_model.safetensors, 5 bytes, no record to compare with")
    assert findings(doctor("--json"))["guide"] == expected


def test_the_packaged_weights_are_compared_with_what_was_packaged(command_line: CommandLine) -> None:
    outcome = command_line("doctor")
    assert outcome.code == 0
    assert re.search(r"^ok       weights +4 files, SHA-256 as recorded", outcome.stdout, re.MULTILINE)


def test_weights_that_are_not_what_was_added_are_a_problem(command_line: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    write_checkpoint(folder, "qwen2-tied")
    assert command_line("models", "add", str(folder), "--name", "mine").code == 0
    assert findings(command_line("doctor", "--json", "--model", "mine"))["weights"][1].endswith("SHA-256 as recorded")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    outcome = command_line("doctor", "--model", "mine")
    lines = outcome.stdout.splitlines()
    assert outcome.code == 3
    assert re.fullmatch(r"failed   weights +model\.safetensors, [\d,]+ bytes, has changed", lines[0])
    assert lines[-1] == "1 problem: weights."


def test_people_get_one_line_a_check_and_a_last_one_that_sums_up(doctor: Doctor) -> None:
    *lines, last = doctor().stdout.splitlines()
    assert all(line.startswith(("ok ", "warning ", "failed ")) for line in lines)
    assert [line for line in lines if "grammar" in line] == [
        f"ok       grammars            {len(LANGUAGES)} load and parse (--verbose names them)"
    ]
    assert lines[-2].startswith("ok       dry run")
    assert re.fullmatch(r"ok       peak memory +\d+\.\d GiB after the dry run", lines[-1])
    assert re.fullmatch(r"All is well: \d+ checks, and a fill\.", last)


def test_weights_without_a_record_are_not_vouched_for(command_line: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    write_checkpoint(folder, "qwen2-tied")
    command_line("models", "add", str(folder), "--name", "mine")
    (folder / "other.safetensors").write_bytes(b"12345")
    told = [line for line in command_line("doctor", "--model", "mine").stdout.splitlines() if " weights " in line]
    assert [line.rpartition(", ")[2] for line in told] == ["SHA-256 as recorded", "no record to compare with"]


def test_in_a_terminal_there_is_something_to_see_while_it_works(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()

    def console(*, stderr: bool = False, **options: bool) -> Console:
        return Console(file=shown, force_terminal=True) if stderr else Console(**options)

    monkeypatch.setattr("dlm_lsp.commands.doctor.Console", console)
    assert doctor().stdout.count("checking") == 0
    assert "checking what is installed" in shown.getvalue()


def test_every_finding_has_a_line_on_demand(doctor: Doctor) -> None:
    stdout = doctor("--verbose").stdout
    assert all(f"ok       grammar {language.id}" in stdout for language in LANGUAGES)


def test_what_failed_is_read_first(doctor: Doctor, command_line: CommandLine, config_file: Path) -> None:
    command_line.engine.error = RuntimeError("CUDA out of memory")
    config_file.write_text("num_steps = 0\n")
    lines = doctor().stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["failed", "failed", "ok"]
    assert lines[-1] == "2 problems: config, dry run."


@pytest.mark.parametrize(("num_threads", "words"), [(1, "1 thread"), (2, "2 threads")])
def test_threads_are_counted_in_words(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, num_threads: int, words: str
) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: num_threads)
    assert findings(doctor("--json"))["cpu"] == ("ok", words)


def test_config_errors_have_file_and_line(doctor: Doctor, config_file: Path) -> None:
    config_file.write_text("seed = 1\nspeed = 9\nnum_steps = 0\n")
    outcome = doctor()
    assert outcome.code == 2
    assert (
        f"failed   config              {config_file}:2: speed is not an option; did you mean seed?\n" in outcome.stdout
    )
    assert f"failed   config              {config_file}:3: num_steps must be from 1 to 4096, got 0\n" in outcome.stdout


def test_a_device_that_is_not_there(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_settings: Settings, _console: Console) -> InfillEngine:
        raise DeviceError("There is no device 'cuda:9' here.")

    monkeypatch.setattr("dlm_lsp.commands.doctor.load_engine", fail)
    outcome = doctor("--json", "--device", "cuda:9")
    assert outcome.code == 3
    assert findings(outcome)["dry run"] == ("failed", "There is no device 'cuda:9' here.")


def test_a_precision_that_cannot_be_had(doctor: Doctor) -> None:
    outcome = doctor("--json", "--device", "cpu", "--precision", "int4")
    assert outcome.code == 3
    status, detail = findings(outcome)["precision"]
    assert status == "failed"
    assert detail.startswith("int4 weights need ")


def test_an_engine_that_breaks(doctor: Doctor, command_line: CommandLine) -> None:
    command_line.engine.error = RuntimeError("CUDA out of memory")
    outcome = doctor("--json")
    assert outcome.code == 3
    assert findings(outcome)["dry run"] == ("failed", "RuntimeError: CUDA out of memory")


def test_a_broken_torch_keeps_no_other_check_from_running(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = findings(doctor("--json"))
    assert found["devices"][0] == "failed"
    assert found["dry run"][0] == "ok"


def test_a_model_folder_that_is_not_there(doctor: Doctor, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    outcome = doctor("--json", "--model", missing)
    assert (outcome.code, findings(outcome)["model"]) == (3, ("failed", missing))


def test_a_folder_without_a_model_is_not_said_to_be_one(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "config.json").unlink()
    outcome = doctor("--json")
    told = [check for check in json.loads(outcome.stdout)["checks"] if check["name"] == "model"]
    assert outcome.code == 3
    assert [check["status"] for check in told] == ["failed"]
    assert f"{tmp_path / 'config.json'} cannot be read" in told[0]["detail"]
