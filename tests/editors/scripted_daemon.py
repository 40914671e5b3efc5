"""The real server, with an engine that writes the text of a test; a folder holds that text, and what it was asked."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dlm_lsp.options import Settings
from dlm_lsp.serving import serve_stdio
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import CancelToken, Draft, InfillRequest
from tests.dlm_lsp.scripted_engine import ScriptedEngine

PAUSE_SECONDS = 0.01


class ScriptedDaemon:
    """The side of a test.

    Attributes:
        command: Starts it, whatever arguments an editor adds.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.command = [sys.executable, __file__, str(folder)]

    def fills_in(self, middle: str) -> None:
        """Fill every hole with this from now on, and count from 0."""
        (self._folder / "middle").write_text(middle, encoding="utf-8")
        (self._folder / "requests").write_text("")

    def hold(self, step: int) -> None:
        """Let every fill come to the draft of this step, from 1, and no further; the last one is 3."""
        (self._folder / "held").write_text(str(step))

    def release(self) -> None:
        """Let fills end, the one under way too."""
        (self._folder / "held").unlink(missing_ok=True)

    @property
    def num_requests(self) -> int:
        """How often the engine was asked."""
        return len(self.prefixes)

    @property
    def prefixes(self) -> list[str]:
        """What the engine was given before the holes."""
        return [json.loads(line) for line in (self._folder / "requests").read_text(encoding="utf-8").splitlines()]

    @property
    def settings(self) -> dict[str, str | None]:
        """Model, device and guide that it was loaded with last."""
        loaded: dict[str, str | None] = json.loads((self._folder / "settings").read_text(encoding="utf-8"))
        return loaded


class _Engine(ScriptedEngine):
    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__(num_steps=3)
        self._folder = folder
        loaded = {"model": settings.model, "device": settings.device, "guide": settings.decode.guide}
        (folder / "settings").write_text(json.dumps(loaded), encoding="utf-8")

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        self.middles = ((self._folder / "middle").read_text(encoding="utf-8"),)
        with (self._folder / "requests").open("a", encoding="utf-8") as file:
            file.write(json.dumps(request.prefix) + "\n")
        for draft in super().infill(request, options, cancel):
            yield draft
            while self._is_held(draft.step) and not cancel.is_cancelled:
                time.sleep(PAUSE_SECONDS)

    def _is_held(self, step: int) -> bool:
        with suppress(FileNotFoundError):
            return step >= int((self._folder / "held").read_text() or step)
        return False


if __name__ == "__main__":
    sys.exit(serve_stdio(lambda settings: _Engine(Path(sys.argv[1]), settings)))
