"""How the text for a hole may begin and end: all that the engine needs to know of the document while it denoises."""

from dataclasses import dataclass
from functools import cached_property

from dlm_lsp.fitting.block_fitting import BlockFitter
from dlm_lsp.fitting.presentation import is_whole
from dlm_lsp.fitting.repairs import without_other_files, without_repeated_text
from dlm_lsp.holes.hole import Hole


@dataclass(frozen=True, eq=False)
class HoleEnding:
    """One hole, as the engine sees it (`dlm_model.request.Ending`).

    Attributes:
        hole: Where the text will stand.
    """

    hole: Hole

    def is_over(self, text: str) -> bool:
        """Whether nothing that follows would be kept.

        That is the case when the text repeats itself, has come to another file, or is over as a block
        (`BlockFitter.is_over`). Apart from that, the model ends the rest of a line.
        """
        if without_repeated_text(text) != text or without_other_files(self.hole.language, text) != text:
            return True
        return not self.hole.is_inline and self._fitter.is_over(text)

    def may_end(self, text: str) -> bool:
        """Whether the text parses where it will stand, or nothing of it would be kept."""
        return is_whole(self._fitter, text)

    @property
    def first_words(self) -> tuple[str, ...]:
        """The text must begin with one of these words (`BlockFitter.first_words`); empty for any beginning."""
        return () if self.hole.is_inline else self._fitter.first_words

    @cached_property
    def _fitter(self) -> BlockFitter:
        return BlockFitter(self.hole)
