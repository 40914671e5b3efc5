"""The log of a command that serves."""

import logging
from pathlib import Path

from dlm_lsp.errors import UsageError

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def start_log(file: Path | None, verbosity: int) -> None:
    """Send the log to a file, or to standard error.

    Args:
        file: Appended to; its folder is made if need be.
        verbosity: How often `-v` was given: 0 warnings, 1 what happens, 2 everything.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(
            level=_LEVELS[min(verbosity, len(_LEVELS) - 1)],
            filename=file,
            encoding="utf-8" if file else None,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
    except OSError as error:
        raise UsageError(f"Cannot write the log {file}: {error.strerror or error}.") from error
