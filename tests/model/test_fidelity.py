"""How far the cached prompt leads away from the exact one, with the packaged weights on holes in real code."""

import pytest

from dlm_model.engine import Engine, load_engine
from dlm_model.request import CACHE_POLICIES, CancelToken, DecodeOptions
from tests.bench.cases import Case, make_cases
from tests.bench.fidelity import compared_with_exact
from tests.bench.latency import check, policies
from tests.bench.subjects import PROMPTS, prompt_of, reading, requests


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_bench_has_a_row_for_every_cache_policy(causal_engine: Engine, prompt: str) -> None:
    engine = reading(causal_engine, prompt)
    assert prompt_of(engine) == prompt
    assert prompt_of(causal_engine) == "causal"
    check(engine, requests(engine, 1, 64)[0])
    exact, *cached = policies(engine, num_steps=8)
    assert exact.is_exact
    assert not any(policy.is_exact for policy in cached)
    assert prompt != "bidirectional" or {policy.options.cache_policy for policy in cached} == set(CACHE_POLICIES)


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
