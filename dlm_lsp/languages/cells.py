"""Languages in the cells of a notebook, where lines and whole cells may be commands to IPython instead of code.

IPython's commands are its magics (`%matplotlib inline`), the shell's (`!pip install`) and help (`frame.head?`).
"""

import re
from dataclasses import replace

from dlm_lsp.languages.language import NAME_CHARACTER, Language
from dlm_lsp.languages.python import PYTHON

_TO_THE_END = r"[^\r\n]*(?:(?<=\\)\r?\n[^\r\n]*)*"
"""Matches the rest of a line, and the lines that it goes on in behind a backslash."""

_HELP = rf"(?!\d){NAME_CHARACTER}(?:\.|{NAME_CHARACTER})*\?\??(?=[ \t]*(?:[\r\n]|\Z))"

PYTHON_CELL = replace(PYTHON, command_pattern=rf"(?:%%?[A-Za-z]|!(?!=)|\?){_TO_THE_END}|{_HELP}")
"""Python among commands. An operator may begin a line of Python as well, but the remainder's `%` has a space behind it,
and a `!` is that of `!=`.
"""

_PYTHON_MAGICS = frozenset({"capture", "debug", "prun", "time", "timeit"})
"""Magics of a whole cell that run it as Python, among the names of the other cells."""

_CELL_MAGIC = re.compile(r"\s*%%([A-Za-z]\w*)")


def as_cell(language: Language) -> Language:
    """The language of a notebook's cell that an editor says to be in this one."""
    return PYTHON_CELL if language is PYTHON else language


def foreign_magic(language: Language, text: str) -> str | None:
    """The magic that makes a cell something else than its language says, such as `%%bash`; None if there is none."""
    magic = _CELL_MAGIC.match(text) if language.command_pattern else None
    return f"%%{magic[1]}" if magic and magic[1] not in _PYTHON_MAGICS else None
