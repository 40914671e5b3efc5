"""dlmLsp/draft: what the canvas holds while it sharpens, in the client's own units."""

from dlm_lsp.documents import Snapshot
from dlm_lsp.drafts import DraftFeed
from dlm_lsp.ghost_text import range_of
from dlm_lsp.holes import Hole
from dlm_lsp.messages import DRAFT, DraftParams, to_wire
from dlm_lsp.positions import PositionEncoding
from dlm_lsp.session import DlmLanguageServer
from dlm_model.request import Draft

_BYTES_PER_UNIT = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


def draft_feed(server: DlmLanguageServer, snapshot: Snapshot, hole: Hole) -> DraftFeed | None:
    """Where the drafts of the request that is being handled go; None for a client that did not ask for them."""
    if not server.settings.drafts:
        return None
    encoding, request_id = server.position_encoding, server.protocol.msg_id
    replaced = range_of(snapshot, hole.start, hole.end, encoding)

    def send(draft: Draft) -> None:
        params = DraftParams(
            uri=snapshot.uri,
            version=snapshot.version,
            request_id=request_id,
            range=replaced,
            text=draft.text,
            step=draft.step,
            num_steps=draft.num_steps,
            stable_ranges=_stable_ranges(draft, encoding),
            confidence=draft.confidence,
            finish_reason=draft.finish_reason,
        )
        server.protocol.notify(DRAFT, to_wire(params))

    return DraftFeed(send, interval=server.settings.draft_interval_ms / 1000)


def _stable_ranges(draft: Draft, encoding: PositionEncoding) -> tuple[tuple[int, int], ...]:
    """In the client's units: bytes, UTF-16 code units or code points of the draft's text."""
    codec = encoding if encoding == "utf-8" else f"{encoding}-le"

    def units(end: int) -> int:
        return len(draft.text[:end].encode(codec, "surrogatepass")) // _BYTES_PER_UNIT[encoding]

    return tuple((units(start), units(end)) for start, end in draft.stable_ranges)
