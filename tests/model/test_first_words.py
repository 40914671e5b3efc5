"""Words that a middle must begin with, whatever a random model prefers."""

import pytest

from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine
from dlm_model.request import CancelToken, InfillRequest
from dlm_model.tokens.vocabulary import Vocabulary

WORDS = ("for", "if", "while")
KNOWN = ("self", "item", "return")  # to the tiny tokenizer, as one token


@pytest.mark.parametrize("prefix", ["", "def f(x):\n    ", "x = 1;"])
@pytest.mark.parametrize("options", [{}, {"schedule": "linear", "num_steps": 3, "num_candidates": 2}, {"num_steps": 1}])
@pytest.mark.parametrize("name", ["fixed_engine", "causal_engine"])
def test_a_middle_begins_with_one_of_them(
    prefix: str, options: dict[str, object], name: str, request: pytest.FixtureRequest
) -> None:
    engine: Engine = request.getfixturevalue(name)
    wanted = InfillRequest(prefix, "\n        return x\n", first_words=KNOWN)
    for seed in range(2):
        *_, last = engine.infill(wanted, DecodeOptions(seed=seed, temperature=1.0, **options), CancelToken())  # type: ignore[arg-type]
        for candidate in last.candidates:
            assert candidate.text.lstrip(" \t").startswith(KNOWN), candidate.text


def test_a_word_ends_where_it_does() -> None:
    spellings = [b"for", b" for", b"form", b"for ", b"\tif(", b"if_", b"xfor", b"", b"fo", b"   ", b"\nfor"]
    vocabulary = Vocabulary(spellings)
    assert {spellings[token_id] for token_id in vocabulary.starting_with(WORDS)} == {b"for", b" for", b"for ", b"\tif("}
    assert vocabulary.starting_with(()) == frozenset()
