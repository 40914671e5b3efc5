"""Filling by an edit, and drafts, with a server that answers what the test says."""

from typing import Any

import pytest

from tests.editors.nvim.conftest import Server, Start
from tests.editors.nvim.neovim import COLLECT_NOTIFICATIONS, Neovim, until

TEXT = 'def size(self):\n    """How large it is."""\n    pass\n\n\nlast = 1\n'
FILL = {
    "range": {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 8}},
    "text": "return 1\n    # 2",
}
DRAFTS = [
    {"text": "return", "stableRanges": [[0, 0]]},
    {"text": "return 1\n    # 2\n", "stableRanges": [[0, 8]]},
]


def filled() -> list[str]:
    return TEXT.replace("pass", str(FILL["text"])).splitlines()


def warnings(neovim: Neovim) -> list[str]:
    return list(neovim.lua("return vim.g.notified or {}"))


def test_a_hole_is_filled_and_one_undo_empties_it(scripted: Start, server: Server) -> None:
    server.says(fill=FILL)
    neovim = scripted(TEXT, before=COLLECT_NOTIFICATIONS)
    neovim.press("jj")
    neovim.press(":DlmFill<CR>")
    neovim.await_lines(filled())
    neovim.await_answers()
    assert warnings(neovim) == []
    heard = server.heard("infillRange")[-1]
    assert heard["range"] == {"start": {"line": 2, "character": 0}, "end": {"line": 2, "character": 0}}
    assert heard["options"] is None
    neovim.press("u")
    neovim.await_lines(TEXT.splitlines())


def test_the_number_of_steps_can_be_said(scripted: Start, server: Server) -> None:
    server.says(fill=FILL)
    neovim = scripted(TEXT)
    neovim.press(":DlmFill 64<CR>")
    neovim.await_lines(filled())
    assert server.heard("infillRange")[-1]["options"] == {"numSteps": 64}


@pytest.mark.parametrize(
    ("keys", "first", "last"),
    [
        ("jjV", (2, 0), (2, 8)),
        ("jjvlllll", (2, 0), (2, 6)),
        ("jVj", (1, 0), (2, 8)),
        ("jf.hvhh", (1, 19), (1, 22)),
        ("jjv$", (2, 0), (2, 8)),
        ("jjvj", (2, 0), (3, 0)),
        (":set selection=exclusive<CR>jjvlllll", (2, 0), (2, 5)),
    ],
    ids=["a line", "characters", "two lines", "backwards", "a line's end", "up to an empty line", "exclusive"],
)
def test_a_selection_is_refilled(
    scripted: Start, server: Server, keys: str, first: tuple[int, int], last: tuple[int, int]
) -> None:
    server.says(fill=FILL)
    neovim = scripted(TEXT)
    neovim.press(keys)
    neovim.press(":DlmRefill<CR>")
    neovim.await_lines(filled())
    asked = server.heard("infillRange")[-1]["range"]
    assert (asked["start"]["line"], asked["start"]["character"]) == first
    assert (asked["end"]["line"], asked["end"]["character"]) == last


def test_a_fill_continues_in_insert_mode(scripted: Start, server: Server) -> None:
    server.says(fill=FILL, drafts=DRAFTS, held_at=2)
    neovim = scripted(TEXT)
    neovim.press("jjA<C-o>:DlmFill<CR>")
    neovim.await_ghost("return 1\n    # 2")
    server.goes_on()
    neovim.await_lines(filled())
    assert neovim.mode == "i"


def test_the_draft_of_a_fill_sharpens_over_what_it_replaces(scripted: Start, server: Server) -> None:
    server.says(fill=FILL, drafts=DRAFTS, held_at=1)
    neovim = scripted(TEXT)
    neovim.press(":DlmFill<CR>")
    neovim.await_ghost("return")
    assert [group for text, group in neovim.chunks()] == ["DlmLspDraftUnstable"]
    server.goes_on(held_at=2)
    neovim.await_ghost("return 1\n    # 2")
    groups = [(text, group) for text, group in neovim.chunks() if text.strip()]
    assert groups == [("return 1", "DlmLspDraft"), ("    # 2", "DlmLspDraftUnstable")]
    assert neovim.lines == TEXT.splitlines()
    server.goes_on()
    neovim.await_lines(filled())
    neovim.await_no_ghost()


def test_an_edit_stops_a_fill(scripted: Start, server: Server) -> None:
    server.says(fill=FILL, drafts=DRAFTS, seconds=60)
    neovim = scripted(TEXT, before=COLLECT_NOTIFICATIONS)
    neovim.press(":DlmFill<CR>")
    until(lambda: server.heard("infillRange"))
    neovim.press("Gdd")
    until(lambda: server.heard("cancelled"))
    neovim.await_no_ghost()
    assert warnings(neovim) == []
    neovim.await_lines(TEXT.splitlines()[:-1])


