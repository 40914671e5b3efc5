"""The prompt cache against the uncached network: exact where it claims to be, measured where it is not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dlm_kernels.attention import rotary_angles
from dlm_model.cache import policies, similarity_cache
from dlm_model.cache.policies import ColumnCache, choose_delayed, column_choice
from dlm_model.cache.similarity_cache import SimilarityCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine
from dlm_model.network.transformer import Transformer
from dlm_model.request import CancelToken, Draft, InfillRequest
from tests.model.half_filled import PREFIX, SUFFIX, some_canvas
from tests.model.tiny_checkpoints import VOCAB_SIZE, load_network

REQUEST = InfillRequest("def foo(self, value):\n    for it", "ms:\n        return value\n" * 4)


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
    return load_network(folder)


POLICIES = ("interval", "vicinity", "delayed", "similarity")


def cached(
    network: Transformer, interval: int, policy: str = "interval", **overrides: object
) -> ColumnCache | SimilarityCache:
    options = DecodeOptions(prompt_refresh_interval=interval, cache_policy=policy, **overrides)  # type: ignore[arg-type]
    if policy == "similarity":
        return SimilarityCache(network, options)
    return ColumnCache(network, options, column_choice(options))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("lengths", [(9,), (9, 9), (4, 9, 6)], ids=["one", "equal", "ragged"])
def test_a_prefill_equals_each_row_on_its_own(network: Transformer, lengths: tuple[int, ...], policy: str) -> None:
    canvas = some_canvas(*lengths)
    expected = torch.cat([uncached_logits(network, canvas, row) for row in range(len(lengths))])
    torch.testing.assert_close(cached(network, 1, policy)(canvas), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("lengths", [(9,), (4, 9, 6)], ids=["one", "ragged"])
def test_refining_an_unchanged_canvas_equals_the_prefill(
    network: Transformer, lengths: tuple[int, ...], policy: str
) -> None:
    predictor = cached(network, 0, policy)
    prefilled, refined = predictor(some_canvas(*lengths)), predictor(some_canvas(*lengths))
    torch.testing.assert_close(refined, prefilled, atol=1e-4, rtol=1e-3)


def next_canvas(canvas: Canvas) -> Canvas:
    """One step later: a guess, one commit, and a resize that deletes one position and doubles another."""
    expand, delete = 250, 251
    guesses = torch.randint(1, 250, canvas.token_ids.shape, generator=torch.Generator().manual_seed(4))
    guesses[:, 5], guesses[:, 6] = delete, expand
    positions = torch.zeros_like(canvas.is_masked)
    positions[:, [0, 5, 6]] = True
    protected = torch.ones_like(canvas.is_masked)
    committed = canvas.guess(guesses, torch.full(canvas.confidence.shape, 0.5)).commit(positions & canvas.is_masked)
    return committed.resize(
        expand_token_id=expand, delete_token_id=delete, written=protected, protected=protected, max_length=99
    )


@pytest.mark.parametrize("lengths", [(9,), (8, 11)], ids=["one", "ragged"])
@pytest.mark.parametrize(
    ("policy", "overrides"),
    [("vicinity", {"vicinity": 99}), ("similarity", {"refresh_share": 1.0})],
    ids=["vicinity", "similarity"],
)
def test_recomputing_all_there_is_equals_no_cache(
    network: Transformer, lengths: tuple[int, ...], policy: str, overrides: dict[str, object]
) -> None:
    """A policy at its limit is exact, whatever was committed, expanded and deleted since the prefill."""
    predictor = cached(network, 0, policy, **overrides)
    canvas = some_canvas(*lengths)
    for _ in range(3):
        expected = torch.cat([uncached_logits(network, canvas, row) for row in range(len(lengths))])
        torch.testing.assert_close(predictor(canvas), expected, atol=1e-4, rtol=1e-3)
        canvas = next_canvas(canvas)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_stays_near_the_exact_logits_and_keeps_everything_once(network: Transformer, policy: str) -> None:
    """A cache drifts over commits and resizes, but less than one that mixes columns up would."""
    predictor = cached(network, 0, policy)
    canvas = some_canvas(12)
    predictor(canvas)
    for _ in range(3):
        stranger = uncached_logits(network, canvas, 0).roll(1, dims=0)
        canvas = next_canvas(canvas)
        logits, exact = predictor(canvas), uncached_logits(network, canvas, 0)
        predictor.check_integrity()
        assert logits.shape == exact.shape
        assert (logits - exact).norm() < 0.5 * (stranger[: len(exact)] - exact[: len(stranger)]).norm()


@pytest.mark.parametrize("policy", ["delayed", "similarity"])
def test_what_is_kept_of_a_token_moves_with_it(network: Transformer, policy: str) -> None:
    """The canvas loses its first position: everything from there on is one column further left.

    What is kept stays true here, as no token changes what another one leaves behind, and has to be found again.
    """
    if policy == "delayed":
        network.layers = network.layers[:1]
    else:
        for layer in network.layers:
            torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
    predictor = cached(network, 0, policy, refresh_share=0.01)
    canvas = some_canvas(12)
    predictor(canvas)
    positions = torch.zeros_like(canvas.is_masked)
    positions[:, 0] = True
    shorter = canvas.guess(torch.full_like(canvas.token_ids, 251), canvas.confidence).commit(positions)
    shorter = shorter.resize(
        expand_token_id=250, delete_token_id=251, written=positions, protected=positions | True, max_length=99
    )
    torch.testing.assert_close(predictor(shorter), uncached_logits(network, shorter, 0), atol=1e-4, rtol=1e-3)


def test_the_delayed_policy_recomputes_what_is_masked_and_what_was_committed_last() -> None:
    before = some_canvas(6)
    canvas = before.guess(torch.full_like(before.token_ids, 7), before.confidence)
    positions = torch.zeros_like(canvas.is_masked)
    positions[:, 5] = True
    canvas = canvas.commit(positions)
    first = len(PREFIX)
    columns = choose_delayed(before, canvas, 0).nonzero()[:, 0] - first
    assert columns.tolist() == [0, 4, 5], "masked: 0 and 4; committed in this step: 5; committed before: 1 to 3"
    columns = choose_delayed(before, canvas, 1).nonzero()[:, 0] - first
    assert columns.tolist() == [-1, 0, 3, 4, 5], "with shifted logits, also what they are predicted from"
    settled = choose_delayed(canvas, canvas.guess(canvas.guessed_ids, canvas.confidence), 0)
    assert (settled.nonzero()[:, 0] - first).tolist() == [0, 4], "a step later 5 is kept"
    ended = canvas.guess(canvas.guessed_ids, canvas.confidence).end(0, 2, [9], lacked_room=False)
    columns = choose_delayed(canvas, ended, 0).nonzero()[:, 0] - first
    assert columns.tolist() == [0, 2], "2 was committed, and holds another token since the row was ended there"


def most_drifted(is_valid: Tensor, drifted: list[int], canvas: slice, share: float) -> list[list[int]]:
    """What the similarity policy recomputes, where the values of some columns are the opposite of what was kept."""
    num_columns = is_valid.shape[1]
    kept = torch.ones(*is_valid.shape, 2, 8)
    values = kept.index_fill(1, torch.tensor(drifted, dtype=torch.long), -1.0)
    rotation = rotary_angles(torch.arange(num_columns)[None], 8, 1e4, torch.float32)
    step = similarity_cache._Shared(rotation, is_valid, canvas, share)
    return [sorted(row) for row in similarity_cache._most_drifted(values, kept, step).tolist()]


@pytest.mark.parametrize(
    ("num_columns", "drifted", "canvas", "share", "expected"),
    [
        (10, [4, 8], slice(3, 7), 0.2, [4, 8]),
        (6, [3, 4], slice(2, 4), 0.25, [3, 4]),
        (6, [], slice(2, 4), 1.0, [0, 1, 2, 3, 4, 5]),
    ],
    ids=["some", "first-of-the-suffix", "all"],
)
def test_similarity_recomputes_the_columns_that_drifted(
    num_columns: int, drifted: list[int], canvas: slice, share: float, expected: list[int]
) -> None:
    assert most_drifted(torch.ones(1, num_columns, dtype=torch.bool), drifted, canvas, share) == [expected]


def test_similarity_recomputes_no_padding_of_a_shorter_row() -> None:
    is_valid = torch.ones(2, 10, dtype=torch.bool)
    is_valid[1, 3:9] = False  # rows of eight and of two positions
    assert most_drifted(is_valid, [2, 3, 4, 9], slice(1, 9), 0.25)[1] == [1, 2, 9]


def test_a_suffix_that_moved_is_read_at_its_new_place(network: Transformer) -> None:
    """The only difference to a fresh prefill is that the prompt has not seen the shorter canvas yet."""
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
        patch.setattr("dlm_model.cache.layout.whole_positions", lambda _: stuck_positions)
        left_behind = stuck(stuck_canvas)
    assert (moved - exact).square().mean() < (left_behind - exact).square().mean()


def final(engine: Engine, interval: int, **overrides: object) -> list[Draft]:
    options = DecodeOptions(prompt_refresh_interval=interval, num_steps=12, **overrides)  # type: ignore[arg-type]
    return list(engine.infill(REQUEST, options, CancelToken()))


class Uncached:
    """The specification: every step runs the whole text of all rows, built here, and remembers nothing."""

    def __init__(self, network: Transformer, *_: object) -> None:
        self._network = network
        self.num_forwards = 0

    def is_prefill(self, _num_ahead: int) -> bool:
        return True

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
    monkeypatch.setattr("dlm_model.decoding.ColumnCache", Uncached)
    uncached = final(engine, 1, num_candidates=num_candidates)
    assert [draft.pieces for draft in exact] == [draft.pieces for draft in uncached]
    assert exact[-1].candidates == uncached[-1].candidates


def test_refreshes_come_at_their_interval(resizing_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    is_prefill: list[bool] = []
    original = policies.run_columns

    def run(network: Transformer, canvas: Canvas, columns: Tensor, *rest: Any) -> Tensor:  # noqa: ANN401
        is_prefill.append(bool(columns.all()))
        return original(network, canvas, columns, *rest)

    monkeypatch.setattr(policies, "run_columns", run)
    final(resizing_engine, 4, schedule="linear")
    assert len(is_prefill) == 12
    assert [index for index, whole in enumerate(is_prefill) if whole] == [0, 4, 8]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("engine_name", ["fixed_engine", "resizing_engine"])
def test_an_engine_fills_with_every_policy(request: pytest.FixtureRequest, engine_name: str, policy: str) -> None:
    engine: Engine = request.getfixturevalue(engine_name)
    first, second = (final(engine, 4, cache_policy=policy, num_candidates=2) for _ in range(2))
    assert first[-1].finish_reason in {"stop", "length"}
    assert [draft.pieces for draft in first] == [draft.pieces for draft in second]


def test_only_masked_positions_reach_the_head(network: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = some_canvas(9)
    num_rows: list[int] = []
    head = network.logits
    monkeypatch.setattr(network, "logits", lambda hidden: (num_rows.append(len(hidden)), head(hidden))[1])
    predictor = cached(network, 0)
    assert predictor(canvas).shape == predictor(canvas).shape == (6, VOCAB_SIZE)
    assert num_rows == [6, 6]
