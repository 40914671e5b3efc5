"""`dlm-lsp race`: the same hole, filled by diffusion and from left to right, side by side in the terminal.

The two take turns on one device. Each has a clock that counts only its own work. The one whose clock shows less goes
next, so each looks as fast as it is. The left and right arrows turn the steps dial and start again.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from dlm_lsp.commands.infill import open_work
from dlm_lsp.commands.keys import read_key, unbuffered_keys
from dlm_lsp.commands.loading import load_engine, require_guide
from dlm_lsp.commands.targets import Target
from dlm_lsp.commands.watch import styled
from dlm_lsp.errors import UsageError
from dlm_lsp.infilling import infill_request
from dlm_lsp.options import Settings
from dlm_model.decode_options import NO_GUIDE
from dlm_model.request import CancelToken, Draft, InfillRequest, RacingEngine

STEPS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)
HELP = "← → steps · space again · q quit"
FRAME_SECONDS = 0.04
NUM_LINES = 16

ReadKey = Callable[[float], str | None]


@dataclass
class Lane:
    """One of the two ways to fill the hole.

    Attributes:
        title: What it is called.
        drafts: Its drafts; each is computed when it is asked for.
        elapsed: Seconds of its own work.
        last: The newest draft.
        is_done: Nothing more will come.
    """

    title: str
    drafts: Iterator[Draft]
    elapsed: float = 0.0
    last: Draft | None = None
    is_done: bool = False

    def advance(self) -> None:
        """Compute one more draft, on the lane's own clock."""
        start = time.perf_counter()
        draft = next(self.drafts, None)
        self.elapsed += time.perf_counter() - start
        self.last = draft or self.last
        self.is_done = draft is None

    def render(self) -> RenderableType:
        """The text as it stands, and what it took."""
        style = "green" if self.is_done else "dim"
        return Panel(Group(Text(self._summary(), style=style), self._text()), title=self.title, border_style=style)

    def _summary(self) -> str:
        num_tokens, num_forwards = (self.last.num_tokens, self.last.num_forwards) if self.last else (0, 0)
        return (
            f"{self.elapsed * 1000:.0f} ms · {num_tokens / max(self.elapsed, 1e-9):.0f} tokens/s\n"
            f"{num_tokens} tokens · {num_forwards} forwards"
        )

    def _text(self) -> Text:
        lines = Text.assemble(*map(styled, self.last.pieces if self.last else ())).split("\n")
        return Text("\n").join(lines[:NUM_LINES])


@dataclass
class Race:
    """Two lanes and a dial.

    Attributes:
        engine: Runs both.
        request: The hole.
        settings: The decoder's.
        against: What the causal model is called, or `self`.
    """

    engine: RacingEngine
    request: InfillRequest
    settings: Settings
    against: str
    lanes: tuple[Lane, Lane] = field(init=False)

    def __post_init__(self) -> None:
        """Prepare both lanes."""
        self.start()

    @property
    def num_steps(self) -> int:
        """The number of steps that the dial shows."""
        return self.settings.decode.num_steps

    def start(self) -> None:
        """Begin both again."""
        options = self.settings.decode
        filling = self.engine.infill(self.request, options, CancelToken())
        writing = self.engine.continue_text(self.request, options, CancelToken(), guide=self.against)
        self.lanes = (Lane(f"diffusion, {options.num_steps} steps", filling), Lane("left to right", writing))

    def turn(self, direction: int) -> None:
        """Turn the steps dial up or down by one notch, and begin again."""
        nearest = min(range(len(STEPS)), key=lambda index: abs(STEPS[index] - self.num_steps))
        num_steps = STEPS[max(0, min(len(STEPS) - 1, nearest + direction))]
        self.settings = replace(self.settings, decode=replace(self.settings.decode, num_steps=num_steps))
        self.start()

    @property
    def is_over(self) -> bool:
        """Whether both have finished."""
        return all(lane.is_done for lane in self.lanes)

    def advance(self) -> None:
        """Advance the lane whose own clock shows less."""
        min((lane for lane in self.lanes if not lane.is_done), key=lambda lane: lane.elapsed).advance()

    def render(self, width: int, keys: str = "") -> RenderableType:
        """Both lanes side by side, and below them the dial and what turns it."""
        lanes = Columns([lane.render() for lane in self.lanes], width=max(20, width // 2 - 1), expand=True)
        return Group(lanes, Text(f"{dial(self.num_steps)}   {keys}".rstrip(), style="dim"))


def run_race(target: Target, stdin_filename: str | None, settings: Settings, against: str) -> None:
    """Fill one hole both ways; in a terminal, again and again until a key ends it.

    Raises:
        DlmLspError: the target or the document is not usable.
        ModelError: a model or the device is not usable, or this model cannot write from left to right.
    """
    if against == NO_GUIDE:
        raise UsageError(f"A race needs an opponent: {NO_GUIDE} is nothing to race against.")
    require_guide(against)
    work = open_work(target, stdin_filename, settings)
    console = Console()
    engine = load_engine(settings, Console(stderr=True))
    race = Race(engine, infill_request(engine, work.request), settings, against)
    if console.is_terminal and sys.stdin.isatty():
        with unbuffered_keys():
            play(race, console, read_key)
    else:
        while not race.is_over:
            race.advance()
        console.print(race.render(console.width))


def play(race: Race, console: Console, read: ReadKey) -> None:
    """Show the race until a key ends it.

    Args:
        race: Not begun yet.
        console: Where to show it.
        read: Returns the next key within some seconds, if there is one.
    """
    with Live(race.render(console.width, HELP), console=console, auto_refresh=False) as live:
        while True:
            key = read(FRAME_SECONDS if race.is_over else 0.0)
            if key in {"q", ""}:
                return
            if key in {"left", "right"}:
                race.turn(1 if key == "right" else -1)
            elif key == " ":
                race.start()
            if not race.is_over:
                race.advance()
            live.update(race.render(console.width, HELP), refresh=True)


def dial(num_steps: int) -> str:
    """The steps dial as a line with a knob."""
    notch = min(range(len(STEPS)), key=lambda index: abs(STEPS[index] - num_steps))
    track = "".join("●" if index == notch else "━" for index in range(len(STEPS)))
    return f"steps {track} {num_steps}"
