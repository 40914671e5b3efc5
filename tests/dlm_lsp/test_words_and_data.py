"""The model's text in blocks that words close, in data, pages and style sheets: rows as in `test_within_a_line`."""

import pytest

from dlm_lsp.fitting.hole_ending import HoleEnding
from dlm_lsp.holes.cursor_holes import find_hole
from tests.dlm_lsp.filled_documents import fill_at_cursor
from tests.dlm_lsp.snapshots import snapshot_of

ROWS = [
    ("lua", "function f()\n  │\nend\n", "return 1\nend\n\nfunction g()\n", "function f()\n  return 1\nend\n"),
    ("lua", "f(function() │end)\n", "a()", "f(function() a() end)\n"),
    ("lua", "if a then│\nend\n", "\n  b()\n", "if a then\n  b()\nend\n"),
    (
        "lua",
        "function f()\n  │\nend\n",
        "a()\nif b then\n  c()\n  d(",
        "function f()\n  a()\n  if b then\n    c()\n  end\nend\n",
    ),
    ("lua", "function f()\n  │\n\ng()\n", "return 1\nend\n", "function f()\n  return 1\nend\n\ng()\n"),
    ("ruby", "a do\n  │\n  d\nend\n", "if b\n    c\n  else\n    raise E(", "a do\n  if b\n    c\n  end\n  d\nend\n"),
    (
        "bash",
        "f() {\n  │\n  c\n}\n",
        "while a; do\n    b\n  done\n  c\n",
        "f() {\n  while a; do\n    b\n  done\n  c\n}\n",
    ),
    (
        "ruby",
        "class A\n  def f│\n  end\nend\n",
        "\n    @a ||= 1\n  end\nend",
        "class A\n  def f\n    @a ||= 1\n  end\nend\n",
    ),
    ("ruby", "def f\n  │\nend\n", "a\nrescue B\n  c\nend", "def f\n  a\nrescue B\n  c\nend\n"),
    ("bash", "f() {\n  │\n}\n", "if a; then\n  b\nfi\n}\nf", "f() {\n  if a; then\n    b\n  fi\n}\n"),
    ("bash", "for a in b; do│\ndone\n", " c\ndone", "for a in b; do\n  c\ndone\n"),
    ("yaml", "a:\n  b: 1\n  │\nd: 2\n", "c: 3\ne: 4\n", "a:\n  b: 1\n  c: 3\nd: 2\n"),
    ("yaml", "a:\n  │\nb: 1\n", "- c: 2\n    d: 3\n  - c: 4\nb: 1", "a:\n  - c: 2\n    d: 3\n  - c: 4\nb: 1\n"),
    ("yaml", "a:\n- b\n│\n- c\n", "- d: 1\n  e: 2\n- f", "a:\n- b\n- d: 1\n  e: 2\n- c\n"),
    ("yaml", "a:\n  b: 1\n  │\n", "c: |\n    d\n      e\n  f: 'g", "a:\n  b: 1\n  c: |\n    d\n      e\n"),
    ("yaml", "a:\n  b: 1\n  │\n", "c: |\n    d\n    e\n", "a:\n  b: 1\n  c: |\n    d\n    e\n"),
    (
        "yaml",
        "steps:\n  - uses: a\n    │\n  - uses: b\n",
        "continue-on-error: true\n    run: make\n    shell: bash",
        "steps:\n  - uses: a\n    continue-on-error: true\n    run: make\n    shell: bash\n  - uses: b\n",
    ),
    ("yaml", "a:\n  b: 1\n  │\n", "c: 2\n  # d.yml:\n  e: 3\n", "a:\n  b: 1\n  c: 2\n  # d.yml:\n  e: 3\n"),
    (
        "bash",
        "case $1 in\n  │\nesac\n",
        "a)\n    case $2 in\n      b) c ;;\n    esac\n    ;;\n",
        "case $1 in\n  a)\n    case $2 in\n      b) c ;;\n    esac\n    ;;\nesac\n",
    ),
    ("json", '{\n  "a": 1,\n  │\n  "c": 3\n}\n', '"b": 2', '{\n  "a": 1,\n  "b": 2,\n  "c": 3\n}\n'),
    ("json", '{\n  "a": 1,\n  │\n}\n', '"b": [\n    2\n  ]\n}\n', '{\n  "a": 1,\n  "b": [\n    2\n  ]\n}\n'),
    ("json", '{\n  "a": 1,\n  │\n}\n', '"b": 2,', '{\n  "a": 1,\n  "b": 2\n}\n'),
    (
        "json",
        '{\n  "z": 1,\n  │\n}\n',
        '"a": {\n    "b": [1, 2',
        '{\n  "z": 1,\n  "a": {\n    "b": [1, 2]\n  }\n}\n',
    ),
    (
        "json",
        '{\n  │\n  "z": 1\n}\n',
        '"a": [\n    {"b": 1},\n    {"b',
        '{\n  "a": [\n    {"b": 1}\n  ],\n  "z": 1\n}\n',
    ),
    ("json", '{\n  "a": 1,\n  │\n}\n', '"b": 2,\n  "c": {', '{\n  "a": 1,\n  "b": 2\n}\n'),
    ("toml", "[a]\n│\n", "b = [\n  1,\n  2", "[a]\nb = [\n  1,\n  2\n]\n"),
    ("toml", "[a]\nb = 1\n│\n\n[d]\n", "c = [\n  1,\n]\n\n[d]", "[a]\nb = 1\nc = [\n  1,\n]\n\n[d]\n"),
    ("html", "<ul>\n  │\n</ul>\n", "<li>a</li>\n</ul>\n<p>", "<ul>\n  <li>a</li>\n</ul>\n"),
    ("css", "a {\n  b: c;\n  │\n}\n", "d: e;\n}\n\nf {", "a {\n  b: c;\n  d: e;\n}\n"),
]

