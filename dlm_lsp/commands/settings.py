"""The settings of one command: the user's config file, then the flags. A command stops at the first wrong one."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dlm_lsp.commands.flags import DECODER_FLAGS
from dlm_lsp.config_files import read_user_config
from dlm_lsp.errors import UsageError
from dlm_lsp.options import DECODE_OPTION_NAMES, OPTION_NAMES, Settings, option_name, parse_options, resolve
from dlm_model.methods import METHODS, Method
from dlm_model.precision import Precision


def load_settings() -> Settings:
    """Read the user's config file.

    Raises:
        UsageError: the file is unreadable, or has an option that is wrong; the message names file and line.
    """
    options, problems = read_user_config()
    if problems:
        raise UsageError(problems[0])
    return resolve(options)


def with_methods(settings: Settings, *, methods: Sequence[str], assignments: Sequence[str]) -> Settings:
    """Let named methods, and then single options of the decoder, overrule the config file.

    Args:
        settings: What is in force so far.
        methods: Names out of `METHODS`, in any case.
        assignments: As `option=value`; a value is read as JSON if it is that, and otherwise as text.

    Raises:
        UsageError: there is no such method or option, two methods are of one kind, or a value is wrong.
    """
    chosen: dict[str, object] = {}
    for method in _named(methods):
        chosen |= method.options
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set wants OPTION=VALUE, got {assignment!r}.")
        option = option_name(name.strip())
        if option not in OPTION_NAMES:
            raise UsageError(f"{option} is not an option (there are: {', '.join(sorted(DECODE_OPTION_NAMES))}).")
        chosen[option] = _value(text.strip())
    problems = parse_options(chosen, allowed=DECODE_OPTION_NAMES).problems
    if problems:
        raise UsageError(problems[0])
    return replace(settings, decode=replace(settings.decode, **chosen))  # type: ignore[arg-type]


def _named(names: Sequence[str]) -> Iterator[Method]:
    known = {method.name.lower(): method for method in METHODS}
    taken: dict[str, str] = {}
    for name in names:
        method = known.get(name.lower())
        if method is None:
            raise UsageError(f"There is no method {name!r}; dlm-lsp methods lists them.")
        other = taken.setdefault(method.kind, method.name)
        if other != method.name:
            raise UsageError(f"{other} and {method.name} are both of the kind {method.kind}; give one of them.")
        yield method


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def override(
    settings: Settings,
    *,
    decoder_flags: Mapping[str, object],
    model: str | None,
    device: str | None,
    precision: Precision | None = None,
) -> Settings:
    """Let flags overrule the config file; None means that a flag was not given.

    Raises:
        UsageError: a value that no decoder can honour; the message names the flag.
    """
    decode = settings.decode
    for flag, value in decoder_flags.items():
        field = DECODER_FLAGS[flag]
        try:
            decode = decode if value is None else replace(decode, **{field: value})  # type: ignore[arg-type]
        except ValueError as error:
            raise UsageError(str(error).replace(field, flag, 1)) from error
    return replace(
        settings,
        decode=decode,
        model=model or settings.model,
        device=device or settings.device,
        precision=precision or settings.precision,
    )
