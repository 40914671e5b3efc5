"""How the decoder of `dlm-lsp infill` is steered: flags, methods, options, and what a fill must hold."""

from pathlib import Path

import pytest

from tests.dlm_lsp.commands.command_line import SOURCE, CommandLine

FILLED = SOURCE.replace("pass", "return left + right")


def test_flags_overrule_the_config_file(command_line: CommandLine, file: Path, config_file: Path) -> None:
    config_file.write_text("num_steps = 7\nseed = 3\nmodel = '/somewhere'\n")
    flags = ["--steps", "9", "--schedule", "cosine", "--selection", "margin", "--threshold", "0.5"]
    more = ["--deadline-ms", "100", "--temperature", "0.3", "--refresh-interval", "2", "--n", "5", "--device", "cuda:7"]
    command_line("infill", f"{file}:2:5", *flags, *more, "--precision", "int8")
    options = command_line.engine.options[0]
    assert (options.num_steps, options.seed, options.schedule, options.selection) == (9, 3, "cosine", "margin")
    assert (options.confidence_threshold, options.deadline_ms, options.temperature) == (0.5, 100, 0.3)
    assert (options.prompt_refresh_interval, options.num_candidates) == (2, 5)
    assert command_line.loaded == [("/somewhere", "cuda:7", "int8")]


@pytest.mark.parametrize("name", ["learned order", "Learned-Order"])
def test_a_method_may_be_written_as_one_word(command_line: CommandLine, file: Path, name: str) -> None:
    assert command_line("infill", f"{file}:2:5", "--method", name).code == 0
    assert command_line.engine.options[0].selection == "learned"


def test_methods_and_single_options_reach_the_decoder(command_line: CommandLine, file: Path) -> None:
    command_line("infill", f"{file}:2:5", "--method", "klass", "--method", "token-to-mask", "--set", "maxRevisions=7")
    options = command_line.engine.options[0]
    assert (options.schedule, options.remasking, options.max_revisions) == ("klass", "token_to_mask", 7)


@pytest.mark.parametrize("spelling", ["steps", "num_steps", "num-steps", "numSteps"])
def test_an_option_may_be_spelled_as_anywhere_else(
    command_line: CommandLine, file: Path, config_file: Path, spelling: str
) -> None:
    config_file.write_text("steps = 7\ndeadline_ms = 50.0\n")
    command_line("infill", f"{file}:2:5", "--set", f"{spelling}=8", "--set", "deadlineMs=null")
    assert (command_line.engine.options[0].num_steps, command_line.engine.options[0].deadline_ms) == (8, None)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["--method", "in-place anchors"],
            "--method does not switch on in-place anchors: fills around text that is there from the first step; "
            "by --keep and --closing.",
        ),
        (["--method", "magic"], "There is no method 'magic'; dlm-lsp methods lists them."),
        (
            ["--method", "KLASS", "--method", "linear"],
            "KLASS and linear are both of the kind schedule; use only one of them.",
        ),
        (
            ["--method", "factor", "--method", "blend"],
            "factor sets schedule to factor, and blend to threshold; use only one of them.",
        ),
        (
            ["--method", "blend", "--method", "factor"],
            "blend sets schedule to threshold, and factor to factor; use only one of them.",
        ),
        (
            ["--method", "no guide", "--method", "APD"],
            "no guide sets guide to none, and APD to self; use only one of them.",
        ),
        (["--model", ""], "--model is empty."),
        (["--guide", ""], "--guide is empty."),
        (["--set", "factor="], "--set takes OPTION=VALUE, got 'factor='."),
        (["--set", "factor"], "--set takes OPTION=VALUE, got 'factor'."),
        (["--set", "factor=-1"], "factor must be 0 or more, got -1."),
        (["--set", "factor=much"], "factor must be a number, got 'much'."),
        (["--set", "threshold=2"], "threshold must be in (0, 1], got 2."),
        (["--set", "numSteps=0"], "numSteps must be from 1 to 4096, got 0."),
        (["--set", "numStep=3"], "numStep is not an option of the decoder; did you mean numSteps?"),
        (["--set", "stepz=3"], "stepz is not an option of the decoder; did you mean steps?"),
        (
            ["--set", "Confidence-Treshold=1"],
            "Confidence-Treshold is not an option of the decoder; did you mean confidence_threshold?",
        ),
        (["--set", "wxyz=3"], "wxyz is not an option of the decoder; dlm_lsp/README.md has a table of them."),
    ],
)
def test_a_wrong_method_or_option_is_named(
    command_line: CommandLine, file: Path, arguments: list[str], complaint: str
) -> None:
    assert command_line("infill", f"{file}:2:5", *arguments) == (2, "", f"dlm-lsp: {complaint}\n")


