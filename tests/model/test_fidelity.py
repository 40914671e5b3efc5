"""How much a cached prompt changes the predictions of the packaged weights on holes in real code."""

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import CachePolicyName, DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken
from tests.bench import keystrokes
from tests.bench.cases import Case, make_cases
from tests.bench.fidelity import compared_with_exact
from tests.bench.latency import Size, check, measure, policies
from tests.bench.machine import Machine
from tests.bench.report import GateError
from tests.bench.step_profile import NUM_KERNELS, profile_step
from tests.bench.subjects import PROMPTS, prompt_of, reading, requests
from tests.bench.trace import record

MACHINE = Machine("this one", bandwidth=1e9, peak_flops=1e9, source="assumed")


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_bench_has_a_row_for_every_cache_policy(causal_engine: Engine, prompt: str) -> None:
    engine = reading(causal_engine, prompt)
    assert prompt_of(engine) == prompt
    assert prompt_of(causal_engine) == "causal"
    check(engine, requests(engine, 1, 64)[0])
    exact, *cached = policies(engine, num_steps=8)
    assert exact.is_exact
    assert not any(policy.is_exact for policy in cached)
    if prompt == "blocks":
        assert [policy.options.block_add_threshold for policy in cached] == [1.0, 0.1]
    if prompt == "bidirectional":
        assert {policy.options.cache_policy for policy in cached} == set(get_args(CachePolicyName))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_row_says_how_fast_and_how_faithful_its_policy_is(causal_engine: Engine, prompt: str) -> None:
    size = Size(prompts=((64, 16),), batches=(1, 2), num_steps=4, num_requests=1)
    engine = reading(causal_engine, prompt)
    rows = list(measure(engine, MACHINE, size))
    assert [row.policy for row in rows] == 2 * [policy.name for policy in policies(engine, 4)]
    for row in rows:
        assert (row.prompt, row.prompt_tokens, row.middle_tokens) == (prompt, 64, 16)
        assert row.ms_per_step is not None
        assert row.ms_per_fill is not None
        assert 0 < row.ms_per_step <= row.ms_per_fill
        is_exact_cache = row.policy in {"causal prompt", "finished blocks", "overlapping blocks"}
        assert (row.identical_text is None) == (row.policy == "none")
        assert (row.argmax_agreement is None) == (row.policy == "none" or row.batch > 1)
        assert not is_exact_cache or row.identical_text == 1 or row.policy == "overlapping blocks"
        assert not is_exact_cache or row.argmax_agreement in {None, 1.0}


def test_keys_are_typed_cold_and_warm_to_every_bound(causal_engine: Engine) -> None:
    engine = reading(causal_engine, "bidirectional")
    traces = [record("shlex.join", 4)]
    sizes = {"num_steps": 2, "budget": 64, "stride": 2}
    rows = list(keystrokes.measure(engine, MACHINE, traces, **sizes, bounds=(0.0, 1e9)))
    warm = [row for row in rows if "warm" in row.policy]
    assert [row.policy for row in warm] == ["prefill once, warm to 0", "prefill once, warm to 1e+09"]
    assert all(row.num_keys == 2 for row in rows)
    for row in rows:
        floor_ms = MACHINE.floor_ms(engine.network, row.middle_tokens)
        assert row.floor_ratio == pytest.approx(row.ms_per_step / floor_ms)
    anew, kept = warm
    assert anew.identical_text == 1, "everything is computed anew"
    assert None not in {anew.argmax_agreement, kept.argmax_agreement}
    assert kept.forwards < anew.forwards
    (cold,) = (row for row in rows if row.policy == "prefill once, cold")
    assert kept.recomputed_tokens < cold.recomputed_tokens < anew.recomputed_tokens


def test_the_gate_lets_rounding_pass_and_a_wrong_cache_not(
    causal_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = reading(causal_engine, "bidirectional")
    request = requests(engine, 1, 64)[0]
    open_cache = engine.decoder.open_cache

    def turned(turn: Callable[[Tensor], Tensor]) -> Callable[..., Callable[[Canvas], Tensor]]:
        def open_turned(options: DecodeOptions, document: str) -> Callable[[Canvas], Tensor]:
            cache = open_cache(options, document)
            return lambda canvas: turn(cache(canvas))

        return open_turned

    generator = torch.Generator().manual_seed(0)
    noise = turned(lambda logits: logits + 0.05 * logits.std() * torch.randn(logits.shape, generator=generator))
    monkeypatch.setattr(engine.decoder, "open_cache", noise)
    check(engine, request)
    monkeypatch.setattr(engine.decoder, "open_cache", turned(lambda logits: logits.roll(1, dims=1)))
    with pytest.raises(GateError, match="a cache that should be exact"):
        check(engine, request)


@pytest.mark.parametrize("prompt", ["causal", "blocks"])
def test_caches_that_are_exact_agree_with_the_exact_prediction_in_every_position(
    causal_engine: Engine, prompt: str
) -> None:
    engine = reading(causal_engine, prompt)
    with compared_with_exact() as agreement:
        options = DecodeOptions(num_steps=6, middle_length=48)
        list(engine.infill(requests(engine, 1, 64)[0], options, CancelToken()))
    assert agreement.num_positions > 48
    assert agreement.share == 1


def test_the_profile_of_a_step_is_a_list_of_what_costs_most(causal_engine: Engine) -> None:
    found = profile_step(reading(causal_engine, "bidirectional"), prompt_tokens=64, middle_tokens=16)
    assert 0 < len(found.rows) <= NUM_KERNELS
    assert [row.ms for row in found.rows] == sorted((row.ms for row in found.rows), reverse=True)
    assert sum(row.ms for row in found.rows) <= found.kernels_ms
    assert sum(row.share for row in found.rows) <= 1 + 1e-9
    num_layers = causal_engine.network.config.num_layers
    assert any(row.calls >= num_layers and row.calls % num_layers == 0 for row in found.rows)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine(None, "cpu")


@pytest.fixture(scope="module")
def cases(engine: Engine) -> list[Case]:
    return make_cases(engine, 2, max_prompt_tokens=128)


def test_argmax_agreement_with_the_exact_prediction(
    engine: Engine, cases: list[Case], capsys: pytest.CaptureFixture[str]
) -> None:
    """What differs is the rounding of bf16: a prompt that was read in parts is no longer bit for bit the same."""
    with compared_with_exact() as agreement:
        for case in cases:
            list(engine.infill(case.request, DecodeOptions(num_steps=12, schedule="linear"), CancelToken()))
    with capsys.disabled():
        print(f"\nargmax agreement {agreement.share:.3f} of {agreement.num_positions}")
    assert agreement.num_positions > 200
    assert agreement.share >= 0.97
