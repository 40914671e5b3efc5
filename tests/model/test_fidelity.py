"""How far the cached prompt leads away from the exact one, with the packaged weights on holes in real code."""

import pytest

from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken, DecodeOptions
from tests.bench.cases import Case, make_cases
from tests.bench.fidelity import compared_with_exact


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine(None, "cpu")


@pytest.fixture(scope="module")
def cases(engine: Engine) -> list[Case]:
    return make_cases(engine, 2, max_prompt_tokens=128)


@pytest.mark.parametrize(("interval", "least"), [(1, 1.0), (4, 0.90), (8, 0.85), (0, 0.80)], ids=str)
def test_argmax_agreement_with_the_exact_prediction(
    engine: Engine, cases: list[Case], capsys: pytest.CaptureFixture[str], interval: int, least: float
) -> None:
    options = DecodeOptions(num_steps=12, schedule="linear", prompt_refresh_interval=interval)
    with compared_with_exact() as agreement:
        for case in cases:
            list(engine.infill(case.request, options, CancelToken()))
    with capsys.disabled():
        print(f"\nrefresh interval {interval}: argmax agreement {agreement.share:.3f} of {agreement.num_positions}")
    assert agreement.num_positions > 200
    assert agreement.share >= least
