"""What options leave to the model, filled in."""

import pytest

from dlm_model.decode_options import DecodeOptions, Schedule, Selection
from dlm_model.engine import Engine


@pytest.mark.parametrize(
    ("selection", "schedule", "resolved"),
    [
        (None, None, "agreement"),
        ("leftmost", None, "agreement"),
        ("margin", None, "threshold"),
        ("margin", "agreement", "agreement"),
        (None, "factor", "factor"),
    ],
)
def test_a_guide_commits_from_the_left_unless_somebody_asks_for_another_selection(
    causal_engine: Engine, selection: Selection | None, schedule: Schedule | None, resolved: Schedule
) -> None:
    options = DecodeOptions(guide="self", selection=selection, schedule=schedule)
    assert causal_engine._decoder.resolve(options).schedule == resolved


def test_without_a_guide_a_threshold_decides(causal_engine: Engine) -> None:
    assert causal_engine._decoder.resolve(DecodeOptions(guide="none")).schedule == "threshold"
