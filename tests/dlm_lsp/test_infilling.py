from dataclasses import replace

import pytest

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.errors import NothingToShowError
from dlm_lsp.fills import Anchors
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.named_holes import find_function
from dlm_lsp.infilling import Outcome, fills_of, infill, placed, present_candidates
from dlm_lsp.keystrokes.warm_start import EarlierDraft
from dlm_lsp.languages.python import PYTHON
from dlm_lsp.options import CPU_PROMPT_TOKENS, GPU_PROMPT_TOKENS
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import CancelToken, Candidate, Draft, Piece
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.dlm_lsp.snapshots import snapshot_of

LINES_ABOVE = "".join(f"value_{number} = {number}\n" for number in range(500))
DOCUMENT = f"{LINES_ABOVE}def total(numbers):\n    pass\n"


@pytest.fixture
def snapshot() -> Snapshot:
    return Snapshot.parse("untitled:a.py", PYTHON, DOCUMENT)


@pytest.fixture
def hole(snapshot: Snapshot) -> Hole:
    return find_function(snapshot, "total")


def prompt_tokens(engine: ScriptedEngine) -> int:
    request = engine.requests[0]
    return engine.count_tokens(request.prefix) + engine.count_tokens(request.suffix)


def test_nothing_runs_before_the_first_draft_is_asked_for(hole: Hole) -> None:
    engine = ScriptedEngine("return sum(numbers)")
    drafts = infill(engine, HoleRequest(hole, DecodeOptions()), CancelToken())
    assert engine.requests == []
    *_, last = drafts
    assert last.finish_reason == "stop"


@pytest.mark.parametrize(("text", "start", "end"), [("", 0, 0), (" \n\n", 1, 1), ("\nx = 1\n", 1, 6)])
def test_where_nothing_else_stands_there_is_nothing_to_go_by(text: str, start: int, end: int) -> None:
    engine = ScriptedEngine("return 1")
    document = Snapshot.parse("untitled:a.py", PYTHON, text)
    request = HoleRequest(Hole(document, start, end, "range"), DecodeOptions(), related=["# def f()"])
    with pytest.raises(NothingToShowError, match="nothing to go by"):
        next(infill(engine, request, CancelToken()))
    assert engine.requests == []


@pytest.mark.parametrize(("max_middle_tokens", "room"), [(100, 300), (10_000, 200)])
def test_the_prompt_gets_what_the_middle_leaves_and_never_less_than_half(
    hole: Hole, max_middle_tokens: int, room: int
) -> None:
    engine = ScriptedEngine("return sum(numbers)")
    engine.context_length = 400
    list(infill(engine, HoleRequest(hole, DecodeOptions(max_middle_tokens=max_middle_tokens)), CancelToken()))
    assert 0.5 * room < prompt_tokens(engine) <= room


@pytest.mark.parametrize(("device", "most"), [("cpu", CPU_PROMPT_TOKENS), ("cuda:0", GPU_PROMPT_TOKENS)])
def test_a_prompt_is_as_long_as_suits_the_device(device: str, most: int) -> None:
    engine = ScriptedEngine("return sum(numbers)")
    engine.device, engine.context_length = device, 10_000
    long = Snapshot.parse("untitled:a.py", PYTHON, 6 * LINES_ABOVE + DOCUMENT)
    list(infill(engine, HoleRequest(find_function(long, "total"), DecodeOptions()), CancelToken()))
    assert 0.5 * most < prompt_tokens(engine) <= most


def test_a_caller_may_ask_for_a_shorter_prompt(hole: Hole) -> None:
    engine = ScriptedEngine("return sum(numbers)")
    list(infill(engine, HoleRequest(hole, DecodeOptions(), max_prompt_tokens=40), CancelToken()))
    assert prompt_tokens(engine) <= 40


