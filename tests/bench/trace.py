"""Somebody writing code: real files, and every key by which a part of them comes about.

The files are modules of Python's own library. A function's last statements are cut out and typed in again character by
character, with typing errors that are noticed two keys later and erased, and now and then a look at another place of
the file, where a letter is added and taken back. Everything is drawn from a fixed seed: a trace is the same each time.
"""

import importlib
import inspect
import random
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.languages import language_for
from tests.bench.cases import span_of
from tests.bench.long_text import long_text

ERROR_SHARE = 0.04
VISIT_SHARE = 0.01


class Key(NamedTuple):
    """One event of an editor: `[start, end)` becomes `text`, and the cursor stands behind it; both may be empty."""

    start: int
    end: int
    text: str

    @property
    def cursor(self) -> int:
        """Offset after the event."""
        return self.start + len(self.text)


class Trace(NamedTuple):
    """A document, and the keys that change it."""

    name: str
    text: str
    keys: list[Key]

    def open(self) -> Snapshot:
        """The document before the first key."""
        return Snapshot.unparsed(f"untitled:{self.name}.py", language_for("a.py", "python"), self.text)


def record(function: str, max_keys: int) -> Trace:
    """The first keys that write the end of a function, such as `textwrap.indent`, into its module."""
    module_name, function_name = function.split(".")
    return _record(function, inspect.getsource(importlib.import_module(module_name)), function_name, max_keys)


def record_in_long_text(num_lines: int, function_name: str, max_keys: int) -> Trace:
    """As `record`, in a file of many modules."""
    return _record(function_name, long_text(num_lines), function_name, max_keys)


def _record(name: str, text: str, function_name: str, max_keys: int) -> Trace:
    start, end = span_of(text, function_name)
    keys = islice(_typed(text[start:end], start, random.Random(name)), max_keys)
    return Trace(name, text[:start] + text[end:], list(keys))


def _typed(text: str, start: int, chance: random.Random) -> Iterator[Key]:
    """The keys that write a text at an offset."""
    for number, character in enumerate(text):
        at = start + number
        if chance.random() < ERROR_SHARE and character.isalpha():
            wrong = chance.choice("etaoinsr")
            yield Key(at, at, wrong)
            yield Key(at + 1, at + 1, character)
            yield Key(at + 1, at + 2, "")
            yield Key(at, at + 1, "")
        if chance.random() < VISIT_SHARE:
            elsewhere = chance.randrange(start)
            yield Key(elsewhere, elsewhere, "")
            yield Key(elsewhere, elsewhere, "x")
            yield Key(elsewhere, elsewhere + 1, "")
            yield Key(at, at, "")
        yield Key(at, at, character)