UNCLOSED = [
    ("lua", "function f(x)\n  if x then\n    │\n", "return 1\n  end\n  return 2\nend\n\nfunction g()\n", 3),
    ("lua", "function f(x)\n  repeat\n    │\nend\n", "x()\n  until y\n  return 2\nend\n", 2),
    ("lua", "it(a, function()\n  if b then\n    │\n", "c()\n  end\n  d()\nend)\n\nit(e)\n", 3),
    ("lua", "repeat\n  │\n", "a()\nuntil b\nc()\n", 1),
    ("bash", "for a in b; do\n  if a; then\n    │\n", "b\n  else\n    c\n  fi\ndone\nd\n", 4),
    ("bash", "f() {\n  if a; then\n    │\n", "b\n  fi\n  c\n}\n\ng() {\n", 3),
    ("ruby", "class A\n  def f(x)\n    if x\n      │\n", "b\n    end\n    c\n  end\n\n  def g\n", 3),
]
"""Without the words that close the blocks, and how many lines of the text are kept after the first."""


@pytest.mark.parametrize(("language_id", "text", "middle", "num_lines"), UNCLOSED)
def test_as_many_words_close_as_the_document_leaves_open(
    language_id: str, text: str, middle: str, num_lines: int
) -> None:
    kept = "\n".join(middle.split("\n")[: num_lines + 1])
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (text.replace("│", kept), True)
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    ending = HoleEnding(find_hole(snapshot, len(before)))
    assert [ending.is_over(middle[:length]) for length in (len(kept) - 5, len(kept) + 4)] == [False, True]


@pytest.mark.parametrize(("language_id", "text", "middle", "expected"), ROWS)
def test_words_and_data(language_id: str, text: str, middle: str, expected: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert result == expected
    assert fill.parse_valid


@pytest.mark.parametrize(
    ("language_id", "text", "middle"),
    [("lua", "if a then\n  b()\n  │\nend\n", "end"), ("bash", "if a; then\n  b\n  │\nfi\n", "fi")],
)
def test_a_lone_end_is_the_one_that_follows(language_id: str, text: str, middle: str) -> None:
    assert fill_at_cursor(language_id, text, middle)[1].text == ""
