"""`dlm-lsp infill` in the test's own process, with a scripted engine."""

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from dlm_lsp.errors import INTERRUPTED_EXIT_CODE
from tests.dlm_lsp.commands.command_line import SOURCE, CommandLine
from tests.dlm_lsp.scripted_engine import ScriptedEngine

FILLED = SOURCE.replace("pass", "return left + right")


def test_the_filled_text_alone_goes_to_stdout(command_line: CommandLine, file: Path) -> None:
    assert command_line("infill", f"{file}:2:5") == (0, "return left + right\n", "")


def test_a_function_is_found_by_name(command_line: CommandLine, file: Path) -> None:
    assert command_line("infill", str(file), "--function", "add").stdout == "return left + right\n"


@pytest.mark.parametrize("output", ["--json", "--diff", "--in-place"])
def test_a_body_that_is_written_is_replaced_only_on_demand(command_line: CommandLine, file: Path, output: str) -> None:
    written = ("infill", str(file), "--function", "twice")
    refusal = f"dlm-lsp: twice in {file} already has a body; --replace rewrites it, FILE:LINE:COL fills inside it.\n"
    assert command_line(*written, output) == (2, "", refusal)
    assert (file.read_text(), command_line.loaded) == (SOURCE, [])
    command_line.engine.middles = ("return 2 * value",)
    assert command_line(*written, "--replace").stdout == "return 2 * value\n"
    assert command_line(*written, "--replace", "--in-place").code == 0
    assert file.read_text() == SOURCE.replace("add(value, value)", "2 * value")


def test_a_range_is_replaced(command_line: CommandLine, file: Path) -> None:
    command_line.engine.middles = ("left - right",)
    outcome = command_line("infill", str(file), "--range", "6:12-6:29", "--in-place")
    assert outcome == (0, "", "")
    assert file.read_text() == SOURCE.replace("add(value, value)", "left - right")


@pytest.mark.parametrize("flag", ["--n", "-n"])
def test_alternatives_are_asked_for_in_long_and_in_short(command_line: CommandLine, file: Path, flag: str) -> None:
    assert command_line("infill", f"{file}:2:5", flag, "3").code == 0
    assert command_line.engine.options[0].num_candidates == 3


def test_standard_input_is_filled_at_its_marker(command_line: CommandLine) -> None:
    stdin = SOURCE.replace("pass", "<FILL>").encode()
    assert command_line("infill", "-", "--stdin-filename", "x.py", stdin=stdin).stdout == "return left + right\n"
    assert "<FILL>" not in command_line.engine.requests[0].prefix + command_line.engine.requests[0].suffix


