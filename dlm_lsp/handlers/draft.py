"""dlmLsp/draft: the text of the canvas while it sharpens, in the client's own units."""

from collections.abc import Iterable, Iterator

from dlm_lsp.documents.positions import PositionEncoding
from dlm_lsp.draft_text import Stretch, visible_stretches
from dlm_lsp.drafts import DraftFeed
from dlm_lsp.fill_run import FillRun
from dlm_lsp.ghost_text import range_of
from dlm_lsp.keystrokes.goal import rest_of
from dlm_lsp.messages import DRAFT, DraftParams, to_wire
from dlm_lsp.session import DlmLanguageServer
from dlm_model.request import Draft

_BYTES_PER_UNIT = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


def draft_feed(server: DlmLanguageServer, run: FillRun) -> DraftFeed | None:
    """The feed that sends a run's drafts to the client, each from the place where its rest begins by then.

    None for a client that did not ask for them.
    """
    if not server.settings.drafts:
        return None
    encoding = server.position_encoding

    def send(draft: Draft) -> None:
        site = run.site
        rest = rest_of(draft.text, site.typed)
        # The feed is closed one turn of the loop after a run was cancelled: a draft that is due may lie between them.
        if rest is None or run.is_cancelled:
            return
        shown = list(visible_stretches(draft, len(draft.text) - len(rest)))
        params = DraftParams(
            uri=site.snapshot.uri,
            version=site.snapshot.version,
            request_id=run.request_id,
            range=range_of(site.snapshot, site.start, site.end, encoding),
            text="".join(stretch.text for stretch in shown),
            step=draft.step,
            num_steps=draft.num_steps,
            stable_ranges=tuple(_stable_ranges(shown, encoding)),
            confidence=draft.confidence,
            finish_reason=draft.finish_reason,
        )
        server.protocol.notify(DRAFT, to_wire(params))

    return DraftFeed(send, interval=server.settings.draft_interval_ms / 1000)


def _stable_ranges(shown: Iterable[Stretch], encoding: PositionEncoding) -> Iterator[tuple[int, int]]:
    """In the client's units: bytes, UTF-16 code units or code points."""
    codec = encoding if encoding == "utf-8" else f"{encoding}-le"
    end = 0
    for text, is_stable in shown:
        start, end = end, end + len(text.encode(codec, "surrogatepass")) // _BYTES_PER_UNIT[encoding]
        if is_stable:
            yield start, end
