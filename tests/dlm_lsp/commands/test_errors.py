"""Everything a person can get wrong: one sentence on standard error, the right exit code, standard output empty."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from dlm_lsp.cli import run
from dlm_model.errors import CheckpointError
from tests.dlm_lsp.commands.command_line import CommandLine

COMMAND = [sys.executable, "-P", "-m", "dlm_lsp"]
USAGE, MODEL = 2, 3
STDIN = ["infill", "-", "--stdin-filename", "x.py"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("ok.py").write_text("def add(left, right):\n    pass\n")
    Path("two.py").write_text("<FILL>\n<FILL>\n")
    Path("open.py").write_text("\n\nadd")
    Path("line.py").write_text("add\n")
    Path("binary.py").write_bytes(b"\x7fELF\0\0")
    Path("latin.py").write_bytes(b"# caf\xe9\n")
    Path("notes.xyz").write_text("notes\n")
    Path("secrets").mkdir()
    Path("secrets/tokens.py").write_text("TOKEN = 1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["infill", "absent.py:1:1"], "Cannot read absent.py: No such file or directory."),
        (["infill", "folder:1:1"], "folder is a directory, not a file."),
        (["infill", "ok.py/x.py:1:1"], "Cannot read ok.py/x.py: Not a directory."),
        (["infill", "a\0b.py:1:1"], "Cannot read a\0b.py: embedded null byte."),
        (["infill", "ok.py:9:1"], "ok.py has 2 lines, so 9:1 is outside."),
        (["infill", "open.py:4:1"], "open.py has 3 lines, so 4:1 is outside."),
        (["infill", "line.py:4:1"], "line.py has 1 line, so 4:1 is outside."),
        (["infill", "ok.py:2:99"], "Line 2 of ok.py has 8 characters, so 2:99 is outside."),
        (["infill", "ok.py:0:1"], "0:1 is not a position: lines and columns count from 1."),
        (["infill", "ok.py", "--range", "1:1-9:9"], "ok.py has 2 lines, so 9:9 is outside."),
        (["infill", "ok.py", "--range", "nonsense"], "--range takes L1:C1-L2:C2, got 'nonsense'."),
        (
            ["infill", "ok.py"],
            "Say where in ok.py the hole is: FILE:LINE:COL, --function NAME, --range L1:C1-L2:C2, or a <FILL> in it.",
        ),
        (["infill", "."], ". is a directory, not a file."),
        (["infill", "ok.py:9"], "ok.py has 2 lines, so 9 is outside."),
        (["infill", "ok.py:0"], "0 is not a position: lines and columns count from 1."),
        (["infill", "two.py"], "two.py has 2 <FILL> markers; only one hole is filled at a time."),
        (
            ["infill", "ok.py:x:y"],
            "x:y is not a line and column: use FILE:LINE:COL, or FILE:LINE for the end of a line.",
        ),
        (["infill", "ok.py:2:5", "--replace"], "--replace can be used only with --function."),
        (["infill", "binary.py:1:1"], "binary.py is binary."),
        (["infill", "latin.py:1:1"], "latin.py is not UTF-8 (byte 0xe9 in line 1)."),
        (
            ["infill", "ok.py:1:1", "--json", "--diff"],
            "--json and --diff both print to standard output; use only one of them.",
        ),
        (["infill", "ok.py:1:1", "--steps", "0"], "--steps must be from 1 to 4096, got 0."),
        (["infill", "ok.py:1:1", "--threshold", "2"], "--threshold must be in (0, 1], got 2.0."),
        (["infill", "ok.py:1:1", "--n", "9"], "--n must be from 1 to 8, got 9."),
        (["infill", "ok.py:1:1", "--deadline-ms", "0"], "--deadline-ms must be above 0, got 0.0."),
        (["infill", "-"], "Reading standard input needs --stdin-filename NAME, whose suffix determines the language."),
        (
            ["infill", "ok.py:1:1", "--stdin-filename", "x.py"],
            "--stdin-filename can be used only with -, which reads standard input.",
        ),
        ([*STDIN, "--in-place"], "--in-place needs a file; standard input cannot be written."),
        (STDIN, "Standard input has no <FILL> marker, which says where the hole is."),
        (["infill", "ok.py:1:1", "--bad"], "No such option: --bad."),
        (["infill", "ok.py", "--line", "1"], "No such option: --line."),
        (["infill", "ok.py:1:1", "--num-steps", "1"], "No such option: --num-steps (Possible options: --steps)."),
        (["infill"], "Missing argument 'FILE[:LINE[:COL]]'."),
        (["nonsense"], "No such command 'nonsense'."),
        (["infil"], "No such command 'infil'. Did you mean 'infill'?"),
    ],
)
def test_usage_errors(command_line: CommandLine, arguments: Sequence[str], sentence: str) -> None:
    assert command_line(*arguments) == (USAGE, "", f"dlm-lsp: {sentence}\n")
    assert command_line.loaded == []


@pytest.mark.parametrize("arguments", [[], ["models"], ["train"]])
def test_without_a_command_the_help_is_the_answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == USAGE
    printed, complaint = capsys.readouterr()
    assert f"Usage: {' '.join(['dlm-lsp', *arguments])}" in printed
    assert complaint == ""


def test_the_help_of_infill_ends_with_examples_and_begins_with_what_everyone_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run(["infill", "--help"])
    printed = capsys.readouterr().out
    panels = re.findall(r"^╭─ ([A-Z][\w ]+?) ─", printed, re.MULTILINE)
    assert panels[2:] == ["Where the hole is", "Output", "Requirements for the fill", "Decoder", "Model"]
    examples = printed[printed.index("Examples:") :].split("\n")
    assert [line.strip()[:15] for line in examples[1:5]] == ["dlm-lsp infill "] * 4


@pytest.mark.parametrize("arguments", [["infill"], ["train"], ["train", "run"]])
def test_help_by_its_short_name(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*arguments, "-h"]) == 0
    assert f"Usage: {' '.join(['dlm-lsp', *arguments])}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["infill"],
        ["http"],
        ["serve"],
        ["models"],
        ["models", "pull"],
        ["train"],
        ["train", "run"],
        ["train", "export"],
    ],
)
def test_help_names_a_value_only_where_one_is_taken(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run([*arguments, "--help"])
    printed = capsys.readouterr().out
    assert "Show this message and exit." in printed
    assert not re.search(r"<bool>|-v +<|list\[", printed)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models", "pull"], "owner/name[@revision] on the hub"),
        (["models", "verify"], "[NAME]\n"),
        (["train", "train"], "section [train]."),
    ],
)
def test_help_keeps_its_brackets(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run([*arguments, "--help"])
    printed = re.sub(r" +\n", "\n", capsys.readouterr().out)
    assert words in printed
    assert "[[" not in printed


@pytest.mark.parametrize(
    ("arguments", "beginning"),
    [
        (["infill", "notes.xyz:1:1"], "No grammar for .xyz"),
        (["infill", "secrets/tokens.py:1:1"], "secrets/tokens.py is not filled: files named like secrets/*"),
        (["infill", "ok.py", "--function", "absent"], ""),
        (["infill", "ok.py:1:1", "--steps", "many"], "Invalid value for '--steps': 'many' is not a valid int."),
        (["infill", "ok.py:1:1", "--schedule", "slow"], "Invalid value for '--schedule': 'slow' is not one of "),
    ],
)
def test_usage_errors_in_the_words_of_others(
    command_line: CommandLine, arguments: Sequence[str], beginning: str
) -> None:
    code, stdout, stderr = command_line(*arguments)
    assert (code, stdout, command_line.loaded) == (USAGE, "", [])
    assert stderr.startswith(f"dlm-lsp: {beginning}")
    assert stderr.count("\n") == 1


def test_a_secret_is_one_from_within_its_own_folder(
    command_line: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "secrets")
    code, _, stderr = command_line("infill", "tokens.py:1:1")
    assert (code, command_line.loaded) == (USAGE, [])
    assert stderr.startswith("dlm-lsp: tokens.py is not filled: files named like secrets/*")


def test_two_markers(command_line: CommandLine) -> None:
    code, _, stderr = command_line(*STDIN, stdin=b"<FILL>\n<FILL>\n")
    assert (code, stderr) == (
        USAGE,
        "dlm-lsp: Standard input has 2 <FILL> markers; only one hole is filled at a time.\n",
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"num_steps = \n", ":1: this is not TOML: Invalid value (at line 1, column 13)."),
        (b"seed = 1\nnum_steps = 0\n", ":2: num_steps must be from 1 to 4096, got 0."),
        (b"speed = 1\n", ":1: speed is not an option; did you mean seed?"),
        (b"\xff", ": not UTF-8 text."),
    ],
)
def test_a_wrong_config_file_is_named_with_its_line(
    command_line: CommandLine, config_file: Path, content: bytes, complaint: str
) -> None:
    config_file.write_bytes(content)
    code, stdout, stderr = command_line("infill", "ok.py:2:5")
    assert (code, stdout, stderr) == (USAGE, "", f"dlm-lsp: {config_file}{complaint}\n")


def test_a_config_file_that_cannot_be_opened(command_line: CommandLine, config_file: Path) -> None:
    config_file.mkdir()
    code, _, stderr = command_line("infill", "ok.py:2:5")
    assert (code, stderr) == (USAGE, f"dlm-lsp: {config_file}: Is a directory.\n")


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), OSError(5, "CUDA out of memory")])
def test_an_unforeseen_error(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    command_line.engine.error = error
    code, stdout, stderr = command_line("infill", "ok.py:2:5")
    assert (code, stdout) == (MODEL, "")
    assert re.fullmatch(
        r"dlm-lsp: (RuntimeError|OSError): .*CUDA out of memory \(DLM_LSP_DEBUG=1 shows where\)\.\n", stderr
    )
    monkeypatch.setenv("DLM_LSP_DEBUG", "1")
    assert "Traceback" in command_line("infill", "ok.py:2:5").stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has a device that is always full")
@pytest.mark.parametrize("arguments", [["infill", "ok.py:2:5"], ["doctor", "--json"], ["--version"]])
def test_a_result_that_cannot_be_written(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code, _, stderr = command_line(*arguments)
    assert (code, stderr) == (USAGE, "dlm-lsp: Cannot write the result: No space left on device.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has a device that is always full")
def test_the_exit_code_survives_a_standard_error_that_cannot_be_written(child_environment: Mapping[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        ending = subprocess.run([*COMMAND, "nonsense"], env=child_environment, stderr=full, timeout=60, check=False)
    assert ending.returncode == USAGE


def test_the_result_is_utf_8_whatever_the_locale(child_environment: Mapping[str, str]) -> None:
    environment = {**child_environment, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [*COMMAND, "models", "list"]
    ending = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    assert (ending.returncode, ending.stderr) == (0, b"")
    assert "– (about".encode() in ending.stdout


def test_a_model_that_cannot_be_loaded(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise CheckpointError("weights/model.safetensors is truncated.")

    monkeypatch.setattr("dlm_lsp.commands.infill.load_engine", fail)
    assert command_line("infill", "ok.py:2:5") == (MODEL, "", "dlm-lsp: weights/model.safetensors is truncated.\n")
