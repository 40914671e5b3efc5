"""A causal model as supervisor: what it reads is what the network reads from the left, and what it does is bounded."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.causal_texts import CausalTexts
from dlm_model.engine import Engine
from dlm_model.errors import CheckpointError, RequestError
from dlm_model.guide import CausalReader, Supervisor
from dlm_model.request import CancelToken, DecodeOptions, InfillRequest
from dlm_model.revision import Step
from dlm_model.selection import Guess
from tests.model.tiny_checkpoints import CAUSAL, RESIZING, write_checkpoint

MASK = int(CAUSAL["mask_token_id"])
REQUEST = InfillRequest("def foo(self, value):\n    ret", "urn value\n", expected_tokens=12)


def row(*token_ids: int, prefix: tuple[int, ...] = (0, 40, 41)) -> Canvas:
    canvas = Canvas.open(prefix, [50], [len(token_ids)], MASK)
    ids = torch.tensor([token_ids])
    return canvas.guess(ids, torch.full(ids.shape, 0.5)).commit(ids != MASK)


def all_new(canvas: Canvas, best: int) -> Step:
    """Everything that is committed is new, and one position scored best."""
    score = torch.zeros(canvas.is_masked.shape)
    score[0, best] = 1.0
    guess = Guess(**(dict.fromkeys(Guess._fields, torch.zeros(score.shape)) | {"score": score}))
    nothing = torch.zeros_like(canvas.is_masked)
    return Step(guess, nothing, canvas.is_committed, nothing, steps_left=3)


class Reader:
    """A causal model with a fixed opinion of every position, [T, V]."""

    num_forwards = 0

    def __init__(self, probabilities: list[list[float]]) -> None:
        self.probabilities = torch.tensor([probabilities])
        self.read: list[list[int]] = []

    def logits(self, canvas: Canvas) -> Tensor:
        self.read.append(canvas.token_ids[0].tolist())
        return self.probabilities.log()


@pytest.mark.parametrize("prefix", [(0,), (0, 40, 41)], ids=["one", "three"])
def test_the_reader_sees_what_is_left_of_a_position_and_nothing_else(causal_engine: Engine, prefix: tuple[int]) -> None:
    network = causal_engine._network
    reader = CausalReader(network, CausalTexts(network))
    canvas = row(60, 61, 62, 63, prefix=prefix)
    found = reader.logits(canvas)[0]
    text = torch.tensor([[*prefix, 60, 61, 62, 63]])
    for column in range(4):
        before = text[:, : len(prefix) + column]
        with torch.inference_mode():
            causal = torch.ones(1, before.shape[1], before.shape[1], dtype=torch.bool).tril()
            hidden = network(before, torch.arange(before.shape[1])[None], is_valid=causal)
        torch.testing.assert_close(found[column].float(), network.logits(hidden[0, -1]).float(), atol=0.1, rtol=0.05)
    assert reader.num_forwards == 1


def test_what_the_guide_finds_improbable_is_rejected_except_the_best() -> None:
    canvas = row(0, 1, 2, MASK)
    # Half of the best: .3, .29, .25; the tokens' own: .2 (but best of the step), .32, .1.
    reader = Reader([[0.2, 0.6, 0.2], [0.1, 0.32, 0.58], [0.5, 0.4, 0.1], [0.4, 0.3, 0.3]])
    after = Supervisor(reader, DecodeOptions(guide_agreement=0.5))(canvas, all_new(canvas, best=0))  # type: ignore[arg-type]
    assert after.token_ids.tolist() == [[0, 1, MASK, MASK]]
    assert after.rejected_ids[0, 2] == 2


def test_the_guide_reads_guesses_where_nothing_is_committed() -> None:
    canvas = row(0, MASK, 2)
    canvas = canvas.guess(torch.tensor([[0, 1, 2]]), torch.ones(1, 3))
    reader = Reader([[0.4, 0.3, 0.3]] * 3)
    Supervisor(reader, DecodeOptions())(canvas, all_new(canvas, best=0))  # type: ignore[arg-type]
    assert reader.read == [[0, 1, 2]]


def test_where_there_is_nothing_to_check_the_guide_is_not_run() -> None:
    canvas = row(0, MASK, MASK)
    reader = Reader([])
    assert Supervisor(reader, DecodeOptions())(canvas, all_new(canvas, best=0)) is canvas  # type: ignore[arg-type]
    assert reader.read == []


def test_an_agreeable_guide_changes_nothing(causal_engine: Engine) -> None:
    options = DecodeOptions(num_steps=6, confidence_threshold=0.2)
    alone, guided = (
        list(causal_engine.infill(REQUEST, each, CancelToken()))[-1]
        for each in (options, DecodeOptions(num_steps=6, confidence_threshold=0.2, guide="self", guide_agreement=1e-9))
    )
    assert guided.candidates == alone.candidates


def test_another_checkpoint_guides_and_its_forwards_count(fixed_folder: Path, resizing_engine: Engine) -> None:
    options = DecodeOptions(num_steps=8, confidence_threshold=0.05, guide=str(fixed_folder), guide_agreement=1.0)
    last = list(resizing_engine.infill(REQUEST, options, CancelToken()))[-1]
    assert last.num_forwards > last.step


def test_a_guide_needs_no_word_for_masks(tmp_path: Path, fixed_engine: Engine) -> None:
    write_checkpoint(tmp_path, "llama-gqa-untied")
    config = json.loads((tmp_path / "config.json").read_text())
    del config["dlm"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    options = DecodeOptions(num_steps=4, guide=str(tmp_path))
    assert list(fixed_engine.infill(REQUEST, options, CancelToken()))[-1].finish_reason == "stop"


def test_a_guide_with_another_tokenizer_is_refused(tmp_path: Path, fixed_engine: Engine) -> None:
    write_checkpoint(tmp_path, "llama-gqa-untied", RESIZING)
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    vocab = tokenizer["model"]["vocab"]
    vocab["!"], vocab["#"] = vocab["#"], vocab["!"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(CheckpointError, match="has another tokenizer than the model"):
        list(fixed_engine.infill(REQUEST, DecodeOptions(guide=str(tmp_path)), CancelToken()))


def test_a_guide_that_is_not_there_is_named(fixed_engine: Engine) -> None:
    with pytest.raises(CheckpointError, match="There is no model folder nowhere"):
        list(fixed_engine.infill(REQUEST, DecodeOptions(guide="nowhere"), CancelToken()))


def test_only_a_causal_prompt_guides_itself(fixed_engine: Engine) -> None:
    with pytest.raises(RequestError, match="has no causal prompt and cannot guide itself"):
        list(fixed_engine.infill(REQUEST, DecodeOptions(guide="self"), CancelToken()))
