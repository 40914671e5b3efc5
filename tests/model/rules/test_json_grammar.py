"""The JSON machine against Python's own reader, and the guarantee: nonsense logits, valid JSON."""

import json
import string
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, InfillRequest
from dlm_model.rules.json_grammar import JsonState

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def state_after(text: str) -> JsonState | None:
    state: JsonState | None = JsonState()
    for byte in text.encode():
        state = state.after(byte) if state else None
    return state


def is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return False
    return True


@settings(deadline=None)
@given(value=VALUES, indent=st.sampled_from([None, 2]))
def test_what_is_json_is_accepted_and_every_beginning_of_it_has_an_end(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    for end in range(len(text) + 1):
        state = state_after(text[:end])
        assert state is not None
        assert is_json(text[:end] + state.shortest_end.decode())
    assert state.is_complete


@given(text=st.text(alphabet='{}[]",:0123-+.eEtrufalsn\\/ \t\n', max_size=9))
@settings(max_examples=600, deadline=None)
def test_what_is_no_json_is_never_complete(text: str) -> None:
    state = state_after(text)
    assert is_json(text) == bool(state and state.is_complete)
    if state:
        assert is_json(text + state.shortest_end.decode())


@pytest.mark.parametrize("text", ["01", "1.", "-", "tru", '{"a" 1}', "[1,]", '{"a":1,}', '"\\x"', "1 2", "é"])
def test_near_misses_are_no_json(text: str) -> None:
    state = state_after(text)
    assert state is None or not state.is_complete


@pytest.mark.parametrize("text", [character for character in string.printable if character not in "\t\n\r\x0b\x0c"])
def test_every_printable_character_may_stand_in_a_string(text: str) -> None:
    dumped = json.dumps(text)
    assert state_after(dumped).is_complete


@pytest.mark.parametrize("name", ["fixed_engine", "resizing_engine", "causal_engine"])
@pytest.mark.parametrize("num_steps", [1, 3, 40])
@pytest.mark.parametrize("length", [1, 2, 9, 30])
def test_whatever_the_model_says_the_middle_is_one_json_value(
    request: pytest.FixtureRequest, name: str, num_steps: int, length: int
) -> None:
    engine: Engine = request.getfixturevalue(name)
    asked = InfillRequest("config = ", "\nprint(config)\n", expected_tokens=length)
    for seed in range(4):
        options = DecodeOptions(num_steps=num_steps, grammar="json", temperature=2.0, seed=seed, num_candidates=2)
        last = list(engine.infill(asked, options, CancelToken()))[-1]
        for candidate in last.candidates:
            json.loads(candidate.text)


@pytest.mark.parametrize("name", ["fixed_engine", "resizing_engine"])
@pytest.mark.parametrize("deadline_ms", [1, 30, 60])
def test_a_deadline_ends_the_value_too(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, name: str, deadline_ms: int
) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr("dlm_model.engine.Pace", partial(Pace, clock=lambda: next(ticks) * 0.001))
    engine: Engine = request.getfixturevalue(name)
    asked = InfillRequest("config = ", "\nprint(config)\n", expected_tokens=30)
    for seed in range(4):
        options = DecodeOptions(grammar="json", temperature=2.0, seed=seed, deadline_ms=deadline_ms)
        last = list(engine.infill(asked, options, CancelToken()))[-1]
        assert last.step < 30
        json.loads(last.text)
        json.loads(last.candidates[0].text)
