"""The file of which the pictures of both editors show a whole body that the shipped weights wrote."""

from pathlib import Path

UNWRITTEN = Path(__file__).resolve().parents[1] / "data/examples/parity.py"
_DOCSTRING = '"""Only the even ones."""\n'


def unwritten_body() -> tuple[str, str]:
    """What stands before and after the body that is still to be written, on a line of its own."""
    before, after = UNWRITTEN.read_text(encoding="utf-8").split(_DOCSTRING)
    return before + _DOCSTRING, after