def test_a_fill_that_fails_says_why(scripted: Start, server: Server) -> None:
    server.says(fill=FILL, failure="the hole is too deep")
    neovim = scripted(TEXT, before=COLLECT_NOTIFICATIONS)
    neovim.press(":DlmFill<CR>")
    until(lambda: warnings(neovim))
    assert "the hole is too deep" in warnings(neovim)[0]


def test_a_fill_of_what_was_there_before_says_so(scripted: Start, server: Server) -> None:
    server.says(fill=FILL | {"text": "pass"})
    neovim = scripted(TEXT, before=COLLECT_NOTIFICATIONS)
    neovim.press(":DlmFill<CR>")
    until(lambda: warnings(neovim))
    assert warnings(neovim) == ["dlm-lsp: the model wrote the same text that was there before"]


def test_an_invalid_number_of_steps_gets_a_sentence(scripted: Start, server: Server) -> None:
    neovim = scripted(TEXT, before=COLLECT_NOTIFICATIONS)
    neovim.press(":DlmFill many<CR>")
    until(lambda: warnings(neovim))
    assert warnings(neovim) == ["dlm-lsp: the number of steps must be a number, got many"]
    assert server.heard("infillRange") == []


def test_without_a_server_a_fill_says_so(scripted: Start) -> None:
    neovim = scripted(TEXT, before=COLLECT_NOTIFICATIONS)
    neovim.api.command("new")
    neovim.press(":DlmFill<CR>")
    until(lambda: warnings(neovim))
    assert ":checkhealth dlm_lsp" in warnings(neovim)[0]


def draft_chunks(neovim: Neovim, text: str) -> list[tuple[str, str]]:
    neovim.await_ghost(text)
    return [(part, group) for part, group in neovim.chunks() if part.strip()]


def test_the_draft_of_ghost_text_sharpens_until_the_answer(scripted: Start, server: Server) -> None:
    drafts: list[dict[str, Any]] = [
        {"text": "to", "stableRanges": []},
        {"text": "total + 2", "stableRanges": [[0, 5]]},
    ]
    server.says(completions={"é = ": ["total + 1"]}, drafts=drafts, held_at=1)
    neovim = scripted("\n")
    neovim.press("ié = ")
    assert draft_chunks(neovim, "to") == [("to", "DlmLspDraftUnstable")]
    server.goes_on(held_at=2)
    assert draft_chunks(neovim, "total + 2") == [("total", "DlmLspDraft"), (" + 2", "DlmLspDraftUnstable")]
    server.goes_on()
    neovim.await_ghost("total + 1")
    assert not [group for _, group in neovim.chunks() if group.startswith("DlmLspDraft")]


def test_a_draft_that_leads_to_nothing_is_removed(scripted: Start, server: Server) -> None:
    server.says(drafts=[{"text": "total", "stableRanges": []}], held_at=1)
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("total")
    server.goes_on()
    neovim.await_no_ghost()
    assert server.typed("answered")[-1] == "x = "


def test_the_next_key_stops_what_runs(scripted: Start, server: Server) -> None:
    server.says(drafts=[{"text": "total", "stableRanges": []}], seconds=60)
    neovim = scripted("\n")
    neovim.press("ix = ")
    until(lambda: "x = " in server.typed("inlineCompletion"))
    neovim.press("q")
    until(lambda: "x = " in server.typed("cancelled"))
    neovim.press("<Esc>")


def test_a_draft_that_says_what_is_typed_stays(scripted: Start, server: Server) -> None:
    server.says(drafts=[{"text": "total", "stableRanges": []}], held_at=1)
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("total")
    server.goes_on(held_at=0)  # no draft of another request
    neovim.press("to")
    neovim.await_ghost("tal")
    neovim.press("<Esc>")
    neovim.await_no_ghost()


def test_a_draft_of_another_version_is_dropped(scripted: Start, server: Server) -> None:
    neovim = scripted("x = \n")
    neovim.press("A")
    paint = """
    local ahead, buf = ..., vim.api.nvim_get_current_buf()
    local client = vim.lsp.get_clients({ name = 'dlm_lsp' })[1]
    local at = { line = 0, character = 4 }
    require('dlm_lsp.drafts').on_draft(nil, {
      uri = vim.uri_from_bufnr(0), version = vim.lsp.util.buf_versions[buf] + ahead, requestId = 99, text = 'total',
      range = { start = at, ['end'] = at }, stableRanges = {}
    }, { client_id = client.id })
    """
    until(lambda: server.heard("answered"))
    neovim.await_answers()
    neovim.lua(paint, -1)
    assert neovim.ghost() == ""
    neovim.lua(paint, 0)
    assert neovim.ghost() == "total"
