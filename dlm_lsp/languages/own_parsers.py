"""Parsers that Python brings along: its own, and that of TOML.

They refuse what a grammar for editors lets pass, because it may be on its way: a header without a block, a line that is
too deep, a key that is there twice.
"""

import ast
import tomllib
import warnings


def parses_as_python(text: str) -> bool:
    """Whether the Python that runs this process takes a text for a module, which it does not run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about escapes in strings, for instance
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
