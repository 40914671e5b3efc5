"""What the packaged weights write around texts that must be kept, as the document would take it."""

import pytest

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fills import Anchors
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.infilling import fills_of, infill
from dlm_lsp.languages import language_for
from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken, DecodeOptions

AREA = 'def area(width, height):\n    """Return the area of a rectangle."""\n    @\n'
PUSH = "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n        @\n"
FEW_FORWARDS = 40


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The packaged weights, on a CPU."""
    return load_engine(None, "cpu")


@pytest.mark.parametrize(
    ("document", "anchors", "guide", "expected"),
    [
        (AREA, Anchors(closing="return result"), None, "result = width * height\n    return result"),
        (AREA, Anchors(closing="return result"), "none", "result = width * height\n    return result"),
        (PUSH, Anchors(closing="return self"), None, "self.items.append(item)\n        return self"),
    ],
    ids=["defines-what-is-returned", "without-a-guide", "acts-before-it-returns"],
)
def test_the_statements_before_a_closing_line_lead_to_it(
    engine: Engine, document: str, anchors: Anchors, guide: str | None, expected: str
) -> None:
    place = document.index("@")
    snapshot = Snapshot.parse("file:///a.py", language_for("a.py", None), document.replace("@", ""))
    request = HoleRequest(find_hole(snapshot, place), DecodeOptions(guide=guide), anchors=anchors)
    *_, draft = infill(engine, request, CancelToken())
    best, *_ = fills_of(request, draft).fills
    assert best.fill.parse_valid
    assert best.fill.text.strip() == expected
    assert draft.num_forwards <= FEW_FORWARDS
