"""A hole, how to fill it, and its drafts, as JSON: what `dlm-lsp infill --connect` and the daemon tell each other.

Both are of one version, as the client makes sure, so that this is no contract with anyone else. Editors need none of
it: their documents are open in the daemon.
"""

from dataclasses import asdict
from typing import Any, get_args

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.errors import UsageError
from dlm_lsp.fills import Anchors
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.hole import Hole, HoleKind
from dlm_lsp.languages import language_for
from dlm_lsp.options import DECODE_OPTION_NAMES, parse_options, with_options
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import Candidate, Draft, Piece

Json = dict[str, Any]

_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("uri", "language", "text", "kind", "closing"), (str,)),
    **dict.fromkeys(("start", "end", "num_statements"), (int,)),
    "max_prompt_tokens": (int, type(None)),
    "keep": (list,),
    "options": (dict,),
}
"""The types that the parts of a request have in JSON."""


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
    if not _is_request(sent):
        raise UsageError("the argument is none that `dlm-lsp infill --connect` sends")
    parsed = parse_options(sent["options"], allowed=DECODE_OPTION_NAMES)
    if parsed.problems:
        raise UsageError("; ".join(parsed.problems))
    snapshot = Snapshot.parse(sent["uri"], language_for(None, sent["language"]), sent["text"])
    hole = Hole(snapshot, sent["start"], sent["end"], sent["kind"], sent["num_statements"])
    options, anchors = with_options(DecodeOptions(), parsed.options), Anchors(tuple(sent["keep"]), sent["closing"])
    return HoleRequest(hole, options, max_prompt_tokens=sent["max_prompt_tokens"], anchors=anchors)


def _is_request(sent: object) -> bool:
    """Whether every part is there, and of its kind."""
    if not isinstance(sent, dict) or not all(type(sent.get(name)) in kinds for name, kinds in _KINDS.items()):
        return False
    is_inside = 0 <= sent["start"] <= sent["end"] <= len(sent["text"])
    return is_inside and sent["kind"] in get_args(HoleKind) and all(isinstance(text, str) for text in sent["keep"])


def draft_to_json(draft: Draft) -> Json:
    """A draft with all of its pieces and candidates."""
    return asdict(draft)


def draft_from_json(draft: Json) -> Draft:
    """What `draft_to_json` was given."""
    pieces = tuple(Piece(**piece) for piece in draft["pieces"])
    candidates = tuple(Candidate(**candidate) for candidate in draft["candidates"])
    return Draft(**draft | {"pieces": pieces, "candidates": candidates})
