"""A hole, how to fill it, and its drafts, as JSON: what `dlm-lsp infill --connect` and the daemon tell each other.

Both are of one version, as the client makes sure, so that this is no contract with anyone else. Editors need none of
it: their documents are open in the daemon.
"""

from dataclasses import asdict
from typing import Any

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.errors import UsageError
from dlm_lsp.fills import Anchors
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.hole import Hole
from dlm_lsp.languages import language_for
from dlm_lsp.options import DECODE_OPTION_NAMES, parse_options, with_options
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import Candidate, Draft, Piece

Json = dict[str, Any]


def request_to_json(request: HoleRequest) -> Json:
    """A hole in a text that no editor has open, and how to denoise it; the command judges the rest."""
    hole, anchors = request.hole, request.anchors
    return {
        "uri": hole.snapshot.uri,
        "language": hole.language.id,
        "text": hole.snapshot.text,
        "start": hole.start,
        "end": hole.end,
        "kind": hole.kind,
        "num_statements": hole.num_statements,
        "max_prompt_tokens": request.max_prompt_tokens,
        "keep": list(anchors.keep),
        "closing": anchors.closing,
        "options": {name: getattr(request.options, name) for name in sorted(DECODE_OPTION_NAMES)},
    }


def request_from_json(sent: Any) -> HoleRequest:  # noqa: ANN401 - whatever came
    """What `request_to_json` was given; the text is parsed, which takes its time.

    Raises:
        UsageError: it is nothing of the kind.
        UnsupportedLanguageError: there is no such language.
    """
    try:
        parsed = parse_options(sent["options"], allowed=DECODE_OPTION_NAMES)
        language = language_for(None, sent["language"])
        where = sent["start"], sent["end"], sent["kind"], sent["num_statements"]
        anchors = Anchors(tuple(sent["keep"]), sent["closing"])
        text, uri, max_prompt_tokens = sent["text"], sent["uri"], sent["max_prompt_tokens"]
    except (LookupError, TypeError) as error:
        raise UsageError("the argument is none that `dlm-lsp infill --connect` sends") from error
    if parsed.problems:
        raise UsageError("; ".join(parsed.problems))
    hole = Hole(Snapshot.parse(uri, language, text), *where)
    options = with_options(DecodeOptions(), parsed.options)
    return HoleRequest(hole, options, max_prompt_tokens=max_prompt_tokens, anchors=anchors)


def draft_to_json(draft: Draft) -> Json:
    """A draft with all of its pieces and candidates."""
    return asdict(draft)


def draft_from_json(draft: Json) -> Draft:
    """What `draft_to_json` was given."""
    pieces = tuple(Piece(**piece) for piece in draft["pieces"])
    candidates = tuple(Candidate(**candidate) for candidate in draft["candidates"])
    return Draft(**draft | {"pieces": pieces, "candidates": candidates})
