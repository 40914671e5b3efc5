"""`FimRequest` → `Completion`, on the worker's thread: the parts that a stream sends, and the outcome.

Without a language, the middle is the model's text, minus anything that only repeats its surroundings. With a language,
the hole is found and the text fitted in as for an editor: the middle is what the language server would insert between
prompt and suffix.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Literal, Protocol

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.positions import with_line_feeds
from dlm_lsp.errors import NothingToShowError
from dlm_lsp.fills import RankedFill
from dlm_lsp.fitting.repairs import without_repeated_text
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.http_api.fim_request import FimRequest
from dlm_lsp.http_api.settled_text import SettledText
from dlm_lsp.infilling import (
    fills_of,
    infill_request,
    nothing_to_go_by,
    placed,
    prompt_budget,
    with_anchors,
)
from dlm_lsp.languages import Language
from dlm_lsp.options import Settings
from dlm_lsp.prompt.context import build_plain_request
from dlm_model.request import CancelToken, Draft, FinishReason, InfillEngine, InfillRequest

FINISH_REASONS: dict[FinishReason, Literal["stop", "length"]] = {
    "stop": "stop",
    "length": "length",
    "deadline": "length",  # cut short all the same, and clients know no third reason
    "cancelled": "length",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One alternative.

    Attributes:
        text: What goes between prompt and suffix.
        finish_reason: `length` if `max_tokens` or the time ran out before the model ended the text.
    """

    text: str
    finish_reason: Literal["stop", "length"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The answer to one request.

    Attributes:
        choices: As many as were asked for, best first. Where fewer texts were found, they are repeated, as they are in
            other APIs, whose clients count on the number.
        unsent: The part of the first choice that a stream has not sent yet as final text.
        prompt_tokens: Tokens of both sides, as much of them as the model saw.
        completion_tokens: Tokens of all choices.
        num_steps: Denoise steps that it took.
        warnings: The request's, and the model's.
    """

    choices: tuple[Choice, ...]
    unsent: str
    prompt_tokens: int
    completion_tokens: int
    num_steps: int
    warnings: tuple[str, ...]


def complete(
    engine: InfillEngine, request: FimRequest, settings: Settings, cancel: CancelToken, send: Callable[[str], object]
) -> Completion:
    """Fill one hole.

    Args:
        engine: The worker's.
        request: What to fill.
        settings: How much of it the model sees, and whether a fill has to parse.
        cancel: Polled once per step.
        send: Called with what a stream sends before the end: final text, or whole drafts.

    Raises:
        NothingToShowError: the request was cancelled.
        ModelError: the model cannot serve this request.
    """
    if reason := nothing_to_go_by(request.prompt, request.suffix, "prompt and suffix are blank"):
        return _blank_completion(request, reason)
    settled = SettledText(request.seam)
    middle = _middle(request, settings, settled)
    asked = middle.infill_request(engine)
    for draft in engine.infill(asked, request.options, cancel):
        if cancel.is_cancelled:
            raise NothingToShowError("the request was cancelled")
        if draft.finish_reason:
            break
        added = settled.advance(draft) if middle.is_verbatim else ""
        if settled.stopped is not None:
            break
        if request.is_diffusing:
            added = middle.shown(draft)
        if added and request.is_streamed:
            send(request.in_document(added))
    found = _choices(middle, draft, settled, request.options.num_candidates)
    choices = tuple(replace(choice, text=request.in_document(choice.text)) for choice in found)
    is_sent = request.is_streamed and not request.is_diffusing
    return Completion(
        choices=choices,
        unsent=request.in_document(found[0].text[len(settled.text) :]) if is_sent else choices[0].text,
        prompt_tokens=sum(engine.count_tokens(side) for side in (asked.prefix, asked.suffix)),
        # A text on its own may be cut into more tokens than it was written in.
        completion_tokens=sum(
            min(engine.count_tokens(choice.text), request.options.max_middle_tokens) for choice in choices
        ),
        num_steps=draft.step,
        warnings=(*request.warnings, *_model_warnings(engine, request)),
    )


def _blank_completion(request: FimRequest, reason: str) -> Completion:
    choices = (Choice("", "stop"),) * request.options.num_candidates
    return Completion(
        choices=choices,
        unsent="",
        prompt_tokens=0,
        completion_tokens=0,
        num_steps=0,
        warnings=(*request.warnings, reason),
    )


class _Middle(Protocol):
    """How one kind of request becomes a question to the engine, and its answer text."""

    is_verbatim: bool
    """Whether the text is what the model wrote, so that it may be sent before the end."""

    def infill_request(self, engine: InfillEngine) -> InfillRequest:
        """The question."""

    def shown(self, draft: Draft) -> str:
        """A draft as it would stand between prompt and suffix."""

    def choices(self, draft: Draft) -> Iterator[Choice]:
        """What a finished draft comes to, best first."""


def _middle(request: FimRequest, settings: Settings, settled: SettledText) -> _Middle:
    if request.language is None:
        return _PlainMiddle(request, settings, settled)
    return _ParsedMiddle(request, request.language, settings)


class _PlainMiddle:
    is_verbatim = True

    def __init__(self, request: FimRequest, settings: Settings, settled: SettledText) -> None:
        self._request, self._seam, self._settled = request, request.seam, settled
        self._max_prompt_tokens = settings.max_prompt_tokens

    def infill_request(self, engine: InfillEngine) -> InfillRequest:
        budget = prompt_budget(engine, self._request.options, self._max_prompt_tokens)
        prompt, suffix = self._request.prompt, self._request.suffix
        asked = build_plain_request(prompt, suffix, max_prompt_tokens=budget, count_tokens=engine.count_tokens)
        return with_anchors(asked, self._request.anchors, self._request.anchors.closing)

    def shown(self, draft: Draft) -> str:
        return self._seam.fitted(self._seam.until_stop(draft.text)[0])

    def choices(self, draft: Draft) -> Iterator[Choice]:
        settled = self._settled
        for candidate in draft.candidates:
            text, is_cut = self._seam.until_stop(candidate.text)
            once = without_repeated_text(text)
            if once != text:  # a model that loops has not ended its text
                once = max(once, settled.text, key=len) if text.startswith(settled.text) else once
                yield Choice(self._seam.fitted(once), "length")
                continue
            is_stopped = is_cut or settled.ends_at_stop(text)
            yield Choice(self._seam.fitted(text), "stop" if is_stopped else FINISH_REASONS[candidate.finish_reason])


class _ParsedMiddle:
    is_verbatim = False

    def __init__(self, request: FimRequest, language: Language, settings: Settings) -> None:
        self._seam = request.seam
        snapshot = Snapshot.parse("untitled:fim", language, request.prompt + request.suffix)
        self._hole = _hole_between(snapshot, len(request.prompt))
        self._before = self._hole.placement.before
        self._request = HoleRequest(
            self._hole,
            request.options,
            max_prompt_tokens=settings.max_prompt_tokens,
            anchors=request.anchors,
            require_valid=settings.requires_valid(),
        )

    def infill_request(self, engine: InfillEngine) -> InfillRequest:
        return infill_request(engine, self._request)

    def shown(self, draft: Draft) -> str:
        return self._seam.until_stop(placed(draft, self._before).text)[0]

    def choices(self, draft: Draft) -> Iterator[Choice]:
        for ranked in fills_of(self._request, draft, ended=self._until_stop).fills:
            yield Choice(ranked.fill.text, FINISH_REASONS[ranked.candidate.finish_reason])

    def _until_stop(self, ranked: RankedFill) -> RankedFill:
        """A fill up to the first stop in it, and whether that parses."""
        text, is_cut = self._seam.until_stop(with_line_feeds(ranked.fill.text))
        if not is_cut:
            return replace(ranked, fill=replace(ranked.fill, text=text))
        neutral = self._hole.neutral
        parsed = neutral.excerpt.parse(self._hole.edit(text))
        fill = replace(ranked.fill, text=text, parse_valid=parsed.num_errors <= neutral.num_errors)
        return RankedFill(fill, replace(ranked.candidate, finish_reason="stop"))


def _hole_between(snapshot: Snapshot, offset: int) -> Hole:
    """The hole at the end of the prompt; what a cursor there would replace stays, since a client only inserts."""
    found = find_hole(snapshot, offset)
    if found.kind != "body" or (found.start, found.end) == (offset, offset):
        return Hole(snapshot, offset, offset, found.kind)
    between = Hole(snapshot, offset, offset, "range")
    return between if between.is_inline else Hole(snapshot, offset, offset, "statements")


def _choices(middle: _Middle, draft: Draft, settled: SettledText, num_choices: int) -> tuple[Choice, ...]:
    if settled.stopped is not None:
        found = [Choice(settled.stopped, "stop")]
    else:
        by_text: dict[str, Choice] = {}
        for choice in middle.choices(draft):
            by_text.setdefault(choice.text, choice)
        found = [*by_text.values()] or [Choice("", FINISH_REASONS[draft.finish_reason or "stop"])]
    return tuple(islice(cycle(found), num_choices))


def _model_warnings(engine: InfillEngine, request: FimRequest) -> Iterator[str]:
    if request.suffix and not engine.sees_suffix:
        yield f"{engine.model_name} sees no suffix"
