"""The option tables of the documentation: one row each, in the order in which they are declared."""

import json
import re
from collections.abc import Iterable

from dlm_model.option import Option

HEAD = "| option | default | range | meaning |\n| --- | --- | --- | --- |\n"


def camel_case(name: str) -> str:
    """A name as JSON spells it."""
    return re.sub("_([a-z])", lambda letter: letter[1].upper(), name)


def option_table(options: Iterable[Option]) -> str:
    """A table in Markdown."""
    return HEAD + "".join(map(_row, options))


def _row(option: Option) -> str:
    names = ", ".join(f"`{camel_case(name)}`" for name in (option.name, *option.aliases))
    numbers = f" {option.range}" if option.range else ""
    return f"| {names} | `{json.dumps(option.default)}` |{numbers} | {option.meaning} |\n"
