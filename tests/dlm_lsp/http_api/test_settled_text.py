"""A middle of plain text between its sides: what it comes to, where a stop ends it, what may be sent before that."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_lsp.http_api.settled_text import Seam, SettledText, before_first_stop
from dlm_model.request import Draft, Piece, PieceState


def draft(*pieces: tuple[str, PieceState], num_final: int | None = None) -> Draft:
    return Draft(
        pieces=tuple(Piece(text, state, 0.9, 1) for text, state in pieces),
        step=1,
        num_steps=2,
        num_forwards=1,
        elapsed_ms=1.0,
        num_final=len(pieces) if num_final is None else num_final,
    )


def written(*texts: str, num_final: int | None = None) -> Draft:
    """A draft of committed tokens, and of one that is still masked."""
    return draft(*((text, "committed") for text in texts), ("", "masked"), num_final=num_final)


def test_only_what_stands_before_the_first_open_position_is_final() -> None:
    settled = SettledText(Seam("x", ""))
    assert settled.advance(draft(("a", "committed"), ("b", "guessed"), ("c", "committed"))) == "a"
    assert settled.advance(draft(("a", "committed"), ("", "masked"), ("c", "committed"))) == ""
    assert settled.advance(draft(("abc", "committed"), num_final=0)) == ""
    assert settled.advance(draft(("abc", "committed"))) == "bc"


@pytest.mark.parametrize(
    ("texts", "num_final", "stopped"),
    [
        (("a", ";"), 3, "a"),
        (("a", ";", "b"), 3, "a"),
        (("a", ";", "b"), 1, "a"),
        (("a", "b", ";"), 1, None),
        (("a", ";", "b"), 0, None),
        ((";",), 0, None),
        (("a", "b"), 3, None),
    ],
    ids=[
        "all of it is final",
        "the text may end behind it",
        "the text may end at it",
        "the text may end before it",
        "nobody knows where the text may end",
        "nor whether it is empty",
        "there is none",
    ],
)
def test_a_stop_ends_a_text_that_cannot_end_before_it(
    texts: Sequence[str], num_final: int, stopped: str | None
) -> None:
    settled = SettledText(Seam("x", "y", (";",)))
    settled.advance(written(*texts, num_final=num_final))
    assert settled.stopped == stopped


def test_a_text_that_ended_early_for_the_suffix_ended_before_the_stop() -> None:
    settled = SettledText(Seam("x", "y", (";",)))
    settled.advance(written("a", "b", ";", num_final=0))
    settled.advance(written("a", "b", num_final=0))
    assert settled.stopped is None
    assert settled.ends_at_stop("ab")
    assert settled.ends_at_stop("a")
    assert not settled.ends_at_stop("abc")


def test_without_a_stop_no_text_ended_before_one() -> None:
    settled = SettledText(Seam("x", "y", (";",)))
    settled.advance(written("a", num_final=0))
    assert not settled.ends_at_stop("a")


@pytest.mark.parametrize(
    ("prompt", "text", "suffix", "fitted"),
    [
        ("x = ", "10\n", "\n", "10"),
        ("x = ", "10 \n \n", "\ny", "10 "),
        ("x = ", "10 ", "\n", "10 "),
        ("x = ", "10\n", "y", "10\n"),
        ("f(", "):", "):\n", ""),
        ("f(", "):\n    ", "):\n", ""),
        ("f(", "a):", "):\n", "a):"),
        ("print(len(x", ")", ")\n", ")"),
        ("if (a) {\n  if (b) {\n    c();\n", "  }\n", "  }\n", "  }\n"),
        ("while b() {\n    c();\n", "}\n", "}\n", ""),
        (") f([", "]", "])", ""),
        ("f(", ")", ")\n(", ""),
        ("x = ", "a", "a + b", ""),
        ("x =", " ", "1", " "),
    ],
)
def test_what_is_there_already_is_left_out(prompt: str, text: str, suffix: str, fitted: str) -> None:
    assert Seam(prompt, suffix).fitted(text) == fitted


SIDES = st.sampled_from(["", "\n", ")", "ab", "a(", ";\n", "\n\nb"])


@given(
    SIDES,
    st.text("ab;)\n ", max_size=12),
    SIDES,
    st.lists(st.text("ab;\n", min_size=1, max_size=3), max_size=3),
    st.data(),
)
def test_what_was_sent_is_never_taken_back(
    prompt: str, text: str, suffix: str, stops: Sequence[str], data: st.DataObject
) -> None:
    seam = Seam(prompt, suffix, tuple(stops))
    settled, expected = SettledText(seam), seam.fitted(seam.until_stop(text)[0])
    sent, num_final = "", 0
    for num_written in sorted(data.draw(st.sets(st.integers(0, len(text))))):
        num_final = data.draw(st.integers(num_final, num_written))
        sent += settled.advance(written(*text[:num_written], num_final=num_final))
        assert expected.startswith(sent)
        if settled.stopped is not None:
            assert settled.stopped == expected
            break
    assert settled.text == sent


@pytest.mark.parametrize(
    ("suffix", "stop", "text"),
    [("foo()\nbar()\n", "\ndef ", "foo()\ndef g"), ("\nbar()\n", "```", "y = 1\n```\n")],
    ids=["a-repetition", "line-breaks"],
)
def test_what_a_stop_may_leave_alone_is_not_sent(suffix: str, stop: str, text: str) -> None:
    seam = Seam("x = 1\n", suffix, (stop,))
    settled, expected = SettledText(seam), seam.fitted(seam.until_stop(text)[0])
    sent = "".join(settled.advance(written(*text[:end], num_final=end)) for end in range(len(text) + 1))
    assert expected.startswith(sent)


@given(st.text("ab", max_size=12), st.lists(st.text("ab", min_size=1, max_size=3), max_size=3))
def test_a_text_is_cut_where_writing_it_would_have_stopped(text: str, stops: Sequence[str]) -> None:
    lengths = (n for n in range(len(text) + 1) if any(text[:n].endswith(stop) for stop in stops))
    first = next(lengths, None)
    written = text if first is None else text[:first]
    starts = [] if first is None else [first - len(stop) for stop in stops if written.endswith(stop)]
    assert before_first_stop(text, tuple(stops)) == (text[: min(starts, default=None)], first is not None)


def test_the_stop_that_is_complete_first_ends_a_text_even_within_another() -> None:
    assert before_first_stop("abc", ("abc", "b")) == ("a", True)
