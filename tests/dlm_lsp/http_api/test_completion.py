"""From a request to its text: where it ends, how much may be sent early, and the effect of a known language."""

from dataclasses import replace

import pytest

from dlm_lsp.http_api.completion import Completion, complete
from dlm_lsp.http_api.fim_request import parse_request
from dlm_lsp.options import Settings
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import CancelToken, Candidate, FinishReason, InfillRequest
from tests.dlm_lsp.scripted_engine import ScriptedEngine

SETTINGS = Settings()


def filled(engine: ScriptedEngine, settings: Settings = SETTINGS, **fields: object) -> tuple[Completion, list[str]]:
    """The completion, and the text that was sent before it."""
    sent: list[str] = []
    request = parse_request({"prompt": "# ", **fields}, settings)
    return complete(engine, request, settings, CancelToken(), sent.append), sent


def texts(completion: Completion) -> list[tuple[str, str]]:
    return [(choice.text, choice.finish_reason) for choice in completion.choices]


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ([], ("one\n\ntwo", "stop")),
        (["\n\n"], ("one", "stop")),
        (["two", "e"], ("on", "stop")),
        (["one\n\nt", "e"], ("on", "stop")),
        (["ne", "one"], ("", "stop")),
        (["three"], ("one\n\ntwo", "stop")),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_text_ends_before_the_first_stop(stop: list[str], expected: tuple[str, str], stream: bool) -> None:
    completion, sent = filled(ScriptedEngine("one\n\ntwo", num_steps=4), stop=stop, stream=stream)
    assert texts(completion) == [expected]
    assert not stream or "".join([*sent, completion.unsent]) == expected[0]


def test_a_stop_in_what_is_final_ends_the_fill() -> None:
    engine = ScriptedEngine("a;" + "b" * 98, num_steps=100)
    completion, _ = filled(engine, stop=[";"])
    assert texts(completion) == [("a", "stop")]
    assert engine.num_steps_done == 2


@pytest.mark.parametrize(("reason", "expected"), [("stop", "stop"), ("length", "length"), ("deadline", "length")])
def test_reasons(monkeypatch: pytest.MonkeyPatch, reason: FinishReason, expected: str) -> None:
    engine = ScriptedEngine("text")
    last = engine._draft(1, DecodeOptions())
    candidates = (Candidate("text", 0.9, 1, reason),)
    monkeypatch.setattr(engine, "_draft", lambda *_: replace(last, finish_reason=reason, candidates=candidates))
    assert texts(filled(engine)[0]) == [("text", expected)]


@pytest.mark.parametrize("language", [None, "python"])
def test_each_alternative_has_its_own_reason(monkeypatch: pytest.MonkeyPatch, language: str | None) -> None:
    engine = ScriptedEngine("1")
    last = engine._draft(1, DecodeOptions())
    candidates = Candidate("1", 0.9, 1, "length"), Candidate("2", 0.8, 1, "stop"), Candidate("3;4", 0.7, 3, "length")
    monkeypatch.setattr(engine, "_draft", lambda *_: replace(last, finish_reason="length", candidates=candidates))
    completion, _ = filled(engine, prompt="x = ", suffix="\n", n=3, stop=";", language=language)
    assert texts(completion) == [("1", "length"), ("2", "stop"), ("3", "stop")]


def test_alternatives_are_complete_and_sent_at_the_end() -> None:
    completion, _ = filled(ScriptedEngine("x;1", "y", "z"), n=3, stop=";")
    assert texts(completion) == [("x", "stop"), ("y", "stop"), ("z", "stop")]


@pytest.mark.parametrize("language", [None, "python"])
def test_there_are_as_many_alternatives_as_were_asked_for(language: str | None) -> None:
    completion, _ = filled(ScriptedEngine("1", "2", "1"), prompt="x = ", suffix="\n", n=3, language=language)
    assert texts(completion) == [("1", "stop"), ("2", "stop"), ("1", "stop")]
    assert completion.completion_tokens == 3
    assert texts(filled(ScriptedEngine(), n=2)[0]) == [("", "stop")] * 2


