"""Training a commit order: it learns which guesses are right, from steps like those of a fill."""

import errno
import re
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dlm_model.cache.causal_prompt import CausalPrompt
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.opening import Opening
from dlm_model.request import InfillRequest
from dlm_model.steps.order import NUM_FEATURES, ORDER_FILE, CommitOrder
from dlm_model.training import __main__ as commands
from dlm_model.training import commit_order
from dlm_model.training.commit_order import Observation, OrderMeasurement, compare, observe, train_order, write_order
from dlm_model.training.evaluate import LineTask
from dlm_model.training.shards import write_shard
from dlm_model.training.sources import SourceFile
from tests.model.tiny_checkpoints import CAUSAL, write_checkpoint

TASKS = [LineTask("def foo(self):\n    ", "return self.value", "\n"), LineTask("x = ", "1", "\n")]


def observations(num_lines: int, seed: int) -> list[Observation]:
    """Lines in which the place of a guess tells whether it is right, and confidence tells the opposite."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(num_lines):
        seen = torch.randn(6, NUM_FEATURES, generator=draw)
        found.append(Observation(seen, confidence=-seen[:, 3], is_right=seen[:, 3] > 0.5))
    return found


def test_the_head_learns_what_confidence_does_not_know() -> None:
    unseen = observations(60, seed=1)
    measured = compare(train_order(observations(60, seed=0)), unseen)
    possible = sum(bool(each.is_right.any()) for each in unseen) / len(unseen)
    assert measured.learned > possible - 0.05
    assert measured.confidence < 0.3


@pytest.mark.parametrize(
    ("learned", "confidence", "present", "is_no_worse"),
    [(0.4, 0.3, None, True), (0.4, 0.5, None, False), (0.4, 0.3, 0.5, False), (0.4, 0.4, 0.4, True)],
)
def test_a_head_is_kept_if_it_is_no_worse_than_either(
    learned: float, confidence: float, present: float | None, *, is_no_worse: bool
) -> None:
    assert OrderMeasurement(learned, confidence, present).is_no_worse == is_no_worse


def test_a_head_is_compared_with_the_present_one() -> None:
    unseen = observations(60, seed=1)
    good, untrained = train_order(observations(60, seed=0)), CommitOrder()
    measured = compare(untrained, unseen, good)
    assert measured.present == compare(good, unseen).learned
    assert compare(good, unseen).present is None
    assert not measured.is_no_worse


def test_a_line_is_cut_out_as_the_engine_cuts_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, "llama-gqa-untied", CAUSAL)
    engine = load_engine(str(tmp_path), "cpu")
    seen: list[Canvas] = []
    predict = CausalPrompt.__call__

    def noted(prompt: CausalPrompt, canvas: Canvas) -> Tensor:
        seen.append(canvas)
        return predict(prompt, canvas)

    monkeypatch.setattr(CausalPrompt, "__call__", noted)
    task = LineTask("def foo(self):\n    ret", "urn self.va", "lue\n")
    list(observe(engine.network, engine.tokenizer, [task] * 9))
    request = InfillRequest(task.prefix, task.suffix)
    opening = Opening.read(request, DecodeOptions(), engine.tokenizer, engine.network.config)
    for canvas in seen:
        assert canvas.prefix_ids.tolist() == opening.prefix_ids
        assert canvas.suffix_ids.tolist() == opening.suffix_ids
        assert not canvas.is_masked[0, 0], "the engine spells the boundaries before it asks for an order"
        assert not canvas.is_masked[0, -1]
    spellings = {engine.tokenizer.spell(canvas.as_draft().token_ids[0].tolist()) for canvas in seen}
    assert all(spelling.startswith(opening.head.spelling) for spelling in spellings)
    assert len(seen) == 9


def test_a_step_is_observed_for_every_line_of_several_tokens(tmp_path: Path) -> None:
    folder = tmp_path
    write_checkpoint(folder, "llama-gqa-untied", CAUSAL)
    engine: Engine = load_engine(str(folder), "cpu")
    found = list(observe(engine.network, engine.tokenizer, TASKS * 4))
    assert len(found) == 4
    for each in found:
        assert each.features.shape == (len(each.confidence), NUM_FEATURES)
        assert 2 <= len(each.is_right) <= len(engine.tokenizer.encode(TASKS[0].line).ids)
    write_order(train_order(found), folder)
    assert load_engine(str(folder), "cpu").decoder.order is not None


def test_a_full_disk_leaves_the_order_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_order(train_order(observations(4, seed=0)), tmp_path)
    before = (tmp_path / ORDER_FILE).read_bytes()

    def write_half(_tensors: object, path: Path) -> None:
        path.write_bytes(before[:9])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(commit_order, "save_file", write_half)
    with pytest.raises(OSError, match="No space left"):
        write_order(train_order(observations(4, seed=1)), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {ORDER_FILE: before}


@pytest.mark.parametrize("learned", [0.4, 0.6])
def test_an_order_is_kept_if_it_is_no_worse_than_what_there_is(
    tmp_path: Path,
    causal_folder: Path,
    shards: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    learned: float,
) -> None:
    model = tmp_path / "model"
    shutil.copytree(causal_folder, model)
    before = (model / ORDER_FILE).read_bytes()
    monkeypatch.setattr(commands, "compare", lambda *_: OrderMeasurement(learned, 0.3, 0.5))
    assert commands.run_stage(["order", str(model), str(shards), "--lines", "9", "--device", "cpu"], "training") == 0
    printed = capsys.readouterr().out
    assert "Reading 9 lines" in printed
    told = rf"right in \d held-out lines, after \d to learn from: learned {learned:.1%}, by confidence 30.0%, in the "
    assert re.search(f"first commit {told}present order 50.0%", printed)
    assert ("that is worse, and nothing was written" in printed) == (learned < 0.5)
    assert ((model / ORDER_FILE).read_bytes() == before) == (learned < 0.5)


def test_an_order_of_too_little_code_says_so(
    causal_folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shard(shards / "train.safetensors", [SourceFile("shapes", "a.py", "x = 1\n")])
    assert commands.run_stage(["order", str(causal_folder), str(shards), "--lines", "9"], "training") == 3
    assert "1 file is too small or has too little code for 9 holes" in capsys.readouterr().err


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_lines_of_single_tokens_teach_no_order(
    causal_folder: Path,
    shards: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    split: str,
) -> None:
    sizes = {"train": 9, "held_out": 3}
    found = observations(9, seed=0)
    monkeypatch.setattr(
        commands, "observe", lambda _network, _tokenizer, tasks: [] if len(tasks) == sizes[split] else found
    )
    assert commands.run_stage(["order", str(causal_folder), str(shards), "--lines", "9", "--device", "cpu"], "x") == 3
    assert capsys.readouterr().err == (
        "x: no line of several tokens to learn from, or to compare on; ask for more --lines\n"
    )
