"""Suffix guidance by hand, and that a weight of one changes nothing."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dlm_model.cache.policies import ColumnCache, choose_window
from dlm_model.cache.suffix_guidance import SuffixGuidance
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken, InfillRequest


class CountsSuffix:
    """Logits that say how long the suffix is."""

    def __init__(self) -> None:
        self.num_forwards = 0

    def __call__(self, canvas: Canvas) -> Tensor:
        self.num_forwards += 1
        return torch.tensor([[1.0, float(len(canvas.suffix_ids))]])


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 0.0), (1.0, 3.0), (1.5, 4.5)])
def test_what_the_suffix_adds_is_weighted(weight: float, expected: float) -> None:
    guided = SuffixGuidance(CountsSuffix, weight)
    assert guided(Canvas.open([1], [2, 3, 4], [1], 9)).tolist() == [[1.0, expected]]
    assert guided.num_forwards == 2


class Rounded:
    """Logits in bf16 that the suffix changes in their last place."""

    num_forwards = 0

    def __call__(self, canvas: Canvas) -> Tensor:
        logits = [8.0, 8.0] if not len(canvas.suffix_ids) else [8.0, 8.0625]
        return torch.tensor([logits], dtype=torch.bfloat16)


def test_guided_logits_are_not_rounded_to_the_format_of_the_model() -> None:
    guided = SuffixGuidance(Rounded, 1.2)  # type: ignore[arg-type]
    torch.testing.assert_close(guided(Canvas.open([1], [2], [1], 9)), torch.tensor([[8.0, 8.075]]))


def test_a_weight_of_one_predicts_what_the_model_does(fixed_engine: Engine) -> None:
    network = fixed_engine.network

    def opened() -> ColumnCache:
        return ColumnCache(network, DecodeOptions(), choose_window)

    canvas = Canvas.open(range(40, 50), range(60, 70), [5], network.config.mask_token_id)
    torch.testing.assert_close(SuffixGuidance(opened, 1.0)(canvas), opened()(canvas).float(), atol=0.05, rtol=0.02)


def test_ignoring_the_suffix_is_filling_without_one(fixed_engine: Engine) -> None:
    def filled(suffix: str, weight: float) -> str:
        options = DecodeOptions(num_steps=4, middle_length=8, suffix_guidance=weight)
        return list(fixed_engine.infill(InfillRequest("x = ", suffix), options, CancelToken()))[-1].text

    assert filled("\ny = value\n" * 3, 0.0) == filled("\nfor item in values:\n", 0.0)


def test_a_prompt_that_both_share_counts_once(causal_folder: Path) -> None:
    request, options = InfillRequest("x = ", "\ny = value\n"), DecodeOptions(num_steps=1, suffix_guidance=2.0)
    last = list(load_engine(str(causal_folder), "cpu").infill(request, options, CancelToken()))[-1]
    assert last.num_forwards == 2 + 2  # prefix and suffix; with the suffix and without it


def test_a_model_that_sees_no_suffix_is_asked_once_a_step(block_engine: Engine) -> None:
    request = InfillRequest("x = ", "\ny = value\n", expected_tokens=8)
    plain, guided = (
        list(block_engine.infill(request, DecodeOptions(num_steps=4, suffix_guidance=weight), CancelToken()))[-1]
        for weight in (1.0, 2.0)
    )
    assert (guided.text, guided.num_forwards) == (plain.text, plain.num_forwards)
