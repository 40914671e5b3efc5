"""Texts written block by block until an end of text, a limit, or the caller ends them."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.network.config import ModelConfig
from dlm_model.request import CancelToken, Draft, InfillRequest
from dlm_model.rules.block_pipeline import BlockPipeline
from dlm_model.rules.ending import OpenEnd
from tests.model.endings import Between
from tests.model.families.block_causal_checkpoints import BLOCK_CAUSAL, block_prompt
from tests.model.families.checkpoint_parts import NUM_TRAINED, VOCAB_SIZE, edit_json
from tests.model.families.published_checkpoints import PUBLISHED
from tests.model.tiny_checkpoints import load_network

REQUEST = InfillRequest("def size(self):\n", "\n\nprint(size)\n")
PIPELINED = {"block_add_threshold": 0.1, "decoded_token_threshold": 0.75}
BLOCK_LENGTH, END, TEXT = 4, 9, 7
NUM_HEAD = 1  # columns that spell the line break before the hole once more


class Script:
    """A network with a fixed text: so many times `letter` in each row, and ends of text after them."""

    def __init__(self, lengths: Sequence[int], letter: int, end: int) -> None:
        self._lengths, self._letter, self._end = lengths, letter, end
        self.num_forwards = 0
        self.widths: list[int] = []

    def is_prefill(self, _num_ahead: int) -> bool:
        return False

    def __call__(self, canvas: Canvas) -> Tensor:
        self.num_forwards += 1
        self.widths.append(canvas.is_valid.shape[1])
        rows, columns = canvas.is_asked.nonzero(as_tuple=True)
        is_over = columns - NUM_HEAD >= torch.tensor(self._lengths)[rows]
        logits = torch.zeros(len(rows), VOCAB_SIZE)
        logits[~is_over, self._letter] = 20.0
        logits[is_over, self._end] = 20.0
        return logits


def fill(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    lengths: Sequence[int],
    options: DecodeOptions,
    request: InfillRequest = REQUEST,
) -> tuple[list[Draft], Script]:
    script = Script(lengths, engine.tokenizer.encode("a").ids[0], engine.network.config.end_token_ids[0])
    monkeypatch.setattr(engine.decoder, "open_cache", lambda *_: script)
    return list(engine.infill(request, options, CancelToken())), script


@pytest.mark.parametrize("options", [{}, PIPELINED, {"schedule": "linear"}], ids=["in-turn", "pipelined", "one-by-one"])
@pytest.mark.parametrize("length", [1, 5, 66, 67, 150])
def test_a_text_is_as_long_as_its_model_writes_it(
    block_engine: Engine, monkeypatch: pytest.MonkeyPatch, options: dict[str, float], length: int
) -> None:
    drafts, script = fill(block_engine, monkeypatch, [length], DecodeOptions(num_steps=256, **options))  # type: ignore[arg-type]
    assert drafts[-1].text == "a" * length
    assert drafts[-1].finish_reason == "stop"
    assert max(script.widths) <= max(64, length) + 2 * BLOCK_LENGTH
    if options == {}:
        assert script.num_forwards <= length // BLOCK_LENGTH + 3  # the head's, and blocks begun


def test_a_step_takes_back_nothing_that_a_draft_has_shown_as_committed(
    block_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts, _ = fill(block_engine, monkeypatch, [90], DecodeOptions(num_steps=256, **PIPELINED))  # type: ignore[arg-type]
    shown = [[piece.text for piece in draft.pieces if piece.state == "committed"] for draft in drafts]
    assert all(len(before) <= len(after) for before, after in pairwise(shown))


def test_rows_end_each_at_its_own_place(block_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    options = DecodeOptions(num_steps=256, num_candidates=3)
    drafts, _ = fill(block_engine, monkeypatch, [3, 101, 70], options)
    assert sorted(len(candidate.text) for candidate in drafts[-1].candidates) == [3, 70, 101]
    assert all(set(candidate.text) == {"a"} for candidate in drafts[-1].candidates)


@pytest.mark.parametrize("num_steps", [1, 3, 256])
def test_a_text_cut_by_the_limit_or_the_last_step_says_so(
    block_engine: Engine, monkeypatch: pytest.MonkeyPatch, num_steps: int
) -> None:
    options = DecodeOptions(num_steps=num_steps, max_middle_tokens=70)
    drafts, _ = fill(block_engine, monkeypatch, [999], options)
    assert set(drafts[-1].text) == {"a"}
    assert len(drafts[-1].text) == 70 or num_steps < 256
    assert len(drafts[-1].text) <= 70
    assert drafts[-1].finish_reason == "length"


def test_a_length_that_is_asked_for_leaves_no_end_to_find(
    block_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts, script = fill(block_engine, monkeypatch, [3], DecodeOptions(middle_length=10))
    assert drafts[-1].num_tokens == NUM_HEAD + 10
    assert set(script.widths) == {NUM_HEAD + 10}
    assert drafts[-1].text[:3] == "aaa"
    assert len(drafts[-1].text) > 3  # something else than an end stands behind it


@pytest.mark.parametrize("length", [2, 64, 71])
def test_a_text_ends_where_the_caller_has_enough(
    block_engine: Engine, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    enough = InfillRequest("x = 1\n", "", ending=Between(most=length))
    drafts, script = fill(block_engine, monkeypatch, [999], DecodeOptions(num_steps=200, schedule="linear"), enough)
    assert length <= len(drafts[-1].text) < length + BLOCK_LENGTH
    assert drafts[-1].finish_reason == "stop"
    assert script.num_forwards <= length + BLOCK_LENGTH


def test_what_must_be_kept_stands_before_the_end_and_a_closing_text_is_the_end(block_engine: Engine) -> None:
    for request in (
        InfillRequest("x = 1\n", "", keep=("foo", "bar")),
        InfillRequest("x = 1\n", "", keep=("foo", "bar"), closing="baz"),
    ):
        *_, last = block_engine.infill(request, DecodeOptions(num_steps=100), CancelToken())
        assert "bar" in last.text.partition("foo")[2]
        assert last.text.endswith(request.closing)


def test_in_a_hole_of_one_line_a_line_break_ends_the_text(
    block_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    line_break = block_engine.tokenizer.encode("\n").ids[0]
    script = Script([6], block_engine.tokenizer.encode("a").ids[0], line_break)
    monkeypatch.setattr(block_engine.decoder, "open_cache", lambda *_: script)
    request = InfillRequest("x = 1\n", "", single_line=True)
    *_, last = block_engine.infill(request, DecodeOptions(), CancelToken())
    assert (last.text, last.finish_reason) == ("a" * 6, "stop")


def test_a_guess_after_a_guessed_end_is_not_shown(block_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script([6], block_engine.tokenizer.encode("a").ids[0], block_engine.network.config.end_token_ids[0])
    write = script.__call__

    def write_on(canvas: Canvas) -> Tensor:
        logits = write(canvas)
        logits[canvas.is_asked.nonzero()[:, 1] > 20, script._letter] = 40.0
        return logits

    monkeypatch.setattr(Script, "__call__", lambda _self, canvas: write_on(canvas))
    monkeypatch.setattr(block_engine.decoder, "open_cache", lambda *_: script)
    first, *_ = block_engine.infill(REQUEST, DecodeOptions(), CancelToken())
    assert first.text == "a" * 6
    assert first.num_tokens > 30


@pytest.mark.parametrize("family", BLOCK_CAUSAL)
def test_every_family_names_its_end_and_fills_with_its_own_network(tmp_path: Path, family: str) -> None:
    PUBLISHED[family](tmp_path)
    engine = load_engine(str(tmp_path), "cpu")
    assert engine.network.config.can_resize
    for options in (DecodeOptions(num_steps=20), DecodeOptions(num_steps=20, num_candidates=2, **PIPELINED)):  # type: ignore[arg-type]
        *_, last = engine.infill(REQUEST, options, CancelToken())
        assert last.finish_reason in {"stop", "length"}
        assert all(piece.state == "committed" for piece in last.pieces)


@pytest.mark.parametrize("family", ["fast-dllm", "sdar", "sdar-moe", "dream-reasoner"])
def test_a_turn_of_a_chat_ends_a_text_too(tmp_path: Path, family: str) -> None:
    PUBLISHED[family](tmp_path)
    assert ModelConfig.from_checkpoint(tmp_path).end_token_ids == (NUM_TRAINED, NUM_TRAINED + 1)


def test_several_ends_may_stand_in_one_file(tmp_path: Path) -> None:
    PUBLISHED["stable-diffcoder"](tmp_path)
    edit_json(tmp_path / "config.json", eos_token_id=[3, 4])
    assert ModelConfig.from_checkpoint(tmp_path).end_token_ids == (3, 4, 2)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 9),
    st.lists(st.integers(1, 14), min_size=1, max_size=3),
    st.lists(st.lists(st.sampled_from([TEXT, END, 0]), min_size=40, max_size=40), min_size=3, max_size=3),
    st.floats(0, 1),
)
def test_growing_and_cutting_keep_what_stands_before_an_end(
    num_prefix: int, lengths: list[int], writes: list[list[int]], threshold: float
) -> None:
    blocks = BlockPipeline(BLOCK_LENGTH, DecodeOptions(block_add_threshold=threshold))
    end = OpenEnd([END], blocks, max_length=20)
    before = Canvas.open([1] * num_prefix, [], lengths, 99)
    tokens = torch.tensor(writes)[: len(lengths), : before.is_valid.shape[1]]
    before = before.guess(tokens, torch.ones(tokens.shape)).commit(before.is_masked & (tokens > 0))
    after = end.grow(end.cut(before))
    after.check_integrity()
    for row, length in enumerate(lengths):
        ids = before.token_ids[row, :length].tolist()
        kept = ids[: ids.index(END) + 1] if END in ids else ids
        found = after.token_ids[row, : after.lengths[row]].tolist()
        assert found[: len(kept)] == kept
        assert set(found[len(kept) :]) <= {99}
        grown = len(found) - len(kept)
        is_full = 99 not in kept
        assert grown in ({0} if END in ids else range(BLOCK_LENGTH + 1))
        assert len(found) <= 20
        if threshold == 1 and END not in ids:
            assert (grown > 0) == (is_full and length < 20)
            assert (num_prefix + len(found)) % BLOCK_LENGTH == 0 or not grown or len(found) == 20


@pytest.mark.parametrize("family", ["sdar", "fast-dllm"])
def test_blocks_that_are_appended_are_predicted_as_by_a_fresh_pass(tmp_path: Path, family: str) -> None:
    PUBLISHED[family](tmp_path)
    config = ModelConfig.from_checkpoint(tmp_path)
    assert config.block_length
    network = load_network(tmp_path)
    predict = block_prompt(network)
    end = OpenEnd(config.end_token_ids, BlockPipeline(config.block_length, DecodeOptions()), max_length=40)
    canvas = Canvas.open(list(range(6, 16)), [], [6, 6], config.mask_token_id)
    num_steps = 0
    while canvas.is_masked.any():
        expected = block_prompt(network)(canvas)
        assert (predict(canvas) - expected).abs().max() <= 1e-4
        predict.check_integrity()
        # The second row ends within its second block; the first goes on to the limit.
        is_second_over = canvas.lengths[1] > 6 + config.block_length // 2
        tokens = torch.full_like(canvas.token_ids, TEXT)
        tokens[1, 6 + config.block_length // 2 :] = config.end_token_ids[0] if is_second_over else TEXT
        first = canvas.is_masked & (canvas.is_masked.cumsum(dim=1) <= 3)
        canvas = end.grow(end.cut(canvas.guess(tokens, torch.ones(tokens.shape)).commit(first)))
        num_steps += 1
    assert canvas.lengths.tolist() == [40, 7 + config.block_length // 2]
    assert canvas.lacked_room.tolist() == [True, False]
    assert num_steps >= 40 // 3
