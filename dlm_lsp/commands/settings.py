"""The settings of one command: the user's config file, then its flags. The first invalid option ends the command."""

import json
from collections.abc import Iterator, Mapping, Sequence

from dlm_lsp.config_files import read_user_config, user_config_path
from dlm_lsp.errors import UsageError
from dlm_lsp.options import (
    DECODE_OPTION_NAMES,
    OPTIONS,
    ClientOptions,
    ParsedOptions,
    Settings,
    find_option,
    nearest_option,
    parse_options,
    resolve,
)
from dlm_model.methods import METHODS, Method

_WITH_FLAG = frozenset({"model", "device", "precision", "require_valid"})
"""Options that are not the decoder's, and have a flag of their own."""


def load_settings(*typed: ClientOptions) -> Settings:
    """Resolve options: those of the command line overrule the user's config file, and later ones earlier ones.

    Raises:
        UsageError: the file is unreadable, or has an option that is wrong; the message names file and line.
    """
    return resolve(_all_right(read_user_config()), *typed)


def flag_options(flags: Mapping[str, object]) -> ClientOptions:
    """Flags that are options.

    Args:
        flags: By any name of the option, in snake_case: `deadline_ms` is `--deadline-ms`. None was not given.

    Raises:
        UsageError: a value is wrong, or empty; the message names the flag.
    """
    for spelling, value in flags.items():
        if value == "":  # an editor's untouched setting is empty, a flag's value is a variable that was never set
            raise UsageError(f"{flag_name(spelling)} is empty.")
    return _all_right(parse_options(flags, allowed=frozenset(OPTIONS), shown=flag_name))


def flag_name(spelling: str) -> str:
    """An option's name as a flag."""
    return f"--{spelling.replace('_', '-')}"


def method_options(names: Sequence[str]) -> ClientOptions:
    """The options that switch decoding methods on.

    Args:
        names: Out of `METHODS`, in any case, and with dashes for blanks if that is easier to type.

    Raises:
        UsageError: there is no such method, two are of one kind, or two set one option to different values.
    """
    set_by: dict[str, Method] = {}
    for method in _named(names):
        for option, value in method.options.items():
            other = set_by.setdefault(option, method)
            if other.options[option] != value:
                raise UsageError(
                    f"{other.name} sets {option} to {other.options[option]}, and {method.name} to {value}; "
                    "use only one of them."
                )
    return {option: method.options[option] for option, method in set_by.items()}


def assigned_options(assignments: Sequence[str]) -> ClientOptions:
    """Single options of the decoder; a later assignment overrules an earlier one.

    Args:
        assignments: As `option=value`; a value is read as JSON if it is that, and otherwise as text. `null` is the
            default.

    Raises:
        UsageError: there is no such option, or a value is wrong.
    """
    chosen: dict[str, object] = {}
    for assignment in assignments:
        spelling, equals, text = assignment.partition("=")
        if not equals or not text.strip():
            raise UsageError(f"--set takes OPTION=VALUE, got {assignment!r}.")
        spelling, value = spelling.strip(), _value(text.strip())
        option = find_option(spelling)
        if option is None:
            raise UsageError(_no_such_option(spelling))
        if option.name not in DECODE_OPTION_NAMES:
            raise UsageError(
                f"--set sets options of the decoder, and {spelling} is not one; {_where_else(option.name)}."
            )
        chosen |= _all_right(parse_options({spelling: value}, allowed=DECODE_OPTION_NAMES))
        if value is None:
            chosen[option.name] = option.default
    return chosen


def _no_such_option(spelling: str) -> str:
    """A sentence with the option that is spelled most alike: all of them would fill the terminal."""
    alike = nearest_option(spelling, DECODE_OPTION_NAMES)
    proposal = f"did you mean {alike}?" if alike else "dlm_lsp/README.md has a table of them."
    return f"{spelling} is not an option of the decoder; {proposal}"


def _where_else(name: str) -> str:
    """Where an option is set that is not the decoder's."""
    own_flag = f"give {flag_name(name)}, or " if name in _WITH_FLAG else ""
    return f"{own_flag}set it in {user_config_path()}"


def _all_right(parsed: ParsedOptions) -> ClientOptions:
    if parsed.problems:
        raise UsageError(parsed.problems[0])
    return parsed.options


def find_method(name: str) -> Method:
    """The decoding method of that name, spelled as for `method_options`.

    Raises:
        UsageError: there is none.
    """
    known = {_as_word(method.name): method for method in METHODS}
    method = known.get(_as_word(name))
    if method is None:
        raise UsageError(f"There is no method {name!r}; dlm-lsp methods lists them.")
    return method


def _named(names: Sequence[str]) -> Iterator[Method]:
    taken: dict[str, str] = {}
    for name in names:
        method = find_method(name)
        if not method.options:
            raise UsageError(f"--method does not switch on {method.name}: {method.line}.")
        other = taken.setdefault(method.kind, method.name)
        if other != method.name:
            raise UsageError(f"{other} and {method.name} are both of the kind {method.kind}; use only one of them.")
        yield method


def _as_word(name: str) -> str:
    return name.lower().replace(" ", "-")


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
