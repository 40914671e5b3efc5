"""The race with the packaged weights, and its picture: `DLM_LSP_IMAGES=1` writes the final screen of a terminal."""

import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from dlm_lsp.commands import race
from dlm_lsp.commands.targets import Point, Target
from dlm_lsp.options import Settings

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "tests" / "data" / "images" / "race.svg"


def test_both_lanes_arrive_with_the_packaged_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    consoles: list[Console] = []

    def console(**keywords: object) -> Console:
        consoles.append(Console(record=True, width=100, **keywords))  # type: ignore[arg-type]
        return consoles[-1]

    monkeypatch.setattr(race, "Console", console)
    monkeypatch.chdir(ROOT)
    race.run_race(Target("tests/data/examples/rectangle.py", Point(23, 9)), None, Settings(), "self")
    shown = consoles[0].export_text(clear=False)
    assert "diffusion, 64 steps" in shown
    assert "left to right" in shown
    assert [int(number) > 0 for number in re.findall(r"(\d+) forwards", shown)] == [True, True]
    if os.environ.get("DLM_LSP_IMAGES"):
        PICTURE.write_text(consoles[0].export_svg(title="dlm-lsp race"), encoding="utf-8")
