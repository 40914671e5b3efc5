"""Diffs in colour, line by line."""

import pytest

from dlm_lsp.commands.rendering import coloured


@pytest.mark.parametrize(
    ("diff", "painted"),
    [
        ("", ""),
        (
            "--- a\n+++ b\n@@ -1 +1 @@\n-x\r\n+y\n",
            "\x1b[1m--- a\x1b[m\n\x1b[1m+++ b\x1b[m\n\x1b[36m@@ -1 +1 @@\x1b[m\n\x1b[31m-x\x1b[m\r\n\x1b[32m+y\x1b[m\n",
        ),
    ],
)
def test_colours_add_no_text(diff: str, painted: str) -> None:
    assert coloured(diff) == painted
