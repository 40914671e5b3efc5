"""The meaning of a body, and the field that is to blame if it has none."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dlm_lsp.errors import UnreadableDocumentError
from dlm_lsp.fills import Anchors
from dlm_lsp.http_api.api_error import ApiError
from dlm_lsp.http_api.fim_request import FimRequest, parse_request
from dlm_lsp.languages import language_for
from dlm_lsp.options import Settings
from dlm_model.decode_options import DecodeOptions

SETTINGS = Settings(decode=DecodeOptions(num_steps=7))


def parse(**fields: object) -> FimRequest:
    return parse_request({"prompt": "a", **fields}, SETTINGS)


def test_a_prompt_is_enough() -> None:
    assert parse() == FimRequest(
        prompt="a",
        suffix="",
        line_ending="\n",
        options=SETTINGS.decode,
        stop=(),
        anchors=Anchors(),
        is_streamed=False,
        is_diffusing=False,
        with_usage=False,
        language=None,
        warnings=(),
    )


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"max_tokens": 5}, {"max_middle_tokens": 5}),
        ({"max_completion_tokens": 5}, {"max_middle_tokens": 5}),
        ({"seed": 3}, {"seed": 3}),
        ({"random_seed": 3}, {"seed": 3}),
        ({"temperature": 1, "top_p": 0.5}, {"temperature": 1, "top_p": 0.5}),
        ({"n": 3}, {"num_candidates": 3}),
        ({"steps": 9}, {"num_steps": 9}),
        ({"threshold": 0.5}, {"confidence_threshold": 0.5}),
        ({"numSteps": 9, "deadline-ms": 20}, {"num_steps": 9, "deadline_ms": 20}),
        ({"schedule": "cosine"}, {"schedule": "cosine"}),
        ({"temperature": None, "schedule": ""}, {}),
    ],
)
def test_fields_steer_the_decoder(fields: dict[str, object], options: dict[str, object]) -> None:
    assert parse(**fields).options == replace(SETTINGS.decode, **options)  # type: ignore[arg-type]
    assert parse(**fields).warnings == ()


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"prompt": None}, "prompt", "missing"),
        ({"prompt": ["a"]}, "prompt", "a text"),
        ({"suffix": 3}, "suffix", "a text"),
        ({"stop": 3}, "stop", "a list of texts"),
        ({"stop": ["a", 3]}, "stop", "a list of texts"),
        ({"keep": 3}, "keep", "a list of texts"),
        ({"closing": ["a"]}, "closing", "a text"),
        ({"stream": "yes"}, "stream", "true or false"),
        ({"stream_options": True}, "stream_options", "an object"),
        ({"steps": 0}, "steps", "steps must be from 1 to 4096, got 0"),
        ({"max_tokens": "many"}, "max_tokens", "max_tokens must be a whole number"),
        ({"temperature": float("nan")}, "temperature", "temperature must be 0, or from 0.01 to 100"),
        ({"schedule": "slow"}, "schedule", "schedule must be one of linear"),
        ({"n": 9}, "n", "n must be from 1 to 8"),
        ({"n": True}, "n", "a whole number"),
        ({"guide": "/etc"}, "guide", "cannot be set here"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], param: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert words in caught.value.message


def test_lone_surrogates_are_replaced_one_for_one() -> None:
    request = parse_request(json.loads(r'{"prompt": "a \ud800", "suffix": "\udc00\ud83d\ude00"}'), SETTINGS)
    assert (request.prompt, request.suffix) == ("a \ufffd", "\ufffd\U0001f600")


@pytest.mark.parametrize("body", [None, [], "prompt", 3])
def test_a_body_is_an_object(body: object) -> None:
    with pytest.raises(ApiError, match="must be a JSON object"):
        parse_request(body, SETTINGS)


@pytest.mark.parametrize(("stop", "expected"), [("x", ("x",)), (["\r\n", "", "y"], ("\n", "y")), ([], ()), (None, ())])
def test_stops(stop: object, expected: tuple[str, ...]) -> None:
    assert parse(stop=stop).stop == expected


def test_what_cannot_be_honoured_is_named() -> None:
    request = parse(model="mercury-coder", top_k=4, presence_penalty=1.5, user="me", logit_bias=None)
    assert request.warnings == ("ignored: presence_penalty, top_k",)


@pytest.mark.parametrize(
    ("fields", "language_id"), [({"language": "go"}, "go"), ({"filename": "src/a.RS"}, "rust"), ({}, None)]
)
def test_the_language_is_named_or_follows_from_the_file(fields: dict[str, object], language_id: str | None) -> None:
    expected = language_for(None, language_id) if language_id else None
    assert parse(**fields).language == expected


def test_a_language_without_a_grammar_is_plain_text() -> None:
    request = parse(language="markdown")
    assert (request.language, request.warnings) == (None, ("no grammar for this language, filled as plain text",))


@pytest.mark.parametrize("filename", [".env", "deploy/id_rsa", "notes.secret.py"])
def test_files_kept_out_of_prompts_are_not_filled(filename: str) -> None:
    settings = replace(SETTINGS, exclude=("*.secret.*",))
    with pytest.raises(UnreadableDocumentError, match="Nothing is filled"):
        parse_request({"prompt": "a", "filename": filename}, settings)


def test_a_language_that_is_switched_off_is_not_filled() -> None:
    with pytest.raises(UnreadableDocumentError, match="switched off for go"):
        parse_request({"prompt": "a", "language": "go"}, replace(SETTINGS, disabled_languages=("go",)))


def test_the_switch_for_editors_is_not_meant_for_this_server() -> None:
    assert parse_request({"prompt": "a"}, replace(SETTINGS, enabled=False)).prompt == "a"


def test_a_long_document_is_not_filled() -> None:
    with pytest.raises(UnreadableDocumentError, match="5 characters"):
        parse_request({"prompt": "abc", "suffix": "de"}, replace(SETTINGS, max_document_chars=4))


def test_continues_word_for_no_suffix_means_an_empty_one() -> None:
    assert parse(suffix="<|endoftext|>").suffix == ""


def test_the_example_of_the_readme(repository_root: Path) -> None:
    readme = (repository_root / "README.md").read_text(encoding="utf-8")
    example = re.search(
        r"^curl http://127\.0\.0\.1:8791/v1/fim/completions -d '(.*?)'$", readme, re.DOTALL | re.MULTILINE
    )
    assert example, "the README has no example of a request"
    request = parse_request(json.loads(example[1]), SETTINGS)
    assert (request.prompt, request.warnings) == ("def add(left, right):\n    ret", ())
