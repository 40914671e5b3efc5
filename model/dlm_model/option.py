"""Everything about an option, declared once with its field: default, range, meaning, other names.

Everything else that names options is made from these declarations or tested against them: flags, config files, JSON,
fields of HTTP requests, the tables in the documentation, the settings of editors. Plain values, no torch.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

Value = TypeVar("Value")

_METADATA_KEY = "option"


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that an option takes; `str` describes them for messages. Infinity and NaN are never among them.

    Attributes:
        low: The least.
        high: The greatest.
        excludes_low: The least itself is refused.
        includes_zero: 0 is accepted too, though nothing between it and the least.
    """

    low: float = 0
    high: float = math.inf
    excludes_low: bool = False
    includes_zero: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, (int, float)):
            return False
        is_above = value > self.low if self.excludes_low else value >= self.low
        return (is_above and value <= self.high and value < math.inf) or (self.includes_zero and value == 0)

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"above {self.low}" if self.excludes_low else f"{self.low} or more"
        if self.excludes_low:
            return f"in ({self.low}, {self.high}]"
        return f"{'0, or ' if self.includes_zero else ''}from {self.low} to {self.high}"


ANY_AMOUNT = Range()
ANY_COUNT = Range(1)
ABOVE_ZERO = Range(excludes_low=True)
SHARE = Range(0, 1)
PROBABILITY = Range(0, 1, excludes_low=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option.

    Attributes:
        name: In snake_case: the name of its field.
        aliases: Other names, in snake_case.
        kind: `bool`, `int`, `float`, `str`, or `tuple` for a list of texts.
        choices: The only texts that it takes; empty for any.
        is_optional: It takes None as well.
        default: Its value if nothing sets it.
        range: The numbers that it takes; None for any.
        meaning: A clause in Markdown.
    """

    name: str
    aliases: tuple[str, ...]
    kind: type
    choices: tuple[str, ...]
    is_optional: bool
    default: object
    range: Range | None
    meaning: str

    def problem_with(self, value: object) -> str | None:
        """Why a value cannot be taken, as the rest of a sentence that begins with a name; None if it can."""
        if value is None and self.is_optional:
            return None
        kind = _KINDS[self.kind]
        if self.choices:
            accepted, is_accepted = f"one of {', '.join(self.choices)}", value in self.choices
        elif not kind.accepts(value):
            accepted, is_accepted = kind.words, False
        else:
            accepted, is_accepted = str(self.range), self.range is None or value in self.range
        return None if is_accepted else f"must be {accepted}, got {value!r}"


def option(default: Value, meaning: str, within: Range | None = None, *, aliases: tuple[str, ...] = ()) -> Value:
    """Declare a field of a dataclass as an option.

    Args:
        default: Its default.
        meaning: A clause in Markdown, without capital and full stop.
        within: The numbers that it takes; None for any.
        aliases: Other names, in snake_case.
    """
    declaration = _Declaration(meaning, within, aliases)
    return field(default=default, metadata={_METADATA_KEY: declaration})


@cache
def options_of(owner: type) -> Mapping[str, Option]:
    """The options among the fields of a dataclass, by name, as they are declared."""
    hints = get_type_hints(owner)
    return MappingProxyType(
        {
            each.name: _option(each.name, hints[each.name], each.default, declaration)
            for each in fields(owner)
            if (declaration := each.metadata.get(_METADATA_KEY))
        }
    )


class _Declaration(NamedTuple):
    meaning: str
    range: Range | None
    aliases: tuple[str, ...]


class _Kind(NamedTuple):
    words: str
    accepts: Callable[[object], bool]


_KINDS = {
    bool: _Kind("true or false", lambda value: isinstance(value, bool)),
    int: _Kind("a whole number", lambda value: type(value) is int and abs(value) < 2**63),
    float: _Kind("a number", lambda value: type(value) in (int, float)),
    str: _Kind("a text", lambda value: isinstance(value, str)),
    tuple: _Kind(
        "a list of texts",
        lambda value: isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value),
    ),
}


def _option(name: str, hint: object, default: object, declaration: _Declaration) -> Option:
    is_optional = type(None) in get_args(hint)
    given = next(each for each in get_args(hint) if each is not type(None)) if is_optional else hint
    choices = get_args(given) if get_origin(given) is Literal else ()
    kind = str if choices else get_origin(given) or given
    assert isinstance(kind, type)
    return Option(
        name=name,
        aliases=declaration.aliases,
        kind=kind,
        choices=choices,
        is_optional=is_optional,
        default=default,
        range=declaration.range,
        meaning=declaration.meaning,
    )
