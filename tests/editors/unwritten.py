"""The file in the pictures of both editors, with a whole body that the shipped weights have written."""

from pathlib import Path

UNWRITTEN = Path(__file__).resolve().parents[1] / "data/examples/parity.py"
_DOCSTRING = '"""Only the even ones."""\n'


def unwritten_body() -> tuple[str, str]:
    """The text before and after the body that is still to be written, on a line of its own."""
    before, after = UNWRITTEN.read_text(encoding="utf-8").split(_DOCSTRING)
    return before + _DOCSTRING, after
