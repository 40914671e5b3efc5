"""Counts which of the completions offered to one client were shown and accepted. Lives on the event loop."""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from dlm_lsp.documents.document_store import DocumentStore
from dlm_lsp.errors import DlmLspError
from dlm_lsp.stats import Stats, stats_path

logger = logging.getLogger(__name__)

MAX_OFFERS = 128
KEPT_AFTER_SECONDS = 30.0
FLUSH_AFTER_SECONDS = 10.0


@dataclass(slots=True)
class Offer:
    """One answer of the model, however often the rest of it is served again.

    Attributes:
        uri: Of the document.
        language_id: Of the document.
        texts: The alternatives.
        counted: The events counted for it; each counts once.
    """

    uri: str
    language_id: str
    texts: tuple[str, ...]
    counted: set[str] = field(default_factory=set)


class AcceptanceLog:
    """The latest offers to a client, and the counts that are not written yet."""

    def __init__(self, documents: DocumentStore) -> None:
        """Count nothing yet.

        Args:
            documents: Where accepted text is looked for later.
        """
        self.stats = Stats()
        self._documents = documents
        self._offers: OrderedDict[str, Offer] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, offer_id: str, offer: Offer) -> None:
        """Record an answer to the client; serving the rest of it again is the same offer."""
        if offer_id in self._offers:
            return
        self._offers[offer_id] = offer
        while len(self._offers) > MAX_OFFERS:
            self._offers.popitem(last=False)
        self._count(offer, "offered")

    def record(self, offer_id: object, event: Literal["shown", "accepted", "partial"]) -> None:
        """Count what became of an offer; nothing, if it was forgotten or never made."""
        offer = self._offers.get(offer_id) if isinstance(offer_id, str) else None
        if offer is None or event in offer.counted:
            return
        self._count(offer, event)
        if event == "accepted":
            asyncio.get_running_loop().call_later(KEPT_AFTER_SECONDS, self._check, offer)

    def flush(self) -> None:
        """Write the counts to disk; if that fails, they wait for the next time."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        try:
            self.stats.flush(stats_path())
        except OSError as error:
            logger.warning("%s cannot be written: %s", stats_path(), error.strerror or error)

    def _count(self, offer: Offer, event: Literal["offered", "shown", "accepted", "partial"]) -> None:
        offer.counted.add(event)
        self.stats.count(offer.language_id, event)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_AFTER_SECONDS, self.flush)

    def _check(self, offer: Offer) -> None:
        try:
            text = self._documents.snapshot(offer.uri).text
        except DlmLspError:  # closed: nobody can tell
            return
        share = max(map(partial(kept_share, text), offer.texts))
        self.stats.count(offer.language_id, "kept_checked")
        self.stats.count(offer.language_id, "kept", round(100 * share))
        self.flush()


def kept_share(document: str, text: str) -> float:
    """The share of a text's lines that are anywhere in a document; blank lines and indentation do not count."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return sum(line in document for line in lines) / len(lines) if lines else 0.0
