"""Blocks moved to their depth; `test_block_fitting.py` has the common cases, these are the corners."""

import pytest

from dlm_lsp.fitting.reindent import is_sound, reindented
from dlm_lsp.holes.block import Block
from dlm_lsp.holes.indentation import IndentStyle
from dlm_lsp.languages import language_for

PYTHON = language_for(None, "python")
SPACES = IndentStyle("    ")


def moved(text: str, indent: str, first_depth: int | None = None, floor: int = 0) -> str:
    return "\n".join(reindented(Block.of(PYTHON, text.split("\n")), SPACES, indent, first_depth, floor))


def test_a_written_depth_moves_the_whole_block() -> None:
    assert moved("        a\n            b\n        c", "    ", first_depth=8) == "a\n        b\n    c"


def test_comments_and_continuations_move_along() -> None:
    assert moved("a = f(\n  b)\n# c\nd", "    ", floor=4) == "a = f(\n      b)\n    # c\n    d"


def test_no_line_moves_left_of_the_margin() -> None:
    assert moved("    a\n  b", "", first_depth=4) == "a\nb"


def test_a_dedent_to_an_open_block_is_left_alone() -> None:
    assert moved("a\n    b", "        ", floor=1) == "a\n    b"


@pytest.mark.parametrize(
    ("text", "depth_below", "expected"),
    [
        ("a\n    b", 0, True),
        ("a\n        b", 0, False),
        ("if a:\n        b\n    else:\n        c", 0, True),
        ("if a:\n    b", 0, False),
        ("if a:\n        b\n      c", 0, False),
        ("if a:", 8, True),
        ("if a:", 4, False),
        ("def f():\n        '''Doc.'''", 0, True),
        ("a\nb", 0, True),
    ],
)
def test_soundness(text: str, depth_below: int, expected: bool) -> None:
    assert is_sound(Block.of(PYTHON, text.split("\n")), SPACES, 4, depth_below) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("if (a) {\n      b();\n  }\n  c();", "if (a) {\n    b();\n  }\n  c();"),
        (
            "if (a) {\n      b(() => {\n          c();\n      });\n  } else {\n      d();\n  }",
            "if (a) {\n    b(() => {\n      c();\n    });\n  } else {\n    d();\n  }",
        ),
        ("if (a) {\n        b(\n            c,\n        );\n    }", "if (a) {\n    b(\n        c,\n    );\n  }"),
        ("if (a) {\n      b();", "if (a) {\n    b();"),
        ("if (a) {\n    b();\n  }", "if (a) {\n    b();\n  }"),
        ("if (a) {\n     b();\n  }", "if (a) {\n     b();\n  }"),
        (
            "if (a) {\n      b();\n  }\n  if (c) {\n    d();\n  }",
            "if (a) {\n      b();\n  }\n  if (c) {\n    d();\n  }",
        ),
    ],
    ids=["one", "nested", "moved", "open", "as-wanted", "no-multiple", "mixed"],
)
def test_braces_lead_by_one_level_where_the_document_wants_one(text: str, expected: str) -> None:
    block = Block.of(language_for(None, "javascript"), text.split("\n"))
    assert "\n".join(reindented(block, IndentStyle("  "), "  ", None, 0)) == expected


@pytest.mark.parametrize(
    ("language_id", "text", "expected"),
    [
        ("lua", "for a in b do\n  c()\nend", "for a in b do\n\t\tc()\n\tend"),
        (
            "go",
            "if a {\n  /*\n   * b\n   */\n  c(\n    d)\n}",
            "if a {\n\t\t/*\n\t\t * b\n\t\t */\n\t\tc(\n\t\t\td)\n\t}",
        ),
        ("go", "if a {\n  if b {\n    c()", "if a {\n\t\tif b {\n\t\t\tc()"),
        ("go", "if a {\n  b(c,\n    d,\n     e)\n}", "if a {\n\t  b(c,\n\t\td,\n\t\t e)\n\t}"),
        ("go", "switch a {\ncase b:\n  c()\n}", "switch a {\n\tcase b:\n\t\tc()\n\t}"),
    ],
)
def test_blanks_lead_by_one_level_where_the_document_has_tabs(language_id: str, text: str, expected: str) -> None:
    block = Block.of(language_for(None, language_id), text.split("\n"))
    assert "\n".join(reindented(block, IndentStyle("\t"), "\t", None, 0)) == expected
