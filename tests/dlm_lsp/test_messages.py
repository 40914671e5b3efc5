"""Payloads as editors read them."""

from lsprotocol import types

from dlm_lsp.messages import DraftParams, StatusParams, to_wire


def test_names_travel_in_camel_case() -> None:
    at = types.Range(types.Position(0, 1), types.Position(0, 2))
    params = DraftParams(
        uri="file:///a.py",
        version=3,
        request_id=7,
        range=at,
        text="x = 1",
        step=1,
        num_steps=8,
        stable_ranges=((0, 1),),
        confidence=0.5,
        finish_reason=None,
    )
    assert to_wire(params) == {
        "uri": "file:///a.py",
        "version": 3,
        "requestId": 7,
        "range": at,
        "text": "x = 1",
        "step": 1,
        "numSteps": 8,
        "stableRanges": ((0, 1),),
        "confidence": 0.5,
        "finishReason": None,
    }


def test_a_status_says_state_and_message() -> None:
    assert to_wire(StatusParams("inactive", "too large")) == {
        "state": "inactive",
        "message": "too large",
        "command": None,
    }