def test_what_stands_before_a_fill_counts_as_none_of_its_tokens() -> None:
    engine = ScriptedEngine("return 1", num_steps=2)
    snapshot = Snapshot.parse("untitled:a.py", PYTHON, "def total(numbers):\n\n")
    hole = find_hole(snapshot, len("def total(numbers):\n"))
    drafts = list(infill(engine, HoleRequest(hole, DecodeOptions()), CancelToken()))
    own = list(engine.infill(engine.requests[0], DecodeOptions(), CancelToken()))
    assert [draft.text for draft in drafts] == ["    retu", "    return 1"]
    assert [draft.num_tokens for draft in drafts] == [draft.num_tokens for draft in own]
    assert [draft.confidence for draft in drafts] == [draft.confidence for draft in own]


def test_the_engine_gets_a_checker_of_the_document(hole: Hole) -> None:
    engine = ScriptedEngine("return 1")
    list(infill(engine, HoleRequest(hole, DecodeOptions()), CancelToken()))
    checker = engine.requests[0].syntax
    assert checker
    assert checker.errors("return 1") == ()
    assert checker.errors("return 1 2")


def test_a_closing_text_is_the_last_line_of_statements_and_the_end_of_a_line(hole: Hole) -> None:
    engine = ScriptedEngine("return 1")
    anchors = Anchors(closing="return total")
    line = Snapshot.parse("untitled:a.py", PYTHON, "total = \n")
    list(infill(engine, HoleRequest(hole, DecodeOptions(), anchors=anchors), CancelToken()))
    ending = HoleRequest(find_hole(line, 8), DecodeOptions(), anchors=Anchors(closing="(numbers)"))
    list(infill(engine, ending, CancelToken()))
    assert [request.closing for request in engine.requests] == ["\n    return total", "(numbers)"]


@pytest.mark.parametrize(
    ("anchors", "text", "behind", "are_in"),
    [
        (Anchors(keep=("b", "a")), "b + a", "", True),
        (Anchors(keep=("b", "a")), "a + b", "", False),
        (Anchors(keep=("if a:\n  b",)), "if a:\r\n        b", "", True),
        (Anchors(closing="return a"), "b\n    return a", "\n", True),
        (Anchors(closing="return a"), "return a\n    b", "\n", False),
        (Anchors(closing="(a)"), "sum(a", ")\n", True),
        (Anchors(closing="(a)"), "sum(a", "]\n", False),
        (Anchors(closing="(a)"), "", "(a)\n", False),
        (Anchors(), "", "", True),
    ],
)
def test_a_fill_holds_its_anchors_in_order_and_may_close_with_the_text_after_it(
    anchors: Anchors, text: str, behind: str, are_in: bool
) -> None:
    assert anchors.are_in(text, behind) is are_in


def test_only_what_parses_is_valid(hole: Hole) -> None:
    draft = finished(("return (", 0.9), ("return 1", 0.2))
    fills, reason = fills_of(HoleRequest(hole, DecodeOptions(), require_valid=True), draft)
    assert ([ranked.fill.text for ranked in fills], reason) == (["return 1"], "")


@pytest.mark.parametrize(
    ("text", "marker", "middles", "reason"),
    [
        ("f(1, 2)\n", "2", (")",), "nothing is missing: the model only repeats what follows this hole"),
        ("f(1, 2)\n", "2", ("", ")"), "nothing is missing: the model only repeats what follows this hole"),
        ("f(1, 2)\n", "2", ("", "  "), "the model has nothing for this hole"),
        ("f(1, 2)\n", "2", (), "the model has nothing for this hole"),
        ("x = 1\n", "x = 1", ("",), "the model adds nothing to this line; it may on the next one"),
        ("def f():\n    x = []\n    y\n", "x = []", (), "the model adds nothing to this line; it may on the next one"),
        ("x = \n", "x = ", ("",), "the model has nothing for this hole"),
        ("f(a,\n  b)\n", "f(a,", ("",), "the model has nothing for this hole"),
        ("if a:\n    b()\n", "if a:", ("",), "the model has nothing for this hole"),
        ("import os\n", "import ", ("pandas",), "the model has nothing for this hole"),
        ("x = 1\n", "x = 1", (" +",), "the model has nothing but fills that add syntax errors for this hole"),
    ],
)
def test_the_reason_says_what_there_was(text: str, marker: str, middles: tuple[str, ...], reason: str) -> None:
    document = Snapshot.parse("untitled:a.py", PYTHON, text)
    hole = find_hole(document, text.index(marker) + len(marker))
    draft = finished(*((middle, 0.5) for middle in middles))
    assert fills_of(HoleRequest(hole, DecodeOptions(), require_valid=True), draft) == Outcome((), reason)


