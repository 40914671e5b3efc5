"""What a person sees on standard error while a hole is filled: a spinner, or the canvas as it sharpens.

It is fed with drafts. If standard error is no terminal, nothing moves; one line about the last draft is printed.
"""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.status import Status
from rich.text import Text

from dlm_model.request import Draft, Piece

_STYLES = {"committed": "bold green", "guessed": "italic yellow", "masked": "dim"}
_MASK = "░"


class DraftView(Protocol):
    """Shows drafts; a context manager, so that the terminal is always given back."""

    def __enter__(self) -> object:
        """Start showing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the terminal back."""

    def show(self, draft: Draft) -> None:
        """Show one draft in place of the one before."""


class StepCounter(Status):
    """A spinner that counts steps; silent where there is no terminal."""

    def show(self, draft: Draft) -> None:
        """Say how far the denoising is."""
        self.update(caption(draft))


class CanvasView:
    """The text between its surroundings: committed, guessed and still masked places in different styles.

    Attributes:
        prefix: Text left of the hole; its last line is shown.
        suffix: Text right of the hole; its first line is shown.
    """

    def __init__(self, console: Console, *, prefix: str, suffix: str, stays: bool) -> None:
        """Show nothing yet.

        Args:
            console: Where to.
            prefix: See the attribute.
            suffix: See the attribute.
            stays: Leave the last draft on the screen.
        """
        self.prefix = prefix[prefix.rfind("\n") + 1 :]
        self.suffix = suffix.partition("\n")[0]
        self._console = console
        self._is_live = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False, transient=not stays)
        self._last: Draft | None = None

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.stop()
        elif self._last is not None:
            self._console.print(Text(caption(self._last)), soft_wrap=True)

    def show(self, draft: Draft) -> None:
        """Repaint the canvas with one draft."""
        self._last = draft
        if self._is_live:
            self._live.update(self.render(draft), refresh=True)

    def render(self, draft: Draft) -> RenderableType:
        """A line that counts, and the canvas below it, where a canvas taller than the terminal is cut off."""
        text = Text.assemble((self.prefix, "dim"), *map(styled, draft.pieces), (self.suffix, "dim"))
        return Group(Text(caption(draft), style="dim"), text)


def caption(draft: Draft) -> str:
    """Step, time and how much is decided, in one line."""
    num_committed = sum(piece.num_tokens for piece in draft.pieces if piece.state == "committed")
    progress = f"{num_committed} of {draft.num_tokens} tokens"
    if draft.is_resizing:
        progress = f"{num_committed} token{'s' * (num_committed != 1)}"
    return f"step {draft.step} of at most {draft.num_steps} · {draft.elapsed_ms:.0f} ms · {progress} committed"


def styled(piece: Piece) -> tuple[str, str]:
    """A piece as it is shown, and its style; a masked one has a sign for every token."""
    text = _MASK * piece.num_tokens if piece.state == "masked" else piece.text
    return text, _STYLES[piece.state]
