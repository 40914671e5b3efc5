"""Drafts before the ghost text, and the accepting key on one: it waits for the result, unless something else comes."""

from collections.abc import Iterator

import pytest

from tests.editors.scripted_daemon import ScriptedDaemon
from tests.editors.vscode.code_server import until
from tests.editors.vscode.workbench import Workbench

MIDDLE = "return name.upper()"
BEFORE = "def shout(name):\n    "
INVOKED_ONLY = {"dlm-lsp.debounceMs": 10_000}
"""No automatic request is answered meanwhile, such as the one that follows an insertion."""


@pytest.fixture
def held(daemon: ScriptedDaemon) -> Iterator[ScriptedDaemon]:
    """The server, which keeps every fill at its first draft until it is let go."""
    daemon.fills_in(MIDDLE)
    daemon.hold(1)
    yield daemon
    daemon.release()


def accept_draft(workbench: Workbench) -> None:
    workbench.press("Alt+Backslash")
    until(lambda: workbench.draft, "a draft")
    workbench.press("Tab")
    until(lambda: workbench.draft.endswith("⇥"), "the mark of an accepted draft")


def test_drafts_sharpen_beside_the_cursor_without_a_gap_until_the_ghost_text_comes(
    workbench: Workbench, held: ScriptedDaemon
) -> None:
    workbench.open_at_end("drafts.py", BEFORE)
    with workbench.filmed() as film:
        workbench.press("Alt+Backslash")
        first = until(lambda: workbench.draft, "a draft")
        held.hold(2)
        until(lambda: workbench.draft not in ("", first), "another one")
        held.release()
        workbench.wait_for_ghost()
        workbench.page.wait_for_timeout(500)  # time for a change that must not come
    nothing, *drafting, answer = film
    assert nothing == ("", "")
    assert all(frame.draft and not frame.ghost for frame in drafting)
    assert len(drafting) > 1
    assert not answer.draft
    assert answer.ghost.replace("\xa0", " ") == MIDDLE


def test_tab_on_a_draft_inserts_it_once_it_is_finished(workbench: Workbench, held: ScriptedDaemon) -> None:
    file = workbench.open_at_end("accepted.py", BEFORE)
    with workbench.settings(INVOKED_ONLY), workbench.filmed() as film:
        accept_draft(workbench)
        assert workbench.editor_text() == BEFORE
        held.release()
        until(lambda: workbench.editor_text() == BEFORE + MIDDLE, "the inserted result")
    assert not any(frame.ghost for frame in film)
    assert workbench.save(file) == BEFORE + MIDDLE
    workbench.press("Control+Z")
    assert workbench.save(file) == BEFORE


def test_escape_has_an_accepted_draft_shown_instead(workbench: Workbench, held: ScriptedDaemon) -> None:
    file = workbench.open_at_end("unaccepted.py", BEFORE)
    accept_draft(workbench)
    workbench.press("Escape")
    until(lambda: not workbench.draft.endswith("⇥"), "the mark to go")
    held.release()
    assert workbench.wait_for_ghost() == MIDDLE
    workbench.press("Escape")
    workbench.type(" ")
    assert workbench.save(file) == BEFORE + " "


def test_escape_closes_the_completion_list_first(workbench: Workbench, held: ScriptedDaemon) -> None:
    file = workbench.open_at_end("listed.py", BEFORE)
    accept_draft(workbench)
    completions = workbench.page.locator(".suggest-widget.visible")
    workbench.press("Control+Space")
    completions.wait_for()
    workbench.press("Escape")
    completions.wait_for(state="detached")
    assert workbench.draft.endswith("⇥")
    held.release()
    until(lambda: workbench.editor_text() == BEFORE + MIDDLE, "the inserted result")
    assert workbench.save(file) == BEFORE + MIDDLE


def test_it_is_said_why_nothing_has_come_of_the_draft(workbench: Workbench, held: ScriptedDaemon) -> None:
    held.fills_in("")
    file = workbench.open_at_end("nothing.py", BEFORE)
    accept_draft(workbench)
    held.release()
    told = "Nothing was inserted: the model has nothing for this hole"
    workbench.page.locator(".notification-toast", has_text=told).wait_for()
    workbench.type(" ")
    assert workbench.save(file) == BEFORE + " "
