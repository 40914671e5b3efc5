"""The READMEs are true: trees name every module, tables the declared options, and commands can be typed."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fitting.presentation import present
from dlm_lsp.ghost_text import ghost_item
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.named_holes import find_function
from dlm_lsp.infilling import infill_request
from dlm_lsp.languages import language_for
from dlm_lsp.models.recommendation import suggest
from dlm_lsp.options import DECODE_OPTION_NAMES, OPTIONS, SETTING_NAMES, find_option
from dlm_model.decode_options import DecodeOptions
from dlm_model.network.precision import Precision
from dlm_model.training.__main__ import app
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.option_tables import HEAD, option_table

TREES = (
    "README.md",
    "dlm_lsp/README.md",
    "dlm_lsp/commands/README.md",
    "dlm_lsp/http_api/README.md",
    "dlm_lsp/models/README.md",
    "model/dlm_model/README.md",
    "model/dlm_model/families/README.md",
    "model/dlm_model/training/README.md",
    "kernels/README.md",
    "editors/README.md",
    "tests/README.md",
)
"""Pages with a tree of the files in their own folder."""
MODULES = ("dlm_lsp/**/*.py", "model/**/*.py", "kernels/**/*.py", "editors/vscode/src/*.ts", "editors/nvim/**/*.lua")
NOT_NAMED = {"__init__.py"}

BEFORE_CURSOR = '"""Only the even ones."""'
MIDDLE = (
    "found = []\n    for number in numbers:\n        if number % 2 == 0:\n            found.append(number)\n"
    "    return found\n\n\n"
)
DRAFTS = {
    4: "found = []\n    for number",
    10: "found = []\n    for number in numbers:\n        if number % 2 == 0:\n           ",
}
"""What was committed after some steps."""
SHOWN_CHARS = 48
"""At each end of a long text."""

PRECISIONS: tuple[Precision, ...] = ("auto", "int8", "int4")


@pytest.fixture(scope="module")
def readme(repository_root: Path) -> str:
    return (repository_root / "README.md").read_text(encoding="utf-8")


def tree_paths(repository_root: Path) -> Iterator[str]:
    """Paths that the annotated trees name: two spaces of indentation a level, `a.py, b.py` for several in one line."""
    for page in TREES:
        _, _, files = (repository_root / page).read_text(encoding="utf-8").partition("\n## Files\n")
        block = re.search(r"^```text\n(.*?)^```", files, re.DOTALL | re.MULTILINE)
        assert block, f"{page} has no tree"
        folders = [page.removesuffix("README.md")]
        for line in block[1].splitlines():
            indent, names = re.match(r"( *)([^\s,]+(?:, [^\s,]+)*)", line).groups()
            del folders[1 + len(indent) // 2 :]
            yield from ("".join([*folders, name]) for name in names.split(", "))
            if names.endswith("/"):
                folders.append(names)


def test_the_trees_name_every_module(repository_root: Path) -> None:
    modules = {
        file.relative_to(repository_root).as_posix()
        for pattern in MODULES
        for file in repository_root.glob(pattern)
        if file.name not in NOT_NAMED
    }
    assert modules - set(tree_paths(repository_root)) == set()


def test_what_the_trees_name_exists(repository_root: Path) -> None:
    assert [path for path in tree_paths(repository_root) if not (repository_root / path).exists()] == []


def test_every_page_with_a_tree_is_found_from_the_first(repository_root: Path) -> None:
    assert set(TREES[1:]) - set(tree_paths(repository_root)) == set()


def test_the_first_command_fills_a_body_that_is_empty(repository_root: Path, readme: str) -> None:
    command = re.search(r"^pip install -c constraints\.txt \. && dlm-lsp infill (\S+) (.*)$", readme, re.MULTILINE)
    assert command, "the README has no first command"
    path, flags = repository_root / command[1], shlex.split(command[2])
    text = path.read_text(encoding="utf-8")
    snapshot = Snapshot.parse(path.as_uri(), language_for(path.name, None), text)
    hole = find_function(snapshot, flags[flags.index("--function") + 1])
    assert (hole.kind, text[hole.start : hole.end]) == ("body", "")


def shown(text: str) -> str:
    """A text on one line, without its middle if it is long."""
    text = text.rstrip(" ") + "␣" * (len(text) - len(text.rstrip(" ")))
    line = text.replace("\n", "⏎")
    return line if len(line) <= 2 * SHOWN_CHARS else f"{line[:SHOWN_CHARS]} … {line[-SHOWN_CHARS:]}"


def worked_example(path: Path) -> str:
    """What becomes of the cursor behind a docstring, if the model writes `MIDDLE`."""
    text = path.read_text(encoding="utf-8")
    snapshot = Snapshot.parse(path.as_uri(), language_for(path.name, None), text)
    cursor = text.index(BEFORE_CURSOR) + len(BEFORE_CURSOR)
    hole = find_hole(snapshot, cursor)
    request = infill_request(ScriptedEngine(MIDDLE), HoleRequest(hole, DecodeOptions()))
    fill = present(hole, MIDDLE)
    item = ghost_item(snapshot, cursor, fill, "utf-16")
    assert fill.parse_valid
    assert item is not None
    start, end = item.range.start, item.range.end
    rows = {
        "Position": "line {}, character {}, both from 0".format(*snapshot.lines.position(cursor, "utf-16")),
        "Hole": f"{hole.kind}, from offset {hole.start} to {hole.end}",
        "prefix": shown(request.prefix),
        "suffix": shown(request.suffix),
        "Canvas": f"{request.expected_tokens} masks, and those of the tokens that were backed up over",
        **{f"Draft {step}": f"{shown(committed)}░░░…" for step, committed in DRAFTS.items()},
        "Candidate": shown(MIDDLE),
        "Fill": shown(fill.text),
        "Item": f"replaces {start.line}:{start.character} to {end.line}:{end.character}",
        "by": shown(item.insert_text),
    }
    return "".join(f"{name:10} {value}\n" for name, value in rows.items())


def test_the_worked_example_is_what_the_code_does(repository_root: Path) -> None:
    # The drafts are those of the packaged weights when this was written; all else follows from the text at the end.
    assert all(MIDDLE.startswith(committed) for committed in DRAFTS.values())
    page = (repository_root / "dlm_lsp/README.md").read_text(encoding="utf-8")
    assert f"```text\n{worked_example(repository_root / 'tests/data/examples/parity.py')}```\n" in page


def test_the_commands_for_training_can_be_typed(repository_root: Path, readme: str) -> None:
    group = typer.main.get_command(app)
    page = (repository_root / "model/dlm_model/training/README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^dlm-lsp train (.+)$", f"{readme}\n{page}", re.MULTILINE)
    typed = [shlex.split(line, comments=True) for line in lines if not line.lstrip().startswith("#")]
    stages = [stage for stage, *_ in typed]
    assert {"run", "corpus", "initialize", "train", "export", "order", "evaluate"} <= set(stages)
    for stage, *arguments in typed:
        # Parsed, and not run: an unknown flag or a missing argument is an error.
        group.commands[stage].make_context(stage, arguments)
    assert (repository_root / "model/dlm_model/training/adapt.toml").is_file()


def option_tables(text: str) -> list[str]:
    return re.findall(rf"^{re.escape(HEAD)}(?:\|.*\n)+", text, re.MULTILINE)


def test_the_settings_page_has_a_row_for_every_option_and_no_other(repository_root: Path) -> None:
    page = (repository_root / "dlm_lsp" / "README.md").read_text(encoding="utf-8")
    kinds = (SETTING_NAMES - DECODE_OPTION_NAMES, SETTING_NAMES & DECODE_OPTION_NAMES)
    assert option_tables(page) == [option_table(OPTIONS[name] for name in OPTIONS if name in names) for names in kinds]


def test_the_everyday_options_are_described_in_the_same_words(readme: str) -> None:
    [table] = option_tables(readme)
    named = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert table == option_table(find_option(name) for name in named)


def anchors(page: str) -> set[str]:
    """What a link may name after `#`, as GitHub derives it from the headings."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [*TREES, "editors/vscode/README.md", "tests/bench/README.md"])
def test_links_lead_somewhere(repository_root: Path, name: str) -> None:
    page = repository_root / name
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{path}#{anchor}"


def test_what_a_model_of_seven_billion_parameters_needs_is_as_recommended(readme: str) -> None:
    needed = {
        precision: each.needed
        for precision in PRECISIONS
        for each in suggest(0, bytes_per_number=2, is_cpu=False, precision=precision)
        if each.name == "dream-coder-7b"
    }
    told = r"needs ([\d.]+) GiB on a GPU.*?Eight bits make that ([\d.]+) GiB, four ([\d.]+)"
    figures = re.search(told, " ".join(readme.split()))
    assert figures, "the README does not say what such a model needs"
    assert figures.groups() == tuple(f"{needed[each] / 2**30:.1f}" for each in PRECISIONS)