@pytest.mark.parametrize(("language", "closing"), [(None, "return b"), ("python", "\n    return b")])
def test_a_fill_holds_what_the_request_wants_kept(language: str | None, closing: str) -> None:
    engine = ScriptedEngine("b = a\n    return b")
    fields = {"prompt": "def f(a):\n    ", "keep": ["b"], "closing": "return b", "language": language}
    assert texts(filled(engine, **fields)[0]) == [("b = a\n    return b", "stop")]
    assert (engine.requests[0].keep, engine.requests[0].closing) == (("b",), closing)


def test_what_lost_it_while_it_was_fitted_in_is_not_shown() -> None:
    engine = ScriptedEngine("return a\n    return b")
    fields = {"prompt": "def f(a):\n    ", "closing": "return b", "language": "python"}
    assert texts(filled(engine, **fields)[0]) == [("", "stop")]


@pytest.mark.parametrize(("num_steps", "text"), [(1, "x_0"), (4, "x" + "_0" * 7 + "_")])
@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_is_cut_unless_it_is_sent_already_and_is_no_end_of_the_text(
    stream: bool, num_steps: int, text: str
) -> None:
    completion, sent = filled(ScriptedEngine("x" + "_0" * 31 + "_", num_steps=num_steps), stream=stream)
    assert texts(completion) == [(text, "length")]
    assert not stream or "".join([*sent, completion.unsent]) == text


def test_what_only_looked_like_a_loop_is_sent_when_it_goes_on() -> None:
    middle = "x" + "_0" * 24 + "1;\n" + "y = 2;\n\nz = 3;"
    completion, sent = filled(ScriptedEngine(middle, num_steps=4), stream=True)
    assert texts(completion) == [(middle, "stop")]
    assert "".join([*sent, completion.unsent]) == middle


def test_nothing_is_an_empty_text() -> None:
    assert texts(filled(ScriptedEngine())[0]) == [("", "stop")]
    assert texts(filled(ScriptedEngine(""), language="python")[0]) == [("", "stop")]


def test_tokens_are_counted_of_what_was_read_and_written() -> None:
    completion, _ = filled(ScriptedEngine("a b c"), prompt="x y ", suffix=" z")
    assert (completion.prompt_tokens, completion.completion_tokens) == (3, 3)


def test_no_text_counts_for_more_tokens_than_it_may_have() -> None:
    """A text on its own may be cut into more tokens than it was written in."""
    completion, _ = filled(ScriptedEngine("a b c"), max_tokens=2)
    assert completion.completion_tokens == 2


def test_what_the_model_cannot_see_is_not_counted() -> None:
    engine = ScriptedEngine("a")
    completion, _ = filled(engine, replace(SETTINGS, max_prompt_tokens=16), prompt="word\n" * 50, suffix="x")
    assert completion.prompt_tokens <= 16
    assert engine.requests[0].prefix == "word\n" * (completion.prompt_tokens - 1)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("stream", [False, True])
def test_line_breaks_are_the_documents(ending: str, stream: bool) -> None:
    engine = ScriptedEngine("a\nb\n", num_steps=2)
    completion, sent = filled(engine, prompt=f"x{ending}", suffix=f"y{ending}", stream=stream)
    assert completion.choices[0].text == f"a{ending}b{ending}"
    assert not stream or "".join([*sent, completion.unsent]) == f"a{ending}b{ending}"
    assert engine.requests == [InfillRequest("x\n", "y\n")]


def test_whole_drafts_are_sent_when_diffusing() -> None:
    completion, sent = filled(ScriptedEngine("abcd", num_steps=4), stream=True, diffusing=True)
    assert sent == ["a", "ab", "abc"]
    assert completion.unsent == "abcd"


@pytest.mark.parametrize("diffusing", [False, True])
def test_nothing_is_sent_early_without_a_stream(diffusing: bool) -> None:
    assert filled(ScriptedEngine("abcd", num_steps=4), diffusing=diffusing)[1] == []


@pytest.mark.parametrize(("prompt", "suffix"), [("", ""), ("\n", " \n")])
@pytest.mark.parametrize("language", [None, "python"])
def test_between_blank_sides_there_is_nothing_to_go_by(prompt: str, suffix: str, language: str | None) -> None:
    engine = ScriptedEngine("a")
    completion, sent = filled(engine, prompt=prompt, suffix=suffix, language=language, n=2, stream=True)
    assert texts(completion) == [("", "stop")] * 2
    assert (completion.unsent, sent, completion.completion_tokens) == ("", [], 0)
    assert completion.warnings == ("prompt and suffix are blank, so there is nothing to go by",)
    assert not engine.requests


