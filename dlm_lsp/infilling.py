"""One hole, from document to fill: what the command line and both servers share.

    HoleRequest ─build_request→ InfillRequest ─engine→ Draft, Draft, …, Draft ─present→ RankedFill, RankedFill, …

Over HTTP and in a race, the caller runs the engine itself, on an `infill_request`.
Knows no protocol, no terminal and no thread: the caller decides where the generator runs and what a draft is shown on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dlm_lsp.documents.cells import NO_CELLS, Cells
from dlm_lsp.errors import NothingToShowError, UsageError
from dlm_lsp.fills import NO_ANCHORS, Anchors, Filled, RankedFill
from dlm_lsp.fitting.hole_ending import HoleEnding
from dlm_lsp.fitting.presentation import present
from dlm_lsp.fitting.syntax_check import DraftChecker
from dlm_lsp.holes.hole import Hole, Placement
from dlm_lsp.keystrokes.warm_start import EarlierDraft, behind
from dlm_lsp.options import usual_prompt_tokens
from dlm_lsp.prompt.context import build_request
from dlm_lsp.prompt.related import fitting
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import CancelToken, Candidate, Draft, InfillEngine, InfillRequest, Piece

RELATED_SHARE = 0.25
"""Share of the prompt that lines of other files may take: they matter less than the code beside the hole."""


@dataclass(frozen=True, slots=True)
class HoleRequest:
    """One hole of a document to be filled: to the daemon and the command line what `InfillRequest` is to the engine.

    Attributes:
        hole: What to replace.
        max_prompt_tokens: Upper bound on prefix and suffix together; None is as many as suit the engine's device.
        anchors: What the fill must hold.
        related: Lines about other files, the most important first; they get a quarter of the prompt at most.
        earlier: An earlier draft that may already have the text for this hole; the engine heeds it where
            `DecodeOptions.warm_start` is set.
        cells: What else is in the notebook that the document is a cell of.
    """

    hole: Hole
    max_prompt_tokens: int | None = None
    anchors: Anchors = NO_ANCHORS
    related: Sequence[str] = ()
    earlier: EarlierDraft | None = None
    cells: Cells = NO_CELLS


def infill(engine: InfillEngine, request: HoleRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
    """Denoise one hole, one draft per step; the last draft has a finish reason.

    A draft's text is what would stand in the hole: it begins with the line break or indentation that the engine took
    for granted. Its candidates are the engine's own.

    Nothing runs before the first `next()`, so the generator may be made on one thread and driven on another.

    Args:
        engine: Fills requests.
        request: The hole.
        options: How to denoise.
        cancel: Polled once per step.

    Raises:
        NothingToShowError: the document holds nothing else.
        RequestError: the request does not fit the model's context.
        UsageError: an anchor cannot stand in this hole.
    """
    if request.cells == NO_CELLS and is_all_there_is(request.hole):
        raise NothingToShowError("the document is blank around the hole, so there is nothing to go by")
    before = request.hole.placement.before
    for draft in engine.infill(infill_request(engine, request, options), options, cancel):
        yield placed(draft, before)


def is_all_there_is(hole: Hole) -> bool:
    """Whether a document is blank but for the hole: a model would be asked to write about nothing."""
    return not (hole.prefix.strip() or hole.suffix.strip())


def infill_request(engine: InfillEngine, request: HoleRequest, options: DecodeOptions) -> InfillRequest:
    """What `infill` asks the engine; the arguments are the same.

    Raises:
        RequestError: as `infill`.
        UsageError: as `infill`.
    """
    hole = request.hole
    budget = prompt_budget(engine, options, request.max_prompt_tokens)
    before_prefix, spent = fitting(request.related, round(budget * RELATED_SHARE), engine.count_tokens)
    asked = build_request(hole, max_prompt_tokens=budget - spent, count_tokens=engine.count_tokens, cells=request.cells)
    placement = hole.placement
    closing = _on_its_line(request.anchors.closing, placement, hole)
    asked = with_anchors(replace(asked, prefix=before_prefix + asked.prefix), request.anchors, closing)
    if request.earlier:
        prior = request.earlier.rest_at(hole)
        asked = replace(asked, prior=_within(prior, placement.before, single_line=asked.single_line))
    checker, ending = DraftChecker(hole), HoleEnding(hole)
    document = hole.snapshot.uri
    return replace(asked, syntax=checker, ending=ending, first_words=ending.first_words, document=document)


def with_anchors(request: InfillRequest, anchors: Anchors, closing: str) -> InfillRequest:
    """A request whose middle must hold the anchors, and end with their closing text as it stands in the hole.

    Raises:
        UsageError: an anchor cannot stand in this hole.
    """
    try:
        return replace(request, keep=anchors.keep, closing=closing)
    except ValueError as error:
        raise UsageError(f"{error}.") from error


def prompt_budget(engine: InfillEngine, options: DecodeOptions, max_prompt_tokens: int | None) -> int:
    """Tokens for prefix and suffix: half of the context at least, however long a middle the caller allows.

    Args:
        engine: What the prompt is for.
        options: Its middle may be so long.
        max_prompt_tokens: Upper bound; None is as many as suit the engine's device.
    """
    room = engine.context_length - min(options.max_middle_tokens, engine.context_length // 2)
    return min(room, max_prompt_tokens or usual_prompt_tokens(is_cpu=engine.device == "cpu"))


def placed(draft: Draft, before: str) -> Draft:
    """A draft of what `infill_request` asks, as it would stand in the hole, after what its placement puts before it."""
    if not before or not draft.num_tokens:
        return draft
    # No token of the canvas, so that it counts neither as progress nor in the confidence.
    num_final = draft.num_final + 1 if draft.num_final else 0  # a draft that may yet become empty takes it along
    return replace(draft, pieces=(Piece(before, "committed", 1.0, 0), *draft.pieces), num_final=num_final)


def finish(hole: Hole, draft: Draft) -> tuple[RankedFill, ...]:
    """Turn the candidates of a finished draft into fills.

    Returns:
        The fills without empty ones and duplicates: first those that add no syntax error, otherwise in the order of
        the candidates. None at all where there is nothing to show.
    """
    by_text: dict[str, RankedFill] = {}
    for candidate in draft.candidates:
        fill = present(hole, candidate.text)
        if fill.text:
            by_text.setdefault(fill.text, RankedFill(fill, candidate))
    return tuple(sorted(by_text.values(), key=lambda ranked: not ranked.fill.parse_valid))


class Outcome(NamedTuple):
    """What there is to show of a finished draft.

    Attributes:
        fills: Best first.
        reason: Why there are none: a sentence without its capital and its full stop, so that a name may follow.
    """

    fills: tuple[RankedFill, ...]
    reason: str = ""


def fills_of(
    request: HoleRequest,
    draft: Draft,
    *,
    require_valid: bool,
    ended: Callable[[RankedFill], RankedFill] = lambda ranked: ranked,
) -> Outcome:
    """The fills of a finished draft that are what was asked for.

    Args:
        request: Says what they must hold: what `present` cut to make a text fit may have been some of it.
        draft: Has a finish reason.
        require_valid: Rather none than one that adds syntax errors.
        ended: Ends a fill earlier, before it is judged.
    """
    hole, anchors = request.hole, request.anchors
    found = [*map(ended, finish(hole, draft))]
    anchored = [each for each in found if anchors.are_in(each.fill.text, hole.suffix)]
    fills = tuple(each for each in anchored if each.fill.parse_valid or not require_valid)
    if fills:
        return Outcome(fills)
    if anchored:
        return Outcome((), "the model has nothing but fills that add syntax errors for this hole")
    if found:
        return Outcome((), "the model has nothing that holds keep and closing for this hole")
    return Outcome((), _nothing_reason(hole, draft.candidates))


def too_late(options: DecodeOptions, name: str) -> str:
    """Why the deadline left nothing to show: as `Outcome.reason`, but whole.

    Args:
        options: With a deadline.
        name: What whoever reads it calls that option.
    """
    return f"within {options.deadline_ms:g} ms nothing came that could be shown; a longer {name} may help"


def fill_hole(
    engine: InfillEngine,
    request: HoleRequest,
    options: DecodeOptions,
    cancel: CancelToken,
    offer: Callable[[Draft], object],
    *,
    require_valid: bool,
) -> Filled:
    """Denoise one hole to the end, `offer` being called with every draft; otherwise as `infill` and `fills_of`.

    Raises:
        NothingToShowError: there is no fill, or it was cancelled.
    """
    draft = None
    for draft in infill(engine, request, options, cancel):
        if cancel.is_cancelled:
            raise NothingToShowError("nobody waits for it")
        offer(draft)
    if draft is None:
        raise NothingToShowError("the model has nothing for this hole")
    fills, reason = fills_of(request, draft, require_valid=require_valid)
    if not fills:
        is_late = draft.finish_reason == "deadline"
        raise NothingToShowError(too_late(options, "deadlineMs") if is_late else reason)
    return Filled(draft, fills)


def _nothing_reason(hole: Hole, candidates: Sequence[Candidate]) -> str:
    """Why no candidate of a finished draft comes to a fill."""
    if not hole.replaced.strip():
        presented = (present(hole, candidate.text) for candidate in candidates)
        if any(fill.parse_valid and not fill.text for fill in presented):
            return "nothing is missing: the model only repeats what follows this hole"
    if hole.kind == "line" and hole.is_at_end_of_whole_line:
        return "the model adds nothing to this line; on the next one it may"
    return "the model has nothing for this hole"


def _on_its_line(closing: str, placement: Placement, hole: Hole) -> str:
    is_statement = closing and hole.kind in {"body", "statement", "statements"}
    return f"\n{placement.indent}{closing.strip()}" if is_statement else closing


def _within(prior: Sequence[Piece], before: str, *, single_line: bool) -> tuple[Piece, ...]:
    """The part of a draft that the engine may reuse: without what it takes for granted, and of one line if need be."""
    if before and "".join(piece.text for piece in prior).startswith(before):
        prior = behind(prior, len(before))
    if not single_line:
        return tuple(prior)
    line = []
    for piece in prior:
        text, line_break, _ = piece.text.partition("\n")
        line.append(replace(piece, text=text))
        if line_break:
            break
    return tuple(line)
