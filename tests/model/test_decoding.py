"""Options that are left to the model, resolved."""

from pathlib import Path

import pytest

from dlm_model.decode_options import DecodeOptions, GuideRole, Schedule, Selection
from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken, InfillRequest
from tests.model.tiny_checkpoints import DLM_SECTION, write_checkpoint


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
def test_a_guide_commits_from_the_left_unless_another_selection_is_asked_for(
    causal_engine: Engine, selection: Selection | None, schedule: Schedule | None, resolved: Schedule
) -> None:
    options = DecodeOptions(guide="self", selection=selection, schedule=schedule)
    assert causal_engine.decoder.resolve(options, has_prefix=True).schedule == resolved


@pytest.mark.parametrize("schedule", [None, "agreement"])
@pytest.mark.parametrize(("guide", "resolved"), [("none", "threshold"), ("self", "agreement")])
def test_without_a_guide_to_agree_with_a_threshold_decides(
    causal_engine: Engine, schedule: Schedule | None, guide: str, resolved: Schedule
) -> None:
    options = DecodeOptions(schedule=schedule, guide=guide, guide_role="check")
    assert causal_engine.decoder.resolve(options, has_prefix=True).schedule == resolved


@pytest.mark.parametrize("role", ["blend", "check"])
def test_with_nothing_in_front_of_the_canvas_there_is_no_guide(
    tmp_path: Path, causal_folder: Path, role: GuideRole
) -> None:
    write_checkpoint(tmp_path, "qwen3-qk-norm", DLM_SECTION | {"bos_token_id": None})
    engine, request = load_engine(str(tmp_path), "cpu"), InfillRequest("", "urn value\n", expected_tokens=12)
    alone, guided = (
        list(engine.infill(request, DecodeOptions(num_steps=6, guide=guide, guide_role=role), CancelToken()))[-1]
        for guide in ("none", str(causal_folder))
    )
    assert guided.num_forwards == alone.num_forwards == alone.step
    assert guided.candidates == alone.candidates
