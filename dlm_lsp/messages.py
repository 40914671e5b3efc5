"""Our own methods in addition to standard LSP, and their payloads: the contract that `editors/` is written against.

Fields travel in camelCase. Character columns, and the offsets of `stableRanges`, count units of the negotiated position
encoding: UTF-16 code units for VS Code, bytes for Neovim.
"""

from dataclasses import dataclass, fields
from typing import Literal

from lsprotocol.types import Command, Range

from dlm_model.request import FinishReason

DRAFT = "dlmLsp/draft"
"""Server → client notification with `DraftParams`, only to clients that set the option `drafts`."""

STATUS = "dlmLsp/status"
"""Server → client notification with `StatusParams`, sent when it changes."""

INFILL_RANGE = "dlmLsp.infillRange"
"""`workspace/executeCommand`, arguments `[uri, range, options?]`, result `InfillRangeResult`.

An empty range asks for the hole at that position, such as the whole function body; options are those of `decode`, and
three more: `apply`, where false brings the text without editing the document, and `keep`, a list of texts, and
`closing`, a text, for what the fill must hold and end with.
"""

DESCRIBE_ENGINE = "dlmLsp.describeEngine"
"""`workspace/executeCommand` of our own command line: loads the engine, result `EngineFacts`, by name."""

INFILL_HOLE = "dlmLsp.infillHole"
"""`workspace/executeCommand` of our own command line, arguments and drafts as in `hole_wire`.

This one and the one above are not advertised: editors would offer them to their users.
"""

INFILL_DRAFT = "dlmLsp/infillDraft"
"""Server → client notification with a draft of the hole that `INFILL_HOLE` asked for."""

DID_ACCEPT = "dlmLsp.didAccept"
"""`workspace/executeCommand`, arguments `[id]`: the command of every item, for editors to run once it was inserted."""

DID_SHOW_COMPLETION = "textDocument/didShowCompletion"
"""Client → server notification `{item}`, as Copilot's server has it; counted."""

DID_PARTIALLY_ACCEPT_COMPLETION = "textDocument/didPartiallyAcceptCompletion"
"""Client → server notification `{item}`, as Copilot's server has it; how much was accepted is not asked. Counted."""

SECTION = "dlm-lsp"
"""The section of `workspace/configuration`, and of the settings in `workspace/didChangeConfiguration`."""

StatusState = Literal["normal", "busy", "warning", "error", "inactive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftParams:
    """The middle as it stands after a step. The last one of a request has a finish reason; a cancelled one has no last.

    Attributes:
        uri: Of the document.
        version: Of the document that the draft is for; drop the draft when the document has moved on.
        request_id: JSON-RPC id of the request that is being answered.
        range: What the final text is going to replace.
        text: Committed and probable text, with the line break or indentation it needs before it, and before anything is
            trimmed; `…` stands for each stretch of which nothing is known yet. Lines end in `\\n` alone.
        step: Denoise steps done.
        num_steps: Steps the decoder may take at most.
        stable_ranges: Half-open ranges of `text` that will not change any more.
        confidence: Geometric mean of the positions' probabilities, in [0, 1]; 0 while one of them has no guess.
        finish_reason: None while the draft sharpens; never `cancelled`, which the request's error says.
    """

    uri: str
    version: int | None
    request_id: int | str | None
    range: Range
    text: str
    step: int
    num_steps: int
    stable_ranges: tuple[tuple[int, int], ...]
    confidence: float
    finish_reason: FinishReason | None


@dataclass(frozen=True, slots=True)
class StatusParams:
    """What the daemon is doing, or why nothing is shown.

    Attributes:
        state: `normal` ready; `busy` loading or denoising; `warning` an option or this request is at fault; `error`
            no request can be served; `inactive` this document or position gets nothing, by rule.
        message: One sentence for people; empty when there is nothing to add.
        command: A command that would help, if there is one.
    """

    state: StatusState
    message: str = ""
    command: Command | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InfillRangeResult:
    """What `dlmLsp.infillRange` did.

    Attributes:
        uri: Of the document.
        version: Of the document that the range belongs to.
        range: What the text replaces.
        text: The fill, with the line endings of the document.
        applied: Whether the client took the edit; where it cannot, it may apply the text itself.
        parse_valid: Whether the document parses no worse with the fill.
        confidence: Of the candidate, in [0, 1].
        finish_reason: Why the text ends, which of several candidates may differ from why the last one did.
    """

    uri: str
    version: int | None
    range: Range
    text: str
    applied: bool
    parse_valid: bool
    confidence: float
    finish_reason: FinishReason | None


def to_wire(payload: DraftParams | StatusParams | InfillRangeResult) -> dict[str, object]:
    """A payload as JSON sends it: camelCase names; what stands inside is left to pygls."""
    return {_camel_case(each.name): getattr(payload, each.name) for each in fields(payload)}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