def test_a_range_that_the_model_would_take_away_is_not_said_to_lack_nothing() -> None:
    document = Snapshot.parse("untitled:a.py", PYTHON, "f(1, 2)\n")
    request, draft = HoleRequest(Hole(document, 5, 6, "range"), DecodeOptions()), finished((")", 0.5))
    assert fills_of(request, draft).reason == "the model has nothing for this hole"


def finished(*candidates: tuple[str, float]) -> Draft:
    found = tuple(Candidate(text, confidence, 3) for text, confidence in candidates)
    return replace(
        Draft(pieces=(), step=1, num_steps=1, num_forwards=1, elapsed_ms=1.0, num_final=0),
        finish_reason="stop",
        candidates=found,
    )


def test_what_parses_comes_first_and_else_what_the_engine_put_first(hole: Hole) -> None:
    draft = finished(("return (", 0.9), ("return 2", 0.2), ("return 1", 0.5))
    assert [ranked.fill.text for ranked in present_candidates(hole, draft)] == ["return 2", "return 1", "return ("]


def test_empty_fills_and_doubles_are_left_out(hole: Hole) -> None:
    draft = finished(("", 0.9), ("return 1\n", 0.6), ("return 1", 0.4))
    (only,) = present_candidates(hole, draft)
    assert (only.fill.text, only.candidate.confidence) == ("return 1", 0.6)


def test_no_candidates_is_nothing_to_show(hole: Hole) -> None:
    assert present_candidates(hole, finished()) == ()


def prior_for(text: str, marker: str, *said: str) -> tuple[Piece, ...]:
    """The part of an earlier draft with this text that the engine gets for the hole at the cursor."""
    snapshot = Snapshot.parse("untitled:a.py", PYTHON, text)
    hole = find_hole(snapshot, text.index(marker) + len(marker))
    draft = Draft(
        pieces=tuple(Piece(each, "committed", 0.5, 1) for each in said),
        step=1,
        num_steps=1,
        num_forwards=1,
        elapsed_ms=1.0,
        num_final=len(said),
    )
    engine = ScriptedEngine("x")
    earlier = EarlierDraft(hole, draft)
    list(infill(engine, HoleRequest(hole, DecodeOptions(warm_start=0.5), earlier=earlier), CancelToken()))
    return engine.requests[0].prior


def test_an_earlier_draft_comes_without_what_the_engine_takes_for_granted() -> None:
    found = prior_for("def f():", "def f():", "\n    ", "return", " 1")
    assert [piece.text for piece in found] == ["return", " 1"]


def test_a_hole_within_a_line_gets_one_line_of_it() -> None:
    found = prior_for("x = \ny = 2\n", "x = ", "1", " + 1\n", "z = 3")
    assert [piece.text for piece in found] == ["1", " + 1"]


@pytest.mark.parametrize(("num_final", "stable"), [(0, ()), (1, ((0, 11),)), (2, ((0, 13),))])
def test_what_stands_before_a_draft_is_final_once_any_of_it_is(
    num_final: int, stable: tuple[tuple[int, int], ...]
) -> None:
    pieces = Piece("return", "committed", 0.5, 1), Piece(" 1", "committed", 0.5, 1)
    draft = Draft(pieces=pieces, step=1, num_steps=2, num_forwards=1, elapsed_ms=1.0, num_final=num_final)
    assert placed(draft, "\n    ").stable_ranges == stable


