"""The prompt cache against the uncached network: exact where it claims to be, measured where it is not."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.config import ModelConfig
from dlm_model.engine import Engine
from dlm_model.kv_cache import CachedPredictor
from dlm_model.request import CancelToken, DecodeOptions, Draft, InfillRequest
from dlm_model.transformer import Transformer
from dlm_model.weights import load_transformer
from tests.model.tiny_checkpoints import DLM_SECTION, VOCAB_SIZE

REQUEST = InfillRequest("def foo(self, value):\n    for it", "ms:\n        return value\n" * 4)
PREFIX, SUFFIX = list(range(40, 60)), list(range(70, 95))


def uncached_logits(network: Transformer, canvas: Canvas, row: int) -> Tensor:
    """Logits [n, V] of one row's masks, from one pass over its own text, written without the cache's help."""
    length = int(canvas.lengths[row])
    text = torch.cat((canvas.prefix_ids, canvas.token_ids[row, :length], canvas.suffix_ids))[None]
    with torch.inference_mode():
        logits = network.logits(network(text, torch.arange(text.shape[1])[None]))[0]
    shift = int(network.config.shift_logits)
    start = len(canvas.prefix_ids) - shift
    return logits[start : start + length][canvas.is_masked[row, :length]]


@pytest.fixture(params=["fixed_folder", "resizing_folder"], ids=["unshifted", "shifted"])
def network(request: pytest.FixtureRequest) -> Transformer:
    folder: Path = request.getfixturevalue(request.param)
    config = ModelConfig.from_checkpoint(folder)
    return load_transformer(folder, config, device=torch.device("cpu"), dtype=torch.float32)


def cached(network: Transformer, interval: int) -> CachedPredictor:
    return CachedPredictor(network, DecodeOptions(prompt_refresh_interval=interval))


def some_canvas(*lengths: int) -> Canvas:
    canvas = Canvas.open(PREFIX, SUFFIX, lengths, int(DLM_SECTION["mask_token_id"]))
    guesses = torch.randint(1, 250, canvas.token_ids.shape, generator=torch.Generator().manual_seed(3))
    positions = torch.zeros_like(canvas.is_masked)
    positions[:, 1:4] = True
    return canvas.guess(guesses, torch.full(canvas.confidence.shape, 0.5)).commit(positions & canvas.is_masked)


@pytest.mark.parametrize("lengths", [(9,), (9, 9), (4, 9, 6)], ids=["one", "equal", "ragged"])
def test_a_prefill_equals_each_row_on_its_own(network: Transformer, lengths: tuple[int, ...]) -> None:
    canvas = some_canvas(*lengths)
    expected = torch.cat([uncached_logits(network, canvas, row) for row in range(len(lengths))])
    torch.testing.assert_close(cached(network, 1)(canvas), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("lengths", [(9,), (4, 9, 6)], ids=["one", "ragged"])
def test_refining_an_unchanged_canvas_equals_the_prefill(network: Transformer, lengths: tuple[int, ...]) -> None:
    predictor = cached(network, 0)
    prefilled, refined = predictor(some_canvas(*lengths)), predictor(some_canvas(*lengths))
    torch.testing.assert_close(refined, prefilled, atol=1e-4, rtol=1e-3)


def test_a_suffix_that_moved_is_read_at_its_new_place(network: Transformer) -> None:
    """What differs from a fresh prefill is only that the prompt has not seen the shorter canvas yet."""
    predictor = cached(network, 0)
    predictor(some_canvas(9))
    shorter = some_canvas(6)
    exact = uncached_logits(network, shorter, 0)
    moved = predictor(shorter)
    stuck = cached(network, 0)
    stuck(some_canvas(9))
    stuck_canvas = some_canvas(6)
    stuck_positions = torch.arange(len(PREFIX) + 6 + len(SUFFIX))[None].clone()
    stuck_positions[:, len(PREFIX) + 6 :] += 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlm_model.kv_cache._whole_positions", lambda _: stuck_positions)
        left_behind = stuck(stuck_canvas)
    assert (moved - exact).square().mean() < (left_behind - exact).square().mean()


def final(engine: Engine, interval: int, **overrides: object) -> list[Draft]:
    options = DecodeOptions(prompt_refresh_interval=interval, num_steps=12, **overrides)  # type: ignore[arg-type]
    return list(engine.infill(REQUEST, options, CancelToken()))


class Uncached:
    """The specification: every step runs the whole text of all rows, built here, and remembers nothing."""

    def __init__(self, network: Transformer, options: DecodeOptions) -> None:  # noqa: ARG002 - the real one's signature
        self._network = network
        self.num_forwards = 0

    def __call__(self, canvas: Canvas) -> Tensor:
        self.num_forwards += 1
        num_prefix, num_suffix = len(canvas.prefix_ids), len(canvas.suffix_ids)
        width = canvas.token_ids.shape[1]
        texts, positions, validity = [], [], []
        for ids, length in zip(canvas.token_ids, canvas.lengths.tolist(), strict=True):
            texts.append(torch.cat((canvas.prefix_ids, ids, canvas.suffix_ids)))
            after = num_prefix + length
            positions.append(torch.tensor([*range(num_prefix + width), *range(after, after + num_suffix)]))
            is_padding = torch.zeros(len(texts[-1]), dtype=torch.bool)
            is_padding[after : num_prefix + width] = True
            validity.append(~is_padding)
        is_valid = None if torch.stack(validity).all() else torch.stack(validity)
        with torch.inference_mode():
            hidden = self._network(torch.stack(texts), torch.stack(positions), is_valid)
            first = num_prefix - int(self._network.config.shift_logits)
            return self._network.logits(hidden[:, first : first + width][canvas.is_masked])


@pytest.mark.parametrize("engine_name", ["fixed_engine", "resizing_engine"])
@pytest.mark.parametrize("num_candidates", [1, 3])
def test_refreshing_in_every_step_is_bit_identical_to_no_cache(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, engine_name: str, num_candidates: int
) -> None:
    engine: Engine = request.getfixturevalue(engine_name)
    exact = final(engine, 1, num_candidates=num_candidates)
    monkeypatch.setattr("dlm_model.engine.CachedPredictor", Uncached)
    uncached = final(engine, 1, num_candidates=num_candidates)
    assert [draft.pieces for draft in exact] == [draft.pieces for draft in uncached]
    assert exact[-1].candidates == uncached[-1].candidates


def test_refreshes_come_at_their_interval(resizing_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[str] = []
    for name in ("_prefill", "_refine"):
        original = getattr(CachedPredictor, name)
        monkeypatch.setattr(
            CachedPredictor, name, lambda self, canvas, o=original, n=name: (passes.append(n), o(self, canvas))[1]
        )
    final(resizing_engine, 4, schedule="linear")
    starts = [index for index, name in enumerate(passes) if name == "_prefill"]
    assert starts[0] == 0
    assert all(after - before == 4 for before, after in pairwise(starts))
    assert len(passes) == 12


def test_only_masked_positions_reach_the_head(network: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = some_canvas(9)
    num_rows: list[int] = []
    head = network.logits
    monkeypatch.setattr(network, "logits", lambda hidden: (num_rows.append(len(hidden)), head(hidden))[1])
    predictor = cached(network, 0)
    assert predictor(canvas).shape == predictor(canvas).shape == (6, VOCAB_SIZE)
    assert num_rows == [6, 6]