@pytest.mark.parametrize("language", [None, "python"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_document_begins_with_no_blank_lines(language: str | None, stream: bool) -> None:
    engine = ScriptedEngine("\n  \nx = 1\n", num_steps=4)
    completion, sent = filled(engine, prompt="", suffix="\nprint(x)\n", language=language, stream=stream, stop="\n\n")
    assert completion.choices[0].text == "x = 1"
    assert not stream or "".join([*sent, completion.unsent]) == "x = 1"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("diffusing", [False, True])
def test_line_breaks_that_the_suffix_has_are_left_out(ending: str, diffusing: bool) -> None:
    engine = ScriptedEngine("a  \n\n", num_steps=6)
    completion, sent = filled(engine, prompt=f"x{ending}", suffix=ending, stream=True, diffusing=diffusing)
    assert completion.choices[0].text == "a  "
    assert "".join([*sent, completion.unsent]) == "a  " if not diffusing else sent[-1] == "a  "


def test_what_only_repeats_the_suffix_is_nothing() -> None:
    completion, sent = filled(ScriptedEngine("):", num_steps=2), prompt="f(", suffix="):\n", stream=True)
    assert (texts(completion), sent, completion.unsent) == ([("", "stop")], [], "")


def test_a_known_language_sets_the_text_in_as_for_an_editor() -> None:
    body = {"prompt": "def f(x):\n", "suffix": "\n\nprint(f(1))\n"}
    plain, _ = filled(ScriptedEngine("return x"), **body)
    parsed, sent = filled(ScriptedEngine("return x", num_steps=3), **body, language="python", stream=True)
    assert (plain.choices[0].text, parsed.choices[0].text) == ("return x", "    return x")
    assert (sent, parsed.unsent) == ([], "    return x")


def test_a_known_language_repeats_nothing_of_the_suffix() -> None:
    completion, _ = filled(ScriptedEngine("1)"), prompt="print(", suffix=")\n", language="python")
    assert texts(completion) == [("1", "stop")]


@pytest.mark.parametrize(
    ("prompt", "suffix", "text"),
    [
        ("def f():\n    ", "pass\n", "x = 1\n    "),
        ("def f():\n    pass", "\n", "x = 1"),
        ("def f():\n    ", "   \n\nf()\n", "x = 1"),
    ],
    ids=["before a placeholder", "behind it", "before blanks"],
)
def test_what_an_editor_would_replace_stays(prompt: str, suffix: str, text: str) -> None:
    completion, _ = filled(ScriptedEngine("x = 1"), prompt=prompt, suffix=suffix, language="python")
    assert completion.choices[0].text == text


def test_only_valid_fills_where_the_user_asks_for_that() -> None:
    engine, body = ScriptedEngine("((("), {"prompt": "x = ", "suffix": "\n", "language": "python"}
    assert texts(filled(engine, **body)[0]) == [("(((", "stop")]
    assert texts(filled(engine, replace(SETTINGS, require_valid=True), **body)[0]) == [("", "stop")]


def test_a_model_that_sees_no_suffix_says_so() -> None:
    engine = ScriptedEngine("a")
    engine.sees_suffix = False
    assert filled(engine, suffix="b")[0].warnings == ("scripted sees no suffix",)
    assert filled(engine)[0].warnings == ()


@pytest.mark.parametrize(
    ("text", "fields", "settings"),
    [
        ("x = 1\nreturn b", {"keep": ["return b"], "stop": ["return"]}, SETTINGS),
        ("x = (1,\n        2)", {"stop": ["2"]}, replace(SETTINGS, require_valid=True)),
    ],
    ids=["without-what-must-be-kept", "broken"],
)
def test_a_fill_that_its_stop_spoils_is_not_sent(text: str, fields: dict[str, object], settings: Settings) -> None:
    asked = {"prompt": "def f(a):\n    ", "suffix": "\n", "language": "python"}
    whole = texts(filled(ScriptedEngine(text), settings, **asked)[0])
    assert whole == [(text.replace("\nr", "\n    r"), "stop")]
    assert texts(filled(ScriptedEngine(text), settings, **asked, **fields)[0]) == [("", "stop")]
