"""One hole, from document to fill: what the command line and both servers share.

    HoleRequest ─build_request→ InfillRequest ─engine→ Draft, Draft, …, Draft ─present→ RankedFill, RankedFill, …

Over HTTP and in a race, the caller runs the engine itself, on an `infill_request`. Knows no protocol, no terminal and
no thread: the caller decides where the generator runs and how a draft is shown.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from dlm_lsp.documents.cells import NO_CELLS
from dlm_lsp.errors import NothingToShowError, UsageError
from dlm_lsp.fills import Anchors, Filled, RankedFill
from dlm_lsp.fitting.hole_ending import HoleEnding
from dlm_lsp.fitting.presentation import present
from dlm_lsp.fitting.syntax_check import DraftChecker, adds_no_error
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.hole import Hole
from dlm_lsp.keystrokes.warm_start import pieces_after
from dlm_lsp.options import usual_prompt_tokens
from dlm_lsp.prompt.context import build_request
from dlm_lsp.prompt.related import take_within
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import CancelToken, Candidate, Draft, InfillEngine, InfillRequest, Piece

RELATED_SHARE = 0.25
"""Share of the prompt that lines of other files may take: they matter less than the code beside the hole."""


def infill(engine: InfillEngine, request: HoleRequest, cancel: CancelToken) -> Iterator[Draft]:
    """Denoise one hole, one draft per step; the last draft has a finish reason.

    A draft's text is ready for the hole: it begins with the line break or indentation that the prompt ends with. Its
    candidates are the engine's own.

    Nothing runs before the first `next()`, so the generator may be made on one thread and driven on another.

    Args:
        engine: Fills requests.
        request: The hole, and how to denoise it.
        cancel: Polled once per step.

    Raises:
        NothingToShowError: the document is blank outside the hole.
        RequestError: the request does not fit the model's context.
        UsageError: an anchor cannot stand in this hole.
    """
    hole = request.hole
    reason = nothing_to_go_by(hole.prefix, hole.suffix, "the document is blank around the hole")
    if reason and request.cells == NO_CELLS:
        raise NothingToShowError(reason)
    for draft in engine.infill(infill_request(engine, request), request.options, cancel):
        yield placed(draft, hole.placement.before)


def nothing_to_go_by(before: str, after: str, what_is_blank: str) -> str | None:
    """Why no model is asked to write between two blank texts; None if one of them is not blank.

    Args:
        before: The text before the hole.
        after: The text after it.
        what_is_blank: The beginning of the reason.
    """
    return None if before.strip() or after.strip() else f"{what_is_blank}, so there is nothing to go by"


def infill_request(engine: InfillEngine, request: HoleRequest) -> InfillRequest:
    """The request that `infill` makes of the engine.

    Raises:
        RequestError: as `infill`.
        UsageError: as `infill`.
    """
    hole = request.hole
    budget = prompt_budget(engine, request.options, request.max_prompt_tokens)
    before_prefix, spent = take_within(request.related, round(budget * RELATED_SHARE), engine.count_tokens)
    asked = build_request(hole, max_prompt_tokens=budget - spent, count_tokens=engine.count_tokens, cells=request.cells)
    closing = _on_its_line(request.anchors.closing, hole)
    asked = with_anchors(replace(asked, prefix=before_prefix + asked.prefix), request.anchors, closing)
    if request.earlier:
        prior = request.earlier.rest_at(hole)
        asked = replace(asked, prior=_within(prior, hole.placement.before, single_line=asked.single_line))
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
    """Tokens for prefix and suffix: at least half of the context, however long a middle the options allow.

    Args:
        engine: Reads the prompt.
        options: Say how long the middle may be.
        max_prompt_tokens: Upper bound; None is as many as suit the engine's device.
    """
    room = engine.context_length - min(options.max_middle_tokens, engine.context_length // 2)
    return min(room, max_prompt_tokens or usual_prompt_tokens(is_cpu=engine.device == "cpu"))


def placed(draft: Draft, before: str) -> Draft:
    """A draft as it would stand in the hole: with the line break or indentation that its placement puts before it."""
    if not before or not draft.num_tokens:
        return draft
    # No token of the canvas, so that it counts neither as progress nor in the confidence.
    num_final = draft.num_final + 1 if draft.num_final else 0  # a draft that may yet become empty takes it along
    return replace(draft, pieces=(Piece(before, "committed", 1.0, 0), *draft.pieces), num_final=num_final)


def present_candidates(hole: Hole, draft: Draft) -> tuple[RankedFill, ...]:
    """Turn the candidates of a finished draft into fills.

    Returns:
        The fills, without empty ones and duplicates: first those that add no syntax error, otherwise in the order of
        the candidates. Empty if there is nothing to show.
    """
    by_text: dict[str, RankedFill] = {}
    for candidate in draft.candidates:
        fill = present(hole, candidate.text)
        if fill.text:
            by_text.setdefault(fill.text, RankedFill(fill, candidate))
    return tuple(sorted(by_text.values(), key=lambda ranked: not ranked.fill.parse_valid))


class Outcome(NamedTuple):
    """The fills of a finished draft, or why there are none.

    Attributes:
        fills: Best first.
        reason: Why there are none: a sentence without its capital and its full stop.
    """

    fills: tuple[RankedFill, ...]
    reason: str = ""


def fills_of(
    request: HoleRequest,
    draft: Draft,
    *,
    ended: Callable[[RankedFill], RankedFill] = lambda ranked: ranked,
    place: str = "this hole",
    deadline_option: str = "deadlineMs",
) -> Outcome:
    """The fills of a finished draft that meet the request.

    Args:
        request: Says what they must hold, which `present` may have cut to make a text fit.
        draft: Has a finish reason.
        ended: Ends a fill earlier, before it is judged.
        place: The hole, in the reader's words.
        deadline_option: `DecodeOptions.deadline_ms`, in the reader's spelling.
    """
    hole, anchors = request.hole, request.anchors
    found = [_judged(request, ended(ranked)) for ranked in present_candidates(hole, draft)]
    found.sort(key=lambda ranked: not ranked.fill.parse_valid)
    anchored = [each for each in found if anchors.are_in(each.fill.text, hole.suffix)]
    fills = tuple(each for each in anchored if each.fill.parse_valid or not request.require_valid)
    if fills:
        return Outcome(fills)
    if draft.finish_reason == "deadline":
        limit = f"within {request.options.deadline_ms:g} ms"
        return Outcome((), f"the model wrote nothing that could be shown {limit}; a longer {deadline_option} may help")
    if anchored:
        return Outcome((), f"the model has nothing but fills that add syntax errors for {place}")
    if found:
        return Outcome((), f"the model has nothing with the texts of `keep` and `closing` for {place}")
    return Outcome((), _nothing_reason(hole, draft.candidates, place))


def fill_hole(
    engine: InfillEngine, request: HoleRequest, cancel: CancelToken, offer: Callable[[Draft], object]
) -> Filled:
    """Denoise one hole to the end, `offer` being called with every draft; otherwise as `infill` and `fills_of`.

    Raises:
        NothingToShowError: there is no fill, or it was cancelled.
    """
    draft = None
    for draft in infill(engine, request, cancel):
        if cancel.is_cancelled:
            raise NothingToShowError("the request was cancelled")
        offer(draft)
    if draft is None:
        raise NothingToShowError("the model has nothing for this hole")
    fills, reason = fills_of(request, draft)
    if not fills:
        raise NothingToShowError(reason)
    return Filled(draft, fills)


def _judged(request: HoleRequest, ranked: RankedFill) -> RankedFill:
    """A fill that is valid only if it is so in the whole document, unless somebody goes on typing there."""
    fill = ranked.fill
    if request.is_typed or not fill.parse_valid or adds_no_error(request.hole, fill):
        return ranked
    return replace(ranked, fill=replace(fill, parse_valid=False))


def _nothing_reason(hole: Hole, candidates: Sequence[Candidate], place: str) -> str:
    """Why no candidate of a finished draft comes to a fill."""
    if not hole.replaced.strip():
        presented = (present(hole, candidate.text) for candidate in candidates)
        if any(fill.parse_valid and not fill.text for fill in presented):
            return f"nothing is missing: the model only repeats what follows {place}"
    if hole.kind == "line" and hole.is_at_end_of_whole_line:
        return "the model adds nothing to this line; it may on the next one"
    return f"the model has nothing for {place}"


def _on_its_line(closing: str, hole: Hole) -> str:
    is_statement = closing and hole.kind in {"body", "statement", "statements"}
    return f"\n{hole.placement.indent}{closing.strip()}" if is_statement else closing


def _within(prior: Sequence[Piece], before: str, *, single_line: bool) -> tuple[Piece, ...]:
    """The part of a draft that the engine may reuse: without what it takes for granted, and of one line if need be."""
    if before and "".join(piece.text for piece in prior).startswith(before):
        prior = pieces_after(prior, len(before))
    if not single_line:
        return tuple(prior)
    line = []
    for piece in prior:
        text, line_break, _ = piece.text.partition("\n")
        line.append(replace(piece, text=text))
        if line_break:
            break
    return tuple(line)
