"""Promises that every decoding method has to keep; the tests go through the table, so that none is left out."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from dlm_model import engine as engine_module
from dlm_model.canvas import Canvas
from dlm_model.decode_options import SELF_GUIDE, DecodeOptions, Grammar, LengthPolicy, Remasking, Schedule, Selection
from dlm_model.engine import Engine
from dlm_model.errors import RequestError
from dlm_model.methods import METHODS, Method
from dlm_model.request import CancelToken, Draft, InfillRequest
from tests.model.tiny_fills import AlwaysWrong

ENGINES = ("fixed_engine", "resizing_engine", "causal_engine", "block_engine")
COMBINED = (
    {"schedule": "klass", "credit": 0.7, "remasking": "token_to_mask", "early_commit": 7.5},
    {"schedule": "factor", "remasking": "edit", "edit_threshold": 0.05, "suffix_guidance": 2.0, "syntax_tries": 2},
    {"schedule": "local_leap", "remasking": "remdm", "remask_rate": 0.9, "credit": 0.7},
    {"guide": SELF_GUIDE, "guide_agreement": 1.0, "remasking": "token_to_mask", "remask_threshold": 1.0},
)


REQUEST = InfillRequest("def foo(self, value):\n    ret", "urn value\n", expected_tokens=14, syntax=AlwaysWrong())


class Watch:
    """Every canvas of a run, and every step's own commit, before any reviser's, with what was masked before it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.canvases: list[Canvas] = []
        self.commits: list[tuple[Tensor, Tensor]] = []
        commit, denoise = Canvas.commit, engine_module.denoise

        def noted_commit(canvas: Canvas, positions: Tensor) -> Canvas:
            if len(self.commits) == len(self.canvases):
                self.commits.append((canvas.is_masked, positions))
            return commit(canvas, positions)

        def noted_denoise(*arguments: object, **keywords: object) -> Iterator[Canvas]:
            for canvas in denoise(*arguments, **keywords):  # type: ignore[arg-type]
                self.canvases.append(canvas)
                yield canvas

        monkeypatch.setattr(Canvas, "commit", noted_commit)
        monkeypatch.setattr(engine_module, "denoise", noted_denoise)


def run(engine: Engine, options: DecodeOptions) -> Draft:
    *_, last = engine.infill(REQUEST, options, CancelToken())
    return last


def check(engine: Engine, options: DecodeOptions, watch: Watch) -> None:
    last = run(engine, options)
    assert 1 <= len(watch.canvases) <= options.num_steps
    for canvas in watch.canvases:
        canvas.check_integrity()
        assert (canvas.num_revised <= options.max_revisions).all()
    assert not watch.canvases[-1].is_masked.any()
    assert last.finish_reason in {"stop", "length"}
    assert len(watch.commits) == len(watch.canvases)
    for is_masked, committed in watch.commits:
        assert torch.equal((is_masked & committed).any(dim=1), is_masked.any(dim=1))
    again = run(engine, options)
    assert (again.pieces, again.candidates, again.step) == (last.pieces, last.candidates, last.step)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name.replace(" ", "-"))
@pytest.mark.parametrize("temperature", [0.0, 1.0], ids=["greedy", "sampled"])
def test_every_method_ends_leaves_no_mask_commits_each_step_and_repeats_itself(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, name: str, method: Method, temperature: float
) -> None:
    engine: Engine = request.getfixturevalue(name)
    options = replace(method.decode_options, num_steps=11, temperature=temperature, num_candidates=2, seed=3)
    # The causal engine alone has all that a checkpoint may have.
    if name != "causal_engine" and (options.guide == SELF_GUIDE or options.selection == "learned"):
        with pytest.raises(RequestError, match=r"has no (causal prompt|learned commit order)"):
            run(engine, options)
        return
    check(engine, options, Watch(monkeypatch))


@pytest.mark.parametrize("combined", COMBINED, ids=lambda options: "+".join(map(str, options)))
def test_methods_of_different_kinds_combine(
    causal_engine: Engine, monkeypatch: pytest.MonkeyPatch, combined: dict[str, object]
) -> None:
    options = DecodeOptions(num_steps=11, **combined)  # type: ignore[arg-type]
    check(causal_engine, options, Watch(monkeypatch))


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("schedule", get_args(Schedule)),
        ("selection", get_args(Selection)),
        ("remasking", get_args(Remasking)),
        ("grammar", get_args(Grammar)),
        ("length_policy", get_args(LengthPolicy)),
    ],
)
def test_the_table_has_every_value_that_can_be_chosen(option: str, values: tuple[str, ...]) -> None:
    listed = {method.options[option] for method in METHODS if option in method.options}
    assert listed == set(values) - {"none"}


def test_names_are_unique_and_lines_are_short() -> None:
    assert len({method.name for method in METHODS}) == len(METHODS)
    assert all(0 < len(method.line) <= 90 for method in METHODS)
    assert all(
        re.search(r"arXiv \d{4}\.\d{5}|github\.com/[\w-]+/[\w-]+|this project", method.source) for method in METHODS
    )


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name.replace(" ", "-"))
def test_every_method_says_something_else_than_the_defaults_or_is_one(method: Method) -> None:
    is_default = method.decode_options == DecodeOptions()
    assert is_default == (method.name == "length ladder" or not method.options)
