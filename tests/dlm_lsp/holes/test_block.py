"""Lines that say how deep they are, and lines that do not."""

from dlm_lsp.holes.block import Block
from dlm_lsp.languages import language_for


def test_lines_that_say_nothing_about_depth() -> None:
    lines = ["a = f(", "b)", "# c", '"""d', "e", '"""', "g = 1 + \\", "h", "i"]
    block = Block.of(language_for(None, "python"), lines)
    assert block.statement_lines == (3, 6, 8)
    assert block.literal_lines == {4, 5}
