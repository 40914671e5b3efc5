"""One hole to be filled, and how: a value only, without the code that fills it.

So a server can answer `initialize` before it imports that code.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from dlm_lsp.documents.cells import NO_CELLS, Cells
from dlm_lsp.fills import NO_ANCHORS, Anchors
from dlm_lsp.holes.hole import Hole
from dlm_lsp.keystrokes.warm_start import EarlierDraft
from dlm_model.decode_options import DecodeOptions


@dataclass(frozen=True, slots=True)
class HoleRequest:
    """One hole of a document to be filled, before it becomes the engine's `InfillRequest`.

    Attributes:
        hole: What to replace.
        options: How to denoise.
        max_prompt_tokens: Upper bound on prefix and suffix together; None is as many as suit the engine's device.
        anchors: Leave out fills that do not hold them.
        require_valid: Leave out fills that add syntax errors.
        is_typed: The fill is shown to somebody who goes on typing, so a header may still lack its block. Otherwise it
            is valid only if the document parses no worse with it.
        related: Lines about other files, the most important first; they get a quarter of the prompt at most.
        earlier: An earlier draft that may already have the text for this hole; used only if `DecodeOptions.warm_start`
            is set.
        cells: The other cells of the notebook that the document belongs to.
    """

    hole: Hole
    options: DecodeOptions
    _: KW_ONLY
    max_prompt_tokens: int | None = None
    anchors: Anchors = NO_ANCHORS
    require_valid: bool = False
    is_typed: bool = False
    related: Sequence[str] = ()
    earlier: EarlierDraft | None = None
    cells: Cells = NO_CELLS
