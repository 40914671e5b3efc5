"""Python in the cells of a notebook: commands to IPython break no parse, and cells for another program are told."""

import pytest

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.languages import language_for
from dlm_lsp.languages.cells import PYTHON_CELL, as_cell, foreign_magic

PYTHON = language_for("a.py", None)


def _cell(text: str) -> Snapshot:
    return Snapshot.parse("vscode-notebook-cell:/a.ipynb#1", PYTHON_CELL, text)


@pytest.mark.parametrize(
    "text",
    [
        "%matplotlib inline\nx = 1\n",
        "%%time\ntotal = sum(xs)\n",
        "!pip install 'it\n",
        "!echo “é” ( && ls\nx = 1\n",
        "for url in urls:\n    !wget {url}\n",
        "if is_slow:\n\t%timeit -n 3 f(\n",
        "files = !ls *.csv\n",
        "best = %timeit -o f(x)\n",
        "frame.head?\n",
        "?sum\r\nsum??\r\n",
        "é = !ls\n",
        "größe.é?\n",
        "self.x = !ls\n",
        "x[0] = %time f()\n",
        "x['a = %d'], *y = !ls\n",
        "(a, b) = !ls\n",
        "lines: list[str] = !ls\n",
        "!pip install a \\\n    b\nx = 1\n",
        "%time f(1, \\\r\n  'é\r\nx = 1\r\n",
        "for url in urls:\n    files = !ls \\\n'a \\\n  \\\n\n    print(files)\n",
    ],
)
def test_a_command_breaks_no_parse(text: str) -> None:
    assert PYTHON.parse(text.encode()).root_node.has_error
    cell, plain = _cell(text), PYTHON_CELL.without_commands(text)
    assert not cell.tree.root_node.has_error
    assert cell.tree.root_node.end_byte == len(text.encode())
    assert str(cell.tree.root_node) == str(PYTHON.parse(plain.encode()).root_node)
    assert [*map(len, plain.splitlines(keepends=True))] == [*map(len, text.splitlines(keepends=True))]


@pytest.mark.parametrize(
    "text",
    [
        "x = (a\n     % b)\n",
        "assert (a\n        != b)\n",
        'text = """\n%d of!\n!important"""\n',
        "rest = 7 %d\n",
        "x = '%s' % name\n",
        "print('total = %d' % total)\n",
        "é = a == b\n",
        "x = 1  # y = !ls\n",
    ],
)
def test_what_is_python_stays_what_it_is(text: str) -> None:
    assert str(_cell(text).tree.root_node) == str(PYTHON.parse(text.encode()).root_node)
    assert PYTHON_CELL.without_commands(text) == text


def test_a_command_is_a_name_in_each_of_its_lines_as_deep_as_it_is() -> None:
    text = "if a:\n    x = !ls \\\n        b \\\n c\n    y = 1\n"
    assert PYTHON_CELL.without_commands(text) == "if a:\n    x = _____\n    _______\n  \n    y = 1\n"


def test_the_brackets_of_a_command_are_none_of_the_codes() -> None:
    assert PYTHON_CELL.code_only("  !echo (\nf(x)") == f"  {'_' * 7}\nf(x)"


def test_a_letter_makes_a_command_of_a_line_and_code_of_a_command() -> None:
    cell = _cell("ls (\nx = 1\n")
    assert cell.tree.root_node.has_error
    command = cell.replaced(0, 0, "!")
    assert not command.tree.root_node.has_error
    assert command.replaced(0, 1, "").tree.root_node.has_error


@pytest.mark.parametrize(
    ("text", "magic"),
    [
        ("%%bash\nls\n", "%%bash"),
        ("\n%%html\n<p>\n", "%%html"),
        ("%%writefile a.py\nx = 1\n", "%%writefile"),
        ("%%timeit\nf()\n", None),
        ("%%capture out\nf()\n", None),
        ("%bash\n", None),
        ("x = 1\n%%bash\n", None),
    ],
)
def test_a_magic_may_make_a_cell_something_else(text: str, magic: str | None) -> None:
    assert foreign_magic(PYTHON_CELL, text) == magic
    assert foreign_magic(PYTHON, text) is None


def test_other_languages_are_the_same_in_cells() -> None:
    rust = language_for("a.rs", None)
    assert as_cell(PYTHON) is PYTHON_CELL
    assert as_cell(rust) is rust
