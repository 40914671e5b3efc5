"""What goes over the socket comes out as it went in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_lsp.errors import UnsupportedLanguageError, UsageError
from dlm_lsp.fills import Anchors
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.hole_wire import Json, draft_from_json, draft_to_json, request_from_json, request_to_json
from dlm_lsp.holes.named_holes import range_hole
from dlm_lsp.options import with_options
from dlm_model.decode_options import DecodeOptions
from dlm_model.methods import METHODS, Method
from dlm_model.request import Candidate, Draft, Piece
from tests.dlm_lsp.snapshots import snapshot_of

TEXT = "def add(left, right):\n    total = left\n    return '𝄞'\n"


def by_wire(value: Json) -> Json:
    decoded: Json = json.loads(json.dumps(value))
    return decoded


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_request_arrives_whole(method: Method) -> None:
    hole = range_hole(snapshot_of("python", TEXT), TEXT.index("total"), TEXT.index("\n    return"))
    options = with_options(DecodeOptions(num_steps=5, deadline_ms=80.5, guide="./mine"), method.options)
    request = HoleRequest(hole, options, max_prompt_tokens=300, anchors=Anchors(("left", "𝄞"), "return"))
    arrived = request_from_json(by_wire(request_to_json(request)))
    assert arrived.options == options
    assert (arrived.max_prompt_tokens, arrived.anchors) == (300, request.anchors)
    assert (arrived.hole.prefix, arrived.hole.suffix) == (hole.prefix, hole.suffix)
    assert (arrived.hole.kind, arrived.hole.num_statements) == (hole.kind, hole.num_statements)
    assert (arrived.hole.language, arrived.hole.snapshot.uri) == (hole.language, hole.snapshot.uri)


pieces = st.builds(
    Piece,
    st.text(max_size=3),
    st.sampled_from(("committed", "guessed", "masked")),
    st.floats(0, 1),
    st.integers(0, 9),
)
candidates = st.builds(
    Candidate, st.text(max_size=3), st.floats(0, 1), st.integers(0, 9), st.sampled_from(("stop", "length", "deadline"))
)
drafts = st.builds(
    Draft,
    pieces=st.lists(pieces, max_size=3).map(tuple),
    step=st.integers(0, 9),
    num_steps=st.integers(1, 9),
    num_forwards=st.integers(0, 9),
    elapsed_ms=st.floats(0, 1e6),
    finish_reason=st.sampled_from((None, "stop", "cancelled")),
    candidates=st.lists(candidates, max_size=2).map(tuple),
    num_final=st.integers(0, 9),
    is_resizing=st.booleans(),
)


@given(drafts)
def test_a_draft_arrives_whole(draft: Draft) -> None:
    assert draft_from_json(by_wire(draft_to_json(draft))) == draft


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"options": {"numSteps": 0}}, UsageError),
        ({"options": {"model": "other"}}, UsageError),
        ({"language": "klingon"}, UnsupportedLanguageError),
        ({"start": "0"}, UsageError),
        ({"start": True}, UsageError),
        ({"start": 4}, UsageError),
        ({"end": 900}, UsageError),
        ({"text": None}, UsageError),
        ({"kind": "zzz"}, UsageError),
        ({"keep": [3]}, UsageError),
        ({"closing": 3}, UsageError),
    ],
)
def test_a_wrong_request_is_refused(change: Json, error: type[Exception]) -> None:
    request = HoleRequest(range_hole(snapshot_of("python", TEXT), 0, 3), DecodeOptions())
    with pytest.raises(error):
        request_from_json(request_to_json(request) | change)


@pytest.mark.parametrize("sent", [None, [], {}, "fill"])
def test_what_is_no_request_is_refused(sent: object) -> None:
    with pytest.raises(UsageError):
        request_from_json(sent)