def draft_of(middle: str) -> Draft:
    """A finished draft with one candidate."""
    return Draft(
        pieces=(),
        step=1,
        num_steps=1,
        num_forwards=1,
        elapsed_ms=1.0,
        num_final=0,
        finish_reason="stop",
        candidates=(Candidate(middle, 0.9, 1),),
    )


LEFT_OPEN = [
    ("javascript", "function f(a) {\n  if (a > 1) ⟦⟧\n  return a;\n}\n", "{"),
    ("java", "class A {\n  int f(int a) {\n    if (a > 1) ⟦⟧\n    return a;\n  }\n}\n", "{"),
    ("c", "int f(int a) {\n  while (a > 1) ⟦⟧\n  return a;\n}\n", "{"),
    ("javascript", "function f() {\n  return 1;\n}\nconst y = ⟦⟧\nfoo();\n", "{"),
    ("go", "package p\n\nfunc f() {\n\ty := ⟦⟧\n\tg(y)\n}\n", "T{"),
    ("lua", "local y = ⟦⟧\nprint(y)\n", "{"),
    ("ruby", "def a\n  1\nend\ny = ⟦⟧\nputs y\n", "[1, {"),
    ("bash", 'f() {\n  echo 1\n}\ny=⟦⟧\necho "$y"\n', "${"),
    ("json", '{\n  "a": [1, ],\n  ⟦⟧\n  "c": {}\n}\n', "-> i32,"),
    ("javascript", "function broken( {\n  ⟦⟧\n}\n\nfoo();\n", "#-> i32 ]#else"),
]


@pytest.mark.parametrize(("language_id", "marked_text", "middle"), LEFT_OPEN)
def test_what_leaves_the_document_broken_is_not_valid_unless_somebody_types_on(
    language_id: str, marked_text: str, middle: str
) -> None:
    before, after = marked_text.split("⟦⟧")
    hole = find_hole(snapshot_of(language_id, before + after), len(before))
    request = HoleRequest(hole, DecodeOptions(), require_valid=True)
    assert fills_of(request, draft_of(middle)).fills == ()
    assert [
        ranked.fill.parse_valid for ranked in fills_of(replace(request, require_valid=False), draft_of(middle)).fills
    ] == [False]


@pytest.mark.parametrize(("language_id", "marked_text", "middle"), LEFT_OPEN[:3])
def test_whoever_types_on_may_get_a_header_without_its_block(language_id: str, marked_text: str, middle: str) -> None:
    before, after = marked_text.split("⟦⟧")
    hole = find_hole(snapshot_of(language_id, before + after), len(before))
    request = HoleRequest(hole, DecodeOptions(), require_valid=True, is_typed=True)
    assert [ranked.fill.text for ranked in fills_of(request, draft_of(middle)).fills] == [middle]


BELOW_AN_OPEN_BRACKET = """\
if TYPE_CHECKING:
    from pathspec import Spec ((
    \"\"\"What matches lower-case paths.
    \"\"\"
    try:
        return Spec.from_lines(each.lower() for each in patterns)
    except re.error as error:
        ⟦⟧
    for pattern in patterns:
            compiled((pattern,))
"""


@pytest.mark.parametrize(
    ("middle", "is_valid"),
    [("raise ValueError(str(error)) from error", True), ("raise ValueError(", False)],
)
def test_below_a_bracket_that_is_open_far_away_a_text_is_judged_by_its_surroundings(
    middle: str, is_valid: bool
) -> None:
    """The parser recovers otherwise there for any text, and so finds another number of errors."""
    before, after = BELOW_AN_OPEN_BRACKET.split("⟦⟧")
    hole = find_hole(snapshot_of("python", before + after), len(before))
    fills = fills_of(HoleRequest(hole, DecodeOptions()), draft_of(middle)).fills
    assert [ranked.fill.parse_valid for ranked in fills] == [is_valid]
