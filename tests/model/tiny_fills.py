"""Fills by tiny engines, run to their end."""

from dlm_model.engine import Engine
from dlm_model.request import CancelToken, DecodeOptions, Draft, InfillRequest

REQUEST = InfillRequest("def foo(self, value):\n    ret", "urn value\n")


def drafts(
    engine: Engine, request: InfillRequest = REQUEST, cancel: CancelToken | None = None, **options: object
) -> list[Draft]:
    """All drafts of a request, decoded with these options and the defaults for all others."""
    return list(engine.infill(request, DecodeOptions(**options), cancel or CancelToken()))  # type: ignore[arg-type]
