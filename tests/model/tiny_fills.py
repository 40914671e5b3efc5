"""Fills by tiny engines, run to their end, and a checker that none of them satisfies."""

from collections.abc import Sequence

from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine
from dlm_model.request import CancelToken, Draft, InfillRequest


class AlwaysWrong:
    """A checker that finds an error in every text."""

    def errors(self, middle: str) -> Sequence[tuple[int, int]]:
        """See `dlm_model.request.SyntaxChecker`."""
        return [(0, len(middle))]


REQUEST = InfillRequest("def foo(self, value):\n    ret", "urn value\n")


def drafts(
    engine: Engine, request: InfillRequest = REQUEST, cancel: CancelToken | None = None, **options: object
) -> list[Draft]:
    """All drafts of a request, decoded with these options and the defaults for all others."""
    return list(engine.infill(request, DecodeOptions(**options), cancel or CancelToken()))  # type: ignore[arg-type]
