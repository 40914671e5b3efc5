"""Loads the engine: for a command with a spinner on standard error, for a server on a worker's thread."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from dlm_lsp.errors import INTERRUPTED_EXIT_CODE
from dlm_lsp.options import Settings
from dlm_lsp.process import end_terminal_line, importing
from dlm_model.errors import CheckpointError
from dlm_model.request import RacingEngine

if TYPE_CHECKING:
    from rich.console import Console  # not needed by what serves


def load_engine(settings: Settings, console: "Console") -> RacingEngine:
    """Load weights onto a device; slow, because it imports torch. Ctrl-C ends the process while it loads.

    Args:
        settings: Name the model, the device and the precision.
        console: Shows a spinner if it is a terminal.

    Raises:
        ModelError: the checkpoint, the guide, the device or the precision is not there, or not usable.
    """
    require_guide(settings.decode.guide)
    with console.status("loading the model"), _ended_by_ctrl_c(console):
        return load_quietly(settings)


def load_quietly(settings: Settings) -> RacingEngine:
    """Load the engine that these settings name, on whatever thread calls.

    Raises:
        ModelError: as `load_engine`.
    """
    # Imported late: a server answers long before torch is there, and a model that is not there needs none.
    with importing():
        from dlm_lsp.models.naming import resolve_guide, resolve_model  # noqa: PLC0415

    model = resolve_model(settings.model)
    if model is not None:
        _require_folder(model)
    with importing():
        from dlm_model.engine import load_engine as load  # noqa: PLC0415

    return load(model, settings.device, settings.precision, find_guide=resolve_guide)


def require_guide(guide: str | None) -> None:
    """Refuse a guide that is not there, before torch is imported.

    Raises:
        CheckpointError: it is named, and there is no guide of that name, or no such folder.
    """
    from dlm_lsp.models.naming import is_named, resolve_guide  # noqa: PLC0415

    if is_named(guide):
        _require_folder(resolve_guide(guide))


def _require_folder(model: str) -> None:
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"There is no model folder {folder}.")


@contextmanager
def _ended_by_ctrl_c(console: "Console") -> Iterator[None]:
    """End the process at once at Ctrl-C: an interrupted import leaves torch half made, and it may raise any error."""

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        console.show_cursor()
        sys.stdout.flush()
        end_terminal_line()
        os._exit(INTERRUPTED_EXIT_CODE)

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
