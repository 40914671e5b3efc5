"""JSON → `FimRequest`: the fields of Mercury's, Mistral's and OpenAI's APIs, and this decoder's own options.

| field | from | becomes |
| --- | --- | --- |
| `prompt`, `suffix`, `stop`, `stream` | all | themselves |
| `stream_options.include_usage` | OpenAI, Mercury | a last chunk with the usage |
| `diffusing` | Mercury | chunks with the whole draft |
| `max_tokens`, `temperature`, `top_p`, `seed`, `random_seed`, `n` | all | options of the decoder, by these names too |
| every other option of the decoder | ours | itself |
| `keep`, `closing` | ours | what the fill must hold, and end with |
| `language`, `filename` | ours | the parser's help |

Whatever `model` a request names, the loaded one answers. Any other field is ignored, and named in a warning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dlm_lsp.documents.exclusions import file_reason, language_reason
from dlm_lsp.documents.positions import LineEnding, line_ending, well_formed, with_line_feeds
from dlm_lsp.errors import UnreadableDocumentError, UnsupportedLanguageError
from dlm_lsp.fills import Anchors
from dlm_lsp.http_api.api_error import ApiError
from dlm_lsp.http_api.settled_text import Seam
from dlm_lsp.languages import Language, language_for
from dlm_lsp.options import DECODE_OPTION_NAMES, Settings, find_option, parse_options, with_options
from dlm_model.decode_options import DecodeOptions

_SETTABLE = DECODE_OPTION_NAMES - {"guide"}
"""Options of the decoder that a client may set. A guide is a checkpoint, and no client chooses what is loaded from
here.
"""

_FIELDS = frozenset(
    {
        "prompt",
        "suffix",
        "stop",
        "stream",
        "stream_options",
        "diffusing",
        "language",
        "filename",
        "keep",
        "closing",
        "model",
        "user",
    }
)

_NO_SUFFIX = "<|endoftext|>"
"""Continue's clients of Mercury send it in place of an empty suffix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FimRequest:
    r"""One hole to be filled.

    Attributes:
        prompt: The text before it.
        suffix: The text after it.
        line_ending: The line break that both use.
        options: How to denoise.
        stop: Texts before which the middle ends; line breaks are `\n`.
        anchors: What the fill must hold.
        is_streamed: Send what is final as it becomes final.
        is_diffusing: Send whole drafts instead.
        with_usage: Count tokens in a last chunk.
        language: How both sides are parsed; None leaves the text as the model writes it.
        warnings: What the client should know, a clause each.
    """

    prompt: str
    suffix: str
    line_ending: LineEnding
    options: DecodeOptions
    stop: tuple[str, ...]
    anchors: Anchors
    is_streamed: bool
    is_diffusing: bool
    with_usage: bool
    language: Language | None
    warnings: tuple[str, ...]

    @property
    def seam(self) -> Seam:
        """What the middle has to fit between."""
        return Seam(with_line_feeds(self.prompt), with_line_feeds(self.suffix), self.stop)

    def in_document(self, text: str) -> str:
        r"""A text whose line breaks are `\n`, with those of the document."""
        return text.replace("\n", self.line_ending)


def parse_request(raw: object, settings: Settings) -> FimRequest:
    """Read a decoded body.

    Args:
        raw: Any JSON value.
        settings: Their decoder options are the defaults; they say what is never filled.

    Raises:
        ApiError: naming the field that is wrong.
        UnreadableDocumentError: the file is kept out of prompts.
    """
    if not isinstance(raw, Mapping):
        raise ApiError(400, "The body must be a JSON object.")
    given = {str(name): value for name, value in raw.items() if value is not None}
    if "prompt" not in given:
        raise ApiError(400, "prompt is missing.", param="prompt")
    prompt, suffix = _text(given, "prompt"), _text(given, "suffix")
    suffix = "" if suffix == _NO_SUFFIX else suffix
    language = _language(_text(given, "language"), _text(given, "filename"))
    _refuse_excluded(given, language, len(prompt) + len(suffix), settings)
    return FimRequest(
        prompt=prompt,
        suffix=suffix,
        line_ending=line_ending(prompt + suffix),
        options=_options(given, settings.decode),
        stop=tuple(_texts(given, "stop")),
        anchors=Anchors(tuple(_texts(given, "keep")), with_line_feeds(_text(given, "closing"))),
        is_streamed=_flag(given, "stream"),
        is_diffusing=_flag(given, "diffusing"),
        with_usage=_with_usage(given),
        language=language,
        warnings=tuple(_warnings(given, language)),
    )


def _text(given: Mapping[str, object], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise ApiError(400, f"{name} must be a text.", param=name)
    return well_formed(value)


def _flag(given: Mapping[str, object], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise ApiError(400, f"{name} must be true or false.", param=name)
    return value


def _with_usage(given: Mapping[str, object]) -> bool:
    options = given.get("stream_options", {})
    if not isinstance(options, Mapping):
        raise ApiError(400, "stream_options must be an object.", param="stream_options")
    return _flag(options, "include_usage")


def _texts(given: Mapping[str, object], name: str) -> Iterator[str]:
    texts = given.get(name, ())
    for text in (texts,) if isinstance(texts, str) else texts if isinstance(texts, (list, tuple)) else (None,):
        if not isinstance(text, str):
            raise ApiError(400, f"{name} must be a text or a list of texts.", param=name)
        if text:
            yield well_formed(with_line_feeds(text))


def _options(given: Mapping[str, object], defaults: DecodeOptions) -> DecodeOptions:
    chosen: dict[str, object] = {}
    for name, value in given.items():
        if _is_option(name):
            parsed = parse_options({name: value}, allowed=_SETTABLE)
            if parsed.problems:
                raise ApiError(400, f"{parsed.problems[0]}.", param=name)
            chosen |= parsed.options
    return with_options(defaults, chosen)


def _is_option(name: str) -> bool:
    option = find_option(name)
    return option is not None and option.name in DECODE_OPTION_NAMES


def _language(language_id: str, filename: str) -> Language | None:
    if not language_id and not filename:
        return None
    try:
        return language_for(filename, language_id)
    except UnsupportedLanguageError:
        return None


def _refuse_excluded(
    given: Mapping[str, object], language: Language | None, num_chars: int, settings: Settings
) -> None:
    filename = _text(given, "filename") or None
    # The option `enabled` is not meant for a user who starts this server.
    reason = language_reason(language.id, settings) if language else None
    if reason := reason or file_reason(filename, num_chars, settings):
        raise UnreadableDocumentError(f"Nothing is filled: {reason}.")


def _warnings(given: Mapping[str, object], language: Language | None) -> Iterator[str]:
    if ignored := sorted(name for name in given if name not in _FIELDS and not _is_option(name)):
        yield f"ignored: {', '.join(ignored)}"
    if language is None and ("language" in given or "filename" in given):
        yield "no grammar for this language, filled as plain text"
