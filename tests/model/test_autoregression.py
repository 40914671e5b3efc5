"""Left to right: the tokens are those that the network itself finds most probable after what is there."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.errors import RequestError
from dlm_model.network.transformer import Transformer
from dlm_model.request import CancelToken, Draft, InfillRequest
from tests.model.families.checkpoint_parts import edit_json
from tests.model.tiny_checkpoints import VOCAB_SIZE, load_network, write_checkpoint

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
            hidden = network(torch.tensor([ids]), torch.arange(len(ids))[None], may_attend=causal)
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


def test_another_checkpoint_begins_and_ends_as_its_own_texts_do(tmp_path: Path, fixed_folder: Path) -> None:
    write_checkpoint(tmp_path, "llama-gqa-untied")
    network, engine = load_network(tmp_path), load_engine(str(fixed_folder), "cpu")
    ids = torch.tensor([[70, *engine.tokenizer.encode(REQUEST.prefix).ids]])
    causal = torch.ones(1, ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
    with torch.inference_mode():
        hidden = network(ids, torch.arange(ids.shape[1])[None], may_attend=causal)
        logits = network.logits(hidden[0, -1]).float()
    is_text = torch.tensor([bool(spelling) for spelling in engine.tokenizer.token_bytes])
    best = int(logits.masked_fill(~is_text, -torch.inf).argmax())
    config = json.loads((tmp_path / "config.json").read_text())
    del config["dlm"]
    for eos_token_id, finish_reason in ((best, "stop"), (71, None)):
        (tmp_path / "config.json").write_text(json.dumps(config | {"bos_token_id": 70, "eos_token_id": eos_token_id}))
        engine = load_engine(str(fixed_folder), "cpu")
        first = written(engine, guide=str(tmp_path))[0]
        assert first.finish_reason == finish_reason
        assert first.text == ("" if finish_reason else engine.tokenizer.token_bytes[best].decode(errors="replace"))


def test_a_checkpoint_padded_to_more_rows_writes_the_same(
    tmp_path: Path, fixed_engine: Engine, causal_folder: Path
) -> None:
    """Networks of one tokenizer are padded differently; what the tokenizer lacks is never written."""
    shutil.copytree(causal_folder, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        loud = 9 * torch.randn(64, weights[name].shape[1], generator=torch.Generator().manual_seed(0))
        weights[name] = torch.cat((weights[name], loud))
    save_file(weights, tmp_path / "model.safetensors")
    edit_json(tmp_path / "config.json", vocab_size=VOCAB_SIZE + 64)
    padded, plain = (written(fixed_engine, guide=str(folder))[-1].text for folder in (tmp_path, causal_folder))
    assert padded == plain


@pytest.mark.parametrize("context_length", [24, 9, 4], ids=["longer", "just-as-long", "shorter-than-what-is-written"])
def test_no_token_stands_beyond_what_the_model_sees(
    tmp_path: Path,
    fixed_engine: Engine,
    causal_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    context_length: int,
) -> None:
    shutil.copytree(causal_folder, tmp_path, dirs_exist_ok=True)
    edit_json(tmp_path / "config.json", max_position_embeddings=context_length)
    request = InfillRequest("value = 1\n" * 40, "\n", expected_tokens=9)
    furthest: list[int] = []
    forward = Transformer.forward

    def watched(self: Transformer, token_ids: Tensor, position_ids: Tensor, *rest: object, **named: object) -> Tensor:
        furthest.append(int(position_ids.max()))
        return forward(self, token_ids, position_ids, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Transformer, "forward", watched)
    last = written(fixed_engine, request, guide=str(tmp_path))[-1]
    assert 1 < last.num_tokens <= min(9, context_length)
    assert max(furthest) < context_length


def test_what_is_left_of_a_text_too_long_is_whole_lines(
    tmp_path: Path, fixed_engine: Engine, causal_folder: Path
) -> None:
    shutil.copytree(causal_folder, tmp_path, dirs_exist_ok=True)
    edit_json(tmp_path / "config.json", max_position_embeddings=24)
    line = "value = 1\n"
    num_lines = (24 - 9 - 1) // len(fixed_engine.tokenizer.encode(line).ids)
    assert num_lines > 0
    long, short = (
        written(fixed_engine, InfillRequest(line * count, "\n", expected_tokens=9), guide=str(tmp_path))[-1].text
        for count in (40, num_lines)
    )
    assert long == short


def test_a_model_without_a_causal_prompt_cannot(fixed_engine: Engine) -> None:
    with pytest.raises(RequestError, match="has no causal prompt"):
        written(fixed_engine)
