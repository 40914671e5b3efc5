"""Prefixes as a causal model begins its own texts: whose first token, and where they are cut."""

from dataclasses import replace

import pytest
import torch

from dlm_model.guides.own_prompt import OwnPrompt
from dlm_model.network.config import ModelConfig
from tests.model.tiny_checkpoints import DLM_SECTION, SHAPE

BASE = ModelConfig.from_dict({"model_type": "llama", "rms_norm_eps": 1e-6, "dlm": DLM_SECTION} | SHAPE)
SPELLINGS = [b"", b"", b"a", b"b", b":\n", b"\n    ", b"\n"]
FOREIGN, OWN, A, B, COLON, DEEPER, BREAK = range(len(SPELLINGS))
END = BREAK


def prefix(ids: list[int], *, bos: int | None = OWN, sees: int = 99, begins_with: int | None = FOREIGN) -> list[int]:
    """The causal model's own prefix, where it sees so many tokens, four of which are needed for something else."""
    config = replace(BASE, bos_token_id=bos, end_token_ids=(END,), context_length=sees)
    found: list[int] = OwnPrompt(config, begins_with, SPELLINGS).prefix(torch.tensor(ids), 4).tolist()
    return found


@pytest.mark.parametrize(
    ("ids", "bos", "expected"),
    [
        ([FOREIGN, A, B], OWN, [OWN, A, B]),
        ([FOREIGN, A, B], None, [A, B]),
        ([FOREIGN], OWN, [OWN]),
        ([FOREIGN], None, [END]),
        ([FOREIGN, A], FOREIGN, [FOREIGN, A]),
        ([A, FOREIGN, B], OWN, [A, FOREIGN, B]),
    ],
    ids=["replaced", "stripped", "alone", "nothing-left", "shared", "within"],
)
def test_a_prompt_begins_as_the_causal_model_knows_it(ids: list[int], bos: int | None, expected: list[int]) -> None:
    assert prefix(ids, bos=bos) == expected


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([A, A, BREAK, A, B, A], [A, B, A]),
        ([A, A, COLON, A, BREAK, B], [A, BREAK, B]),
        ([A, A, B, DEEPER, A, B], [DEEPER, A, B]),
        ([A, BREAK, A, B, A, B], [A, B, A, B]),
        ([A, A, A, A, B, A], [A, A, B, A]),
    ],
    ids=["after-a-break", "after-a-colon", "at-indentation", "exactly", "no-line"],
)
def test_a_prefix_that_is_too_long_is_cut_to_whole_lines(ids: list[int], expected: list[int]) -> None:
    assert prefix(ids, sees=8, bos=None) == expected


def test_the_first_token_stays_in_front_of_what_is_cut() -> None:
    assert prefix([FOREIGN, A, A, BREAK, B, A], sees=8) == [OWN, B, A]
    assert prefix([FOREIGN, A, A, A, B, A], sees=8) == [OWN, A, B, A]
    assert prefix([FOREIGN, A, A], sees=4) == [A]
