"""Left to right: the tokens are those that the network itself finds most probable after what is there."""

from pathlib import Path

import pytest
import torch

from dlm_model.engine import Engine
from dlm_model.errors import RequestError
from dlm_model.request import CancelToken, DecodeOptions, Draft, InfillRequest

REQUEST = InfillRequest("def foo(self, value):\n    ", "\n", expected_tokens=9)


def written(engine: Engine, request: InfillRequest = REQUEST, guide: str = "self") -> list[Draft]:
    return list(engine.continue_text(request, DecodeOptions(), CancelToken(), guide=guide))


def test_each_token_is_the_best_after_the_ones_before(causal_engine: Engine) -> None:
    network, tokenizer = causal_engine.network, causal_engine.tokenizer
    ids = [network.config.bos_token_id, *tokenizer.encode(REQUEST.prefix).ids]
    expected = b""
    for _ in range(9):
        causal = torch.ones(1, len(ids), len(ids), dtype=torch.bool).tril()
        with torch.inference_mode():
            hidden = network(torch.tensor([ids]), torch.arange(len(ids))[None], is_valid=causal)
            logits = network.logits(hidden[0, -1]).float()
        banned = torch.tensor([not spelling for spelling in tokenizer.token_bytes])
        banned[network.config.bos_token_id] = False
        ids.append(int(logits.masked_fill(banned, -torch.inf).argmax()))
        if ids[-1] == network.config.bos_token_id:
            break
        expected += tokenizer.token_bytes[ids[-1]]
    found = written(causal_engine)
    assert found[-1].text == expected.decode(errors="replace")
    assert [draft.num_forwards for draft in found] == list(range(1, len(found) + 1))


def test_it_ends_and_says_why(causal_engine: Engine) -> None:
    found = written(causal_engine)
    assert [draft.finish_reason for draft in found[:-1]] == [None] * (len(found) - 1)
    assert found[-1].finish_reason in {"stop", "length"}
    assert len(found) <= 9


def test_one_line_is_enough_where_one_is_asked_for(causal_engine: Engine) -> None:
    request = InfillRequest(REQUEST.prefix, "\n", single_line=True, expected_tokens=60)
    assert all("\n" not in draft.text for draft in written(causal_engine, request))


def test_cancelling_stops_after_the_next_token(causal_engine: Engine) -> None:
    cancel = CancelToken()
    running = causal_engine.continue_text(REQUEST, DecodeOptions(), cancel)
    next(running)
    cancel.cancel()
    (last,) = running
    assert (last.finish_reason, last.num_tokens) == ("cancelled", 2)


def test_another_checkpoint_can_write(fixed_engine: Engine, causal_folder: Path) -> None:
    assert written(fixed_engine, guide=str(causal_folder))[-1].finish_reason


def test_a_model_without_a_causal_prompt_cannot(fixed_engine: Engine) -> None:
    with pytest.raises(RequestError, match="has no causal prompt"):
        written(fixed_engine)
