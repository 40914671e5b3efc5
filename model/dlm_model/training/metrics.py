"""The measurements of a run: `metrics.jsonl`, which is always written, and TensorBoard event files beside it."""

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

from dlm_model.training.atomic import replacing_file

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS_FILE = "metrics.jsonl"
TENSORBOARD_FOLDER = "tensorboard"


class MetricsLog:
    """Appends one record a line; removes those that a killed run had logged after its last state."""

    def __init__(self, folder: Path, step: int) -> None:
        """Open the log of a run that goes on at a step; without the `tensorboard` package no event files are made."""
        self._path = folder / METRICS_FILE
        self._folder, self._step = folder, step
        self._is_open = False
        self._writer: SummaryWriter | None = None

    def last_step_with(self, name: str) -> int | None:
        """The step of the last record with a value of this name, if not after the step that the run resumes from."""
        if not self._path.exists():
            return None
        lines = self._path.read_text(encoding="utf-8").splitlines()
        return max(
            (json.loads(line)["step"] for line in lines if self._is_kept(line) and name in json.loads(line)),
            default=None,
        )

    def write(self, record: dict[str, float]) -> None:
        """Append a record, which names its `step`."""
        if not self._is_open:
            self._open()
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        if self._writer is not None:
            for name, value in record.items():
                self._writer.add_scalar(name, value, int(record["step"]))
            self._writer.flush()

    def _open(self) -> None:
        self._is_open = True
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            kept = [line for line in self._path.read_text(encoding="utf-8").splitlines() if self._is_kept(line)]
            with replacing_file(self._path) as partial:
                partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        if importlib.util.find_spec("tensorboard"):
            # Imported late: it takes a second, and is no part of a plain installation.
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

            self._writer = SummaryWriter(self._folder / TENSORBOARD_FOLDER, purge_step=self._step + 1)

    def _is_kept(self, line: str) -> bool:
        try:
            return bool(json.loads(line)["step"] <= self._step)
        except (ValueError, KeyError, TypeError):
            return False  # A kill may leave half a line.
