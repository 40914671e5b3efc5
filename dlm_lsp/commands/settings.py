"""The settings of one command: the user's config file, then the flags. A command stops at the first wrong one."""

from collections.abc import Mapping
from dataclasses import replace

from dlm_lsp.commands.flags import DECODER_FLAGS
from dlm_lsp.config_files import read_user_config
from dlm_lsp.errors import UsageError
from dlm_lsp.options import Settings, resolve


def load_settings() -> Settings:
    """Read the user's config file.

    Raises:
        UsageError: the file is unreadable, or has an option that is wrong; the message names file and line.
    """
    options, problems = read_user_config()
    if problems:
        raise UsageError(problems[0])
    return resolve(options)


def override(
    settings: Settings, *, decoder_flags: Mapping[str, object], model: str | None, device: str | None
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
    return replace(settings, decode=decode, model=model or settings.model, device=device or settings.device)
