import io
from dataclasses import replace

from rich.console import Console

from dlm_lsp.commands.watch import CanvasView, caption
from dlm_model.request import Draft, Piece

DRAFT = Draft(
    pieces=(Piece("return ", "committed", 0.9, 1), Piece("left", "guessed", 0.4, 1), Piece("", "masked", 0.0, 3)),
    step=2,
    num_steps=8,
    num_forwards=3,
    num_final=0,
    elapsed_ms=41.6,
)


def shown(*, is_terminal: bool, stays: bool = True) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, color_system="standard", width=80)
    with CanvasView(console, prefix="def f():\n    ", suffix="  # why\nafter\n", stays=stays) as canvas:
        canvas.show(DRAFT)
    return stream.getvalue()


def test_the_three_states_look_different_between_their_surroundings() -> None:
    painted = shown(is_terminal=True)
    committed, guessed, masked = "\x1b[1;32mreturn \x1b[0m", "\x1b[3;33mleft\x1b[0m", "\x1b[2m░░░\x1b[0m"
    assert f"\x1b[2m    \x1b[0m{committed}{guessed}{masked}\x1b[2m  # why\x1b[0m" in painted
    assert "step 2 of at most 8 · 42 ms · 1 of 5 tokens committed" in painted
    assert "after" not in painted


def test_a_canvas_that_does_not_stay_is_erased() -> None:
    assert shown(is_terminal=True, stays=False).endswith("\x1b[?25h\r\x1b[1A\x1b[2K\x1b[1A\x1b[2K")


def test_the_cursor_comes_back() -> None:
    painted = shown(is_terminal=True)
    assert painted.rindex("\x1b[?25h") > painted.rindex("\x1b[?25l")


def test_without_a_terminal_one_line_remains() -> None:
    assert shown(is_terminal=False) == "step 2 of at most 8 · 42 ms · 1 of 5 tokens committed\n"


def test_a_length_that_the_model_still_finds_is_no_goal() -> None:
    assert caption(replace(DRAFT, is_resizing=True)) == "step 2 of at most 8 · 42 ms · 1 token committed"
