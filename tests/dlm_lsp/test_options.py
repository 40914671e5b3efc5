"""Options of every source, right and wrong, and the settings that they result in."""

from dataclasses import fields
from itertools import chain

import pytest

from dlm_lsp.options import (
    DECODE_OPTION_NAMES,
    OPTIONS,
    PROJECT_OPTION_NAMES,
    SETTING_NAMES,
    ParsedOptions,
    Settings,
    find_option,
    parse_options,
    resolve,
)
from dlm_model.decode_options import DecodeOptions


def test_nothing_said_gives_every_default() -> None:
    assert resolve({}, parse_options(None).options, parse_options({}).options) == Settings()


def test_every_field_of_the_settings_is_an_option_but_what_holds_the_decoders() -> None:
    own = {each.name for each in fields(Settings)} - {"decode"}
    of_decoder = {each.name for each in fields(DecodeOptions)} - {"middle_length"}
    assert OPTIONS.keys() == own | of_decoder
    assert own.isdisjoint(of_decoder)


def test_every_default_is_one_that_the_option_accepts() -> None:
    assert {name: problem for name, each in OPTIONS.items() if (problem := each.problem_with(each.default))} == {}


def test_no_name_means_two_options() -> None:
    spellings = list(chain.from_iterable((each.name, *each.aliases) for each in OPTIONS.values()))
    assert len(spellings) == len(set(spellings))
    assert {find_option(spelling).name for spelling in spellings} == OPTIONS.keys()


@pytest.mark.parametrize("spelling", ["numSteps", "num_steps", "num-steps", "steps"])
def test_an_option_has_its_names_in_any_case(spelling: str) -> None:
    assert find_option(spelling) is OPTIONS["num_steps"]
    assert resolve(parse_options({spelling: 4}).options).decode.num_steps == 4
    assert parse_options({spelling: 0}).problems == (f"{spelling} must be from 1 to 4096, got 0",)


def test_an_option_is_set_once_by_whatever_name() -> None:
    options, problems, _ = parse_options({"steps": 4, "numSteps": 8, "num_steps": None})
    assert (options, problems) == ({"num_steps": 4}, ("numSteps sets num_steps a second time",))


@pytest.mark.parametrize("name", sorted(SETTING_NAMES))
def test_a_value_of_the_wrong_type_is_reported_by_name_and_defaulted(name: str) -> None:
    options, problems, _ = parse_options({name: {"not": "a value"}})
    assert len(problems) == 1
    assert problems[0].startswith(f"{name} must be ")
    assert resolve(options) == Settings()


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("!a.py", "exclude has !a.py, but no pattern takes back another"),
        ("[z-a]", "exclude has a broken pattern, so that no file is read into a prompt: "),
        ("Gen\\", "exclude has a broken pattern, so that no file is read into a prompt: Invalid git pattern: 'Gen"),
    ],
)
def test_a_pattern_that_does_not_what_it_says_is_reported_and_kept(pattern: str, problem: str) -> None:
    options, problems, has_invalid_value = parse_options({"exclude": ["gen/*", pattern, ""]})
    assert [each.startswith(problem) for each in problems] == [True]
    assert (options, has_invalid_value) == ({"exclude": ("gen/*", pattern, "")}, False)


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
    options, problems, _ = parse_options({name: value, "seed": 7})
    assert [problem.split()[0] for problem in problems] == [name]
    assert resolve(options) == Settings(decode=DecodeOptions(seed=7))


def test_unknown_options_are_named() -> None:
    assert parse_options({"stepz": 3}).problems == ("stepz is not an option; did you mean steps?",)


@pytest.mark.parametrize("raw", [[1, 2], "fast", 7])
def test_options_that_are_no_object_are_one_problem(raw: object) -> None:
    options, problems, _ = parse_options(raw)
    assert options == {}
    assert len(problems) == 1


@pytest.mark.parametrize("untouched", [None, ""])
def test_what_a_user_left_untouched_is_not_set(untouched: object) -> None:
    assert parse_options({"model": untouched}) == ParsedOptions({}, ())


@pytest.mark.parametrize("name", sorted(SETTING_NAMES - PROJECT_OPTION_NAMES))
def test_a_source_cannot_set_what_it_may_not(name: str) -> None:
    options, problems, _ = parse_options({name: 1}, allowed=PROJECT_OPTION_NAMES)
    assert options == {}
    assert problems == (f"{name} cannot be set here",)


@pytest.mark.parametrize(
    ("raw", "has_invalid_value"),
    [
        (None, False),
        ({}, False),
        ({"exclude": ["a"], "enabled": None}, False),
        ({"model": 3, "later": 3}, False),
        ({"exclude": "a"}, True),
        ({"disabledLanguages": ["c"], "disabled-languages": ["go"]}, True),
        (["exclude"], True),
    ],
)
def test_whether_it_is_known_what_an_option_was_meant_to_say(raw: object, has_invalid_value: bool) -> None:
    assert parse_options(raw, allowed=PROJECT_OPTION_NAMES).has_invalid_value == has_invalid_value


def test_how_many_alternatives_is_for_a_request_to_say() -> None:
    assert parse_options({"n": 2}).problems == ("n cannot be set here",)
    assert parse_options({"n": 2}, allowed=DECODE_OPTION_NAMES).options == {"num_candidates": 2}


def test_a_project_cannot_choose_model_or_device() -> None:
    assert not PROJECT_OPTION_NAMES & {"model", "device", "preload", "drafts"}


def test_later_sources_overrule_and_lists_add_up() -> None:
    user = {"device": "cpu", "num_steps": 8, "exclude": ("a", "b")}
    client = {"num_steps": 4, "exclude": ("b", "c"), "enabled": False}
    expected = Settings(device="cpu", enabled=False, exclude=("a", "b", "c"), decode=DecodeOptions(num_steps=4))
    assert resolve(user, client) == expected
