"""One hole, from document to fill: the path that the command line and the language server share.

    snapshot, hole ─build_request→ InfillRequest ─engine→ Draft, Draft, …, Draft ─present→ RankedFill, RankedFill, …

Knows no protocol, no terminal and no thread: the caller decides where the generator runs and what a draft is shown on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dlm_lsp.context import build_request
from dlm_lsp.documents import Snapshot
from dlm_lsp.holes import Hole
from dlm_lsp.placement import place
from dlm_lsp.presentation import Fill, present
from dlm_lsp.related import fitting
from dlm_model.request import CancelToken, Candidate, DecodeOptions, Draft, InfillEngine, Piece

RELATED_SHARE = 0.25  # of the prompt: other files matter less than the code beside the hole


@dataclass(frozen=True, slots=True)
class RankedFill:
    """One alternative as the document would take it.

    Attributes:
        fill: What to write where.
        candidate: The engine's own text and certainty behind it.
    """

    fill: Fill
    candidate: Candidate


def infill(
    engine: InfillEngine,
    snapshot: Snapshot,
    hole: Hole,
    options: DecodeOptions,
    cancel: CancelToken,
    *,
    max_prompt_tokens: int | None = None,
    related: Sequence[str] = (),
) -> Iterator[Draft]:
    """Denoise one hole, one draft per step; the last draft has a finish reason.

    A draft's text is what would stand in the hole: it begins with the line break or indentation that the engine took
    for granted. Its candidates are the engine's own.

    Nothing runs before the first `next()`, so the generator may be made on one thread and driven on another.

    Args:
        engine: Whatever fills requests.
        snapshot: The document, which no later edit changes.
        hole: What to replace, in character offsets of the snapshot.
        options: How to denoise.
        cancel: Polled once per step.
        max_prompt_tokens: Upper bound on prefix and suffix together; None for as much as the model's context holds.
        related: Lines about other files, the most important first; they get a quarter of the prompt at most.

    Raises:
        RequestError: the request does not fit the model's context.
    """
    # At least half of the context is left to the prompt, however long a middle the caller allows.
    room = engine.context_length - min(options.max_middle_tokens, engine.context_length // 2)
    budget = room if max_prompt_tokens is None else min(room, max_prompt_tokens)
    before_prefix, spent = fitting(related, round(budget * RELATED_SHARE), engine.count_tokens)
    request = build_request(snapshot, hole, max_prompt_tokens=budget - spent, count_tokens=engine.count_tokens)
    request = replace(request, prefix=before_prefix + request.prefix)
    before = place(snapshot, hole).before
    for draft in engine.infill(request, options, cancel):
        yield _placed(draft, before)


def finish(snapshot: Snapshot, hole: Hole, draft: Draft) -> tuple[RankedFill, ...]:
    """Turn a finished draft into fills: without the empty ones and the doubles, parse-valid first, then by confidence.

    An empty tuple means that there is nothing to show.
    """
    by_text: dict[str, RankedFill] = {}
    for candidate in sorted(draft.candidates, key=lambda candidate: -candidate.confidence):
        fill = present(snapshot, hole, candidate.text)
        if fill.text:
            by_text.setdefault(fill.text, RankedFill(fill, candidate))
    return tuple(sorted(by_text.values(), key=lambda ranked: not ranked.fill.parse_valid))


def _placed(draft: Draft, before: str) -> Draft:
    if not before or not draft.num_tokens:
        return draft
    # No token of the canvas, so that it counts neither as progress nor in the confidence.
    return replace(draft, pieces=(Piece(before, "committed", 1.0, 0), *draft.pieces))