@pytest.mark.parametrize("output", ["--in-place", "--diff"])
def test_a_file_is_filled_at_its_marker_which_the_fill_replaces(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sums.py").write_text(SOURCE.replace("pass", "<FILL>"))
    Path("change.diff").write_text(command_line("infill", "sums.py", output).stdout)
    if output == "--diff":
        subprocess.run(["git", "apply", "change.diff"], check=True, timeout=30)
    assert Path("sums.py").read_text() == FILLED


def test_a_line_alone_is_a_cursor_at_its_end(command_line: CommandLine, file: Path) -> None:
    assert (
        command_line("infill", f"{file}:2", "--json").stdout == command_line("infill", f"{file}:2:9", "--json").stdout
    )


@pytest.mark.parametrize(
    ("config", "code"),
    [("enabled = false\n", 0), ('disabledLanguages = ["python"]\n', 0), ('exclude = ["sums.*"]\n', 2)],
)
def test_what_switches_completions_off_leaves_a_command_alone_and_what_guards_files_does_not(
    command_line: CommandLine, file: Path, config_file: Path, config: str, code: int
) -> None:
    config_file.write_text(config)
    assert command_line("infill", f"{file}:2:5").code == code


@pytest.mark.parametrize("arguments", [["{file}:1:1"], ["{file}", "--range", "1:1-2:1"], ["{file}:1:1", "--json"]])
def test_between_blank_lines_there_is_nothing_to_go_by(
    command_line: CommandLine, tmp_path: Path, arguments: list[str]
) -> None:
    file = tmp_path / "new.py"
    file.write_text("" if "--range" not in arguments else "x = 1\n")
    outcome = command_line("infill", *(each.format(file=file) for each in arguments))
    assert outcome == (1, "", f"dlm-lsp: {file} is blank around the hole, so there is nothing to go by.\n")
    assert command_line.loaded == []


def test_json_has_exactly_these_fields(command_line: CommandLine, file: Path) -> None:
    outcome = command_line("infill", f"{file}:2:5", "--json")
    assert json.loads(outcome.stdout) == {
        "path": str(file),
        "range": "2:5-2:9",
        "text": "return left + right",
        "finish_reason": "stop",
        "parse_valid": True,
        "num_steps": 1,
        "num_forwards": 1,
        "num_tokens": 19,
        "elapsed_ms": 1.0,
        "tokens_per_second": 19000.0,
        "model": "scripted",
        "device": "cpu",
        "confidence": 0.9,
    }


def test_json_says_where_the_text_goes_in_the_words_of_the_command_line(command_line: CommandLine, file: Path) -> None:
    result = json.loads(command_line("infill", f"{file}:2:5", "--json").stdout)
    command_line.engine.middles = (result["text"],)
    assert command_line("infill", result["path"], "--range", result["range"], "--in-place").code == 0
    assert file.read_text() == FILLED


def test_json_without_a_fill_has_no_range(command_line: CommandLine, file: Path) -> None:
    command_line.engine.middles = ()
    result = json.loads(command_line("infill", f"{file}:2:5", "--json").stdout)
    assert (result["text"], result["range"], result["finish_reason"]) == ("", None, "stop")


def test_each_alternative_says_why_it_ended(command_line: CommandLine, file: Path) -> None:
    engine = command_line.engine
    engine.middles, engine.finish_reasons = ("return left +", "return left"), ("length", "stop")
    result = json.loads(command_line("infill", f"{file}:2:5", "--json", "--n", "2").stdout)
    assert result["finish_reason"] == "stop"
    assert [candidate["finish_reason"] for candidate in result["candidates"]] == ["stop", "length"]


def test_alternatives_that_parse_come_first(command_line: CommandLine, file: Path) -> None:
    command_line.engine.middles = (
        "return left +",
        "return left",
        "return left",
        "return right",
    )
    result = json.loads(command_line("infill", f"{file}:2:5", "--json", "--n", "4").stdout)
    assert [candidate["text"] for candidate in result["candidates"]] == ["return left", "return right", "return left +"]
    assert [candidate["parse_valid"] for candidate in result["candidates"]] == [True, True, False]
    assert result["text"] == "return left"
    assert command_line.engine.options[0].num_candidates == 4


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_diff_applies(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newline: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sums.py").write_bytes(SOURCE.replace("\n", newline).rstrip().encode())
    command_line.engine.middles = ("return left + right",)
    Path("change.diff").write_bytes(command_line("infill", "sums.py:2:5", "--diff").stdout.encode())
    subprocess.run(["git", "apply", "change.diff"], check=True, timeout=30)
    assert Path("sums.py").read_bytes() == FILLED.replace("\n", newline).rstrip().encode()


@pytest.mark.parametrize("written", ["src/sums.py", "./src/sums.py", "tests/../src/sums.py", "{folder}/src/sums.py"])
def test_the_diff_applies_however_the_file_is_written(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("tests").mkdir()
    Path("src/sums.py").write_text(SOURCE)
    target = f"{written.format(folder=tmp_path)}:2:5"
    Path("change.diff").write_text(command_line("infill", target, "--diff").stdout)
    subprocess.run(["git", "apply", "change.diff"], check=True, timeout=30)
    assert Path("src/sums.py").read_text() == FILLED


@pytest.mark.parametrize("tool", [["git", "apply"], ["patch", "-p1", "-i"]])
@pytest.mark.parametrize(
    "name", [b"my sums.py", b'a "b\\c.py', b"tab\there.py", "größe.py".encode(), b"gr\xf6\xdfe x.py"]
)
def test_the_diff_applies_whatever_the_file_is_called(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes, tool: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path(os.fsdecode(name))
    file.write_text(SOURCE)
    outcome = command_line("infill", f"{file}:2:5", "--diff")
    Path("change.diff").write_bytes(outcome.stdout.encode())
    subprocess.run([*tool, "change.diff"], check=True, timeout=30, capture_output=True)
    assert file.read_text() == FILLED


def test_json_names_a_file_whose_name_is_not_utf8(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path(os.fsdecode(b"gr\xf6\xdfe.py"))
    file.write_text(SOURCE)
    assert json.loads(command_line("infill", f"{file}:2:5", "--json").stdout)["path"] == str(file)


@pytest.mark.parametrize("written", ["../sums.py", "{file}"])
def test_a_diff_of_a_file_elsewhere_names_all_of_its_path(
    command_line: CommandLine, file: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    (file.parent / "inside").mkdir()
    monkeypatch.chdir(file.parent / "inside")
    diff = command_line("infill", f"{written.format(file=file)}:2:5", "--diff").stdout
    assert diff.startswith(f"--- {file}\n+++ {file}\n@@ ")


def test_on_a_terminal_a_diff_has_the_colours_of_git(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    Path("sums.py").write_bytes(b"def f():\r\n    pass  # -- x\r\n")
    command_line.engine.middles = ("return 1",)
    diff = ("infill", "sums.py:2:5", "--diff")
    bold, cyan, red, green, end = "\x1b[1m", "\x1b[36m", "\x1b[31m", "\x1b[32m", "\x1b[m"
    assert command_line(*diff).stdout == (
        f"{bold}--- a/sums.py{end}\n{bold}+++ b/sums.py{end}\n{cyan}@@ -1,2 +1,2 @@{end}\n def f():\r\n"
        f"{red}-    pass  # -- x{end}\r\n{green}+    return 1{end}\r\n"
    )
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in command_line(*diff).stdout


def test_in_place_keeps_line_endings_and_byte_order_mark(command_line: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "sums.py"
    file.write_bytes(("\ufeff" + SOURCE.replace("\n", "\r\n")).encode())
    command_line.engine.middles = ("total = left + right\nreturn total",)
    assert command_line("infill", f"{file}:2:5", "--in-place") == (0, "", "")
    expected = SOURCE.replace("pass", "total = left + right\n    return total").replace("\n", "\r\n")
    assert file.read_bytes() == ("\ufeff" + expected).encode()


def test_writing_in_place_can_also_print_what_changed(command_line: CommandLine, file: Path) -> None:
    outcome = command_line("infill", f"{file}:2:5", "--in-place", "--diff")
    assert "-    pass\n+    return left + right\n" in outcome.stdout
    assert file.read_text() == FILLED


def test_a_fill_that_does_not_parse_is_written_only_on_demand(
    command_line: CommandLine, file: Path, config_file: Path
) -> None:
    command_line.engine.middles = ("return left +",)
    in_place = ("infill", f"{file}:2:5", "--in-place")
    refusal = f"dlm-lsp: The model has nothing but fills that add syntax errors for this hole in {file}.\n"
    assert command_line(*in_place) == (1, "", refusal)
    assert file.read_text() == SOURCE
    config_file.write_text("require_valid = false\n")
    assert command_line(*in_place, "--require-valid") == (1, "", refusal)
    warning = f"dlm-lsp: The fill adds syntax errors to {file}.\n"
    assert command_line(*in_place) == (0, "", warning)
    assert file.read_text() == SOURCE.replace("pass", "return left +")
    file.write_text(SOURCE)
    config_file.write_text("require_valid = true\n")
    assert command_line(*in_place, "--no-require-valid") == (0, "", warning)
    assert file.read_text() == SOURCE.replace("pass", "return left +")


@pytest.mark.parametrize("output", ["--diff", "--in-place"])
def test_a_fill_that_changes_nothing_says_so(command_line: CommandLine, file: Path, output: str) -> None:
    command_line.engine.middles = ("add(value, value)",)
    message = f"dlm-lsp: The fill is the same as the existing text; nothing changes in {file}.\n"
    assert command_line("infill", str(file), "--range", "6:12-6:29", output) == (0, "", message)
    printed = command_line("infill", str(file), "--range", "6:12-6:29")
    assert printed == (0, "add(value, value)\n", "")


def test_a_place_where_nothing_is_missing_says_so(command_line: CommandLine, file: Path) -> None:
    command_line.engine.middles = (")",)
    code, stdout, stderr = command_line("infill", f"{file}:6:28", "--in-place")
    reason = "Nothing is missing: the model only repeats what follows this hole"
    assert (code, stdout, stderr) == (1, "", f"dlm-lsp: {reason} in {file}.\n")
    assert file.read_text() == SOURCE


def test_nothing_to_show_exits_with_1_and_leaves_the_file(command_line: CommandLine, file: Path) -> None:
    command_line.engine.middles = ("",)
    code, stdout, stderr = command_line("infill", f"{file}:2:5", "--in-place")
    assert (code, stdout) == (1, "")
    assert stderr.startswith("dlm-lsp: The model has nothing for this hole in")
    assert file.read_text() == SOURCE
    assert json.loads(command_line("infill", f"{file}:2:5", "--json").stdout)["text"] == ""


@pytest.mark.parametrize("middle", ["", "return left +"])
def test_a_deadline_that_leaves_nothing_to_show_is_the_reason(
    command_line: CommandLine, file: Path, middle: str
) -> None:
    command_line.engine.middles, command_line.engine.finish_reasons = (middle,), ("deadline",)
    outcome = command_line("infill", f"{file}:2:5", "--require-valid", "--deadline-ms", "500")
    reason = "The model wrote nothing that could be shown within 500 ms; a longer --deadline-ms may help."
    assert outcome == (1, "", f"dlm-lsp: {reason}\n")


def test_ctrl_c_stops_the_engine_and_prints_nothing(command_line: CommandLine, file: Path) -> None:
    engine = command_line.engine = ScriptedEngine("return left + right", num_steps=50, is_gated=True)

    def interrupt() -> None:
        engine.wait_for_step()
        os.kill(os.getpid(), signal.SIGINT)
        engine.allow(50)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    assert command_line("infill", f"{file}:2:5", "--in-place") == (INTERRUPTED_EXIT_CODE, "", "")
    interrupter.join()
    assert engine.num_steps_done < 50
    assert file.read_text() == SOURCE
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_watch_leaves_one_line_where_there_is_no_terminal(command_line: CommandLine, file: Path) -> None:
    code, stdout, stderr = command_line("infill", f"{file}:2:5", "--watch")
    assert (code, stdout) == (0, "return left + right\n")
    assert "\x1b" not in stderr
    assert "step 1 of at most 1" in stderr
