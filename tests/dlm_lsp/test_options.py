"""Options of every source, right and wrong, and the settings they come to."""

from dataclasses import fields

import pytest

from dlm_lsp.options import (
    OPTION_NAMES,
    PROJECT_OPTION_NAMES,
    ClientOptions,
    Settings,
    option_name,
    parse_options,
    resolve,
)
from dlm_model.request import DecodeOptions


def test_nothing_said_gives_every_default() -> None:
    assert resolve(ClientOptions(), parse_options(None).options, parse_options({}).options) == Settings()


def test_every_option_reaches_the_settings() -> None:
    assert {each.name for each in fields(Settings)} - {"decode"} <= OPTION_NAMES
    decode_only = OPTION_NAMES - {each.name for each in fields(Settings)}
    assert decode_only <= {each.name for each in fields(DecodeOptions)}


@pytest.mark.parametrize("spelling", ["numSteps", "num_steps", "num-steps"])
def test_an_option_has_one_name_in_any_case(spelling: str) -> None:
    assert option_name(spelling) == "num_steps"
    assert resolve(parse_options({spelling: 4}).options).decode.num_steps == 4


@pytest.mark.parametrize("name", sorted(OPTION_NAMES))
def test_a_value_of_the_wrong_type_is_reported_by_name_and_defaulted(name: str) -> None:
    options, problems = parse_options({name: {"not": "a value"}})
    assert len(problems) == 1
    assert problems[0].startswith(f"{name} must be ")
    assert resolve(options) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("numSteps", 0),
        ("numSteps", True),
        ("numSteps", 2**70),
        ("confidenceThreshold", 1.5),
        ("schedule", "fast"),
        ("candidates", 4),
        ("maxPromptTokens", 0),
        ("temperature", float("nan")),
        ("exclude", ["*.py", 3]),
    ],
)
def test_a_value_out_of_range_is_reported_and_the_others_are_kept(name: str, value: object) -> None:
    options, problems = parse_options({name: value, "seed": 7})
    assert [problem.split()[0] for problem in problems] == [option_name(name)]
    assert resolve(options) == Settings(decode=DecodeOptions(seed=7))


def test_unknown_options_are_named() -> None:
    assert parse_options({"stepz": 3}).problems == ("stepz is not an option",)


@pytest.mark.parametrize("raw", [[1, 2], "fast", 7])
def test_options_that_are_no_object_are_one_problem(raw: object) -> None:
    options, problems = parse_options(raw)
    assert options == ClientOptions()
    assert len(problems) == 1


@pytest.mark.parametrize("untouched", [None, ""])
def test_what_a_user_left_untouched_is_not_set(untouched: object) -> None:
    assert parse_options({"model": untouched}) == (ClientOptions(), ())


@pytest.mark.parametrize("name", sorted(OPTION_NAMES - PROJECT_OPTION_NAMES))
def test_a_source_cannot_set_what_it_may_not(name: str) -> None:
    options, problems = parse_options({name: 1}, allowed=PROJECT_OPTION_NAMES)
    assert options == ClientOptions()
    assert problems == (f"{name} cannot be set here",)


def test_a_project_cannot_choose_model_or_device() -> None:
    assert not PROJECT_OPTION_NAMES & {"model", "device", "preload", "drafts"}


def test_later_sources_overrule_and_lists_add_up() -> None:
    user = ClientOptions(device="cpu", num_steps=8, exclude=("a", "b"))
    client = ClientOptions(num_steps=4, exclude=("b", "c"), enabled=False)
    expected = Settings(device="cpu", enabled=False, exclude=("a", "b", "c"), decode=DecodeOptions(num_steps=4))
    assert resolve(user, client) == expected
