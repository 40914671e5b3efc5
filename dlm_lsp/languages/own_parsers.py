"""Parsers that Python brings along: its own, and that of TOML.

They refuse what a grammar for editors lets pass, because it may be unfinished: a header without a block, a line that is
too deep, a key that is there twice. What is newer than the Python that runs this process they refuse as well.
"""

import ast
import threading
import tomllib
import warnings

_warnings_lock = threading.Lock()
"""The filters of warnings belong to the process, and every worker has a thread."""


def parses_as_python(text: str) -> bool:
    """Whether the Python that runs this process takes a text for a module, which it does not run."""
    with _warnings_lock, warnings.catch_warnings():
        for category in (DeprecationWarning, SyntaxWarning):  # about escapes in strings, for instance
            warnings.simplefilter("ignore", category)
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # too deeply nested, a null character
            return False
    return True


def parses_as_toml(text: str) -> bool:
    """Whether a text is TOML."""
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