@pytest.mark.parametrize(
    ("name", "where"), [("maxDocumentChars", "set it in {}"), ("model", "give --model, or set it in {}")]
)
def test_an_option_that_is_not_the_decoders_is_said_to_be_set_elsewhere(
    command_line: CommandLine, file: Path, config_file: Path, name: str, where: str
) -> None:
    complaint = f"--set sets options of the decoder, and {name} is not one; {where.format(config_file)}."
    assert command_line("infill", f"{file}:2:5", "--set", f"{name}=5") == (2, "", f"dlm-lsp: {complaint}\n")


def test_a_file_that_is_too_large_is_said_where_the_limit_is_raised(
    command_line: CommandLine, file: Path, config_file: Path
) -> None:
    config_file.write_text("maxDocumentChars = 20\n")
    complaint = f"{file} has more than 20 characters; maxDocumentChars in {config_file} raises the limit."
    assert command_line("infill", f"{file}:2:5") == (2, "", f"dlm-lsp: {complaint}\n")


def test_methods_that_agree_on_an_option_combine(command_line: CommandLine, file: Path) -> None:
    command_line("infill", f"{file}:2:5", "--method", "blend", "--method", "threshold", "--method", "Prophet")
    options = command_line.engine.options[0]
    assert (options.guide, options.schedule, options.early_commit) == ("self", "threshold", 7.5)


def test_a_later_flag_overrules_a_method(command_line: CommandLine, file: Path) -> None:
    command_line("infill", f"{file}:2:5", "--method", "KLASS", "--schedule", "linear")
    assert command_line.engine.options[0].schedule == "linear"


def test_what_must_be_kept_reaches_the_engine(command_line: CommandLine, file: Path) -> None:
    command_line("infill", f"{file}:2:5", "--keep", "left", "--keep", "right", "--closing", "return total")
    request = command_line.engine.requests[0]
    assert (request.keep, request.closing) == (("left", "right"), "\n    return total")


def test_nothing_rather_than_a_fill_without_what_must_be_kept(command_line: CommandLine, file: Path) -> None:
    command_line.engine.middles = ("return left", "total = left + right\n    return total")
    anchors = ("--keep", "left +  right", "--closing", "return total")
    outcome = command_line("infill", f"{file}:2:5", *anchors, "--n", "2")
    assert (outcome.code, outcome.stdout) == (0, "total = left + right\n    return total\n")
    before = file.read_bytes()
    assert command_line("infill", f"{file}:2:5", *anchors, "--in-place") == (
        1,
        "",
        f"dlm-lsp: The model has nothing with the texts of `keep` and `closing` for this hole in {file}.\n",
    )
    assert file.read_bytes() == before


def test_nothing_rather_than_a_fill_that_adds_errors(command_line: CommandLine, file: Path) -> None:
    command_line.engine.middles = ("return (", "return left")
    assert command_line("infill", f"{file}:2:5", "--require-valid", "--n", "2").stdout == "return left\n"
    command_line.engine.middles = ("return (",)
    assert command_line("infill", f"{file}:2:5").code == 0
    before = file.read_bytes()
    code, stdout, stderr = command_line("infill", f"{file}:2:5", "--require-valid", "--in-place")
    assert (code, stdout) == (1, "")
    assert stderr == (f"dlm-lsp: The model has nothing but fills that add syntax errors for this hole in {file}.\n")
    assert file.read_bytes() == before


@pytest.mark.parametrize(("anchor", "text"), [("keep", ""), ("keep", "two\nlines"), ("closing", "two\nlines")])
def test_an_anchor_that_cannot_stand_in_the_hole_is_a_usage_error(
    command_line: CommandLine, tmp_path: Path, anchor: str, text: str
) -> None:
    file = tmp_path / "line.py"
    file.write_text("total = \n")
    code, stdout, stderr = command_line("infill", f"{file}:1:9", f"--{anchor}", text)
    assert (code, stdout) == (2, "")
    assert stderr.startswith(f"dlm-lsp: {anchor} must be ")
