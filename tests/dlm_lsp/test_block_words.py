"""Words that open and close blocks: where a text closes what is not its own, and what it leaves open."""

import pytest

from dlm_lsp.holes.unclosed import with_closers, without_unmatched_closers
from dlm_lsp.languages import language_for


@pytest.mark.parametrize(
    ("language_id", "text", "kept"),
    [
        ("lua", "return a\nend\n\nlocal b = 1", "return a\n"),
        ("lua", "for i = 1, 2 do\n  a()\nend\nb()", "for i = 1, 2 do\n  a()\nend\nb()"),
        ("lua", "if a then\n  b()\nelse\n  c()\nend\nelse\n  d()", "if a then\n  b()\nelse\n  c()\nend\n"),
        ("lua", "a.end_ = x.done -- end\nb('end')\nend", "a.end_ = x.done -- end\nb('end')\n"),
        ("lua", "repeat a() until b", "repeat a() until b"),
        ("lua", "a()\nend)\nb()", "a()\n"),
        ("ruby", "a if b\nwhile c do\n  d\nend\nend\ne", "a if b\nwhile c do\n  d\nend\n"),
        ("ruby", "x = if a\n  b\nend\ny.class\nz[:end]\nend", "x = if a\n  b\nend\ny.class\nz[:end]\n"),
        ("ruby", "def a = b\nend", "def a = b\n"),
        ("ruby", "a\nelse\n  c", "a\n"),
        ("ruby", "a\nrescue b\n  c\nend", "a\nrescue b\n  c\n"),
        ("bash", "echo done if\ndone\nx", "echo done if\n"),
        ("bash", "for a in b; do if c; then d; fi; done\nfi", "for a in b; do if c; then d; fi; done\n"),
        ("bash", "case a in\n  b) c ;;\nesac\n}", "case a in\n  b) c ;;\nesac\n"),
    ],
)
def test_a_text_ends_before_it_closes_what_it_did_not_open(language_id: str, text: str, kept: str) -> None:
    assert without_unmatched_closers(language_for(None, language_id), text) == kept


@pytest.mark.parametrize(
    ("language_id", "lines", "added"),
    [
        ("lua", ["if a then", "    for b in c do", "      d()"], ["    end", "  end"]),
        ("lua", ["f(a, function()", "    b()"], ["  end)"]),
        ("lua", ["repeat", "    b()"], []),
        ("lua", ["f(a,", "    b"], []),
        ("ruby", ["a.each do |b|", "    c unless d"], ["  end"]),
        ("bash", ["while a; do", "    case b in", "    c) d ;;"], ["    esac", "  done"]),
        ("bash", ["f() {", "    a"], ["  }"]),
    ],
)
def test_what_lines_leave_open_is_closed(language_id: str, lines: list[str], added: list[str]) -> None:
    assert with_closers(language_for(None, language_id), lines, "  ") == [*lines, *added]
