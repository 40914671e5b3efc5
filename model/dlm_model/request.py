"""The data types that pass between a caller and the engine: plain dataclasses, no torch.

InfillRequest + DecodeOptions + CancelToken ──engine──▶ Draft, Draft, …, Draft (the last has a finish reason)
"""

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Literal, Protocol

from dlm_model.decode_options import DecodeOptions, require

INITIAL_TOKENS = 64
"""Masks to begin with if the request expects no length."""

FinishReason = Literal["stop", "length", "deadline", "cancelled"]
PieceState = Literal["committed", "guessed", "masked"]


class SyntaxChecker(Protocol):
    """Answers the engine's questions about the grammar of the document; a request brings one."""

    def errors(self, middle: str) -> Sequence[tuple[int, int]]:
        """Half-open character ranges of a middle that do not parse in its document; empty if it adds no error."""


class Ending(Protocol):
    """Answers the engine's questions about where a middle ends; a request for a known document brings one."""

    def is_over(self, text: str) -> bool:
        """Whether nothing that follows this beginning of a middle would be kept."""

    def may_end(self, text: str) -> bool:
        """Whether a middle may end after this text; false inside a statement."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Canvas positions of a draft in one state; the engine's own pieces have one position each.

    Attributes:
        text: The text there now; the pieces of a draft join to its text (a masked piece has no text).
        state: `committed`, `guessed` by the last step, or still `masked`.
        confidence: Geometric mean of the positions' probabilities, 0 where masked.
        num_tokens: Canvas positions.
    """

    text: str
    state: PieceState
    confidence: float
    num_tokens: int


@dataclass(frozen=True, slots=True)
class InfillRequest:
    """The text on both sides of one hole. Lines end in `\n` alone; neither side is ever cut by the engine.

    Attributes:
        prefix: Text up to the hole; may end in the middle of a word.
        suffix: Text after the hole; may begin in the middle of a word.
        single_line: The middle must not contain a line break.
        expected_tokens: How many tokens the canvas starts with, besides those that are kept.
        keep: Texts that must occur in the middle, in this order (in-place prompting, ICE, arXiv 2508.10736).
        closing: Text that the middle must end with; empty for any.
        first_words: The middle must begin, after any blanks, with one of these words; empty for any beginning.
        syntax: Judges drafts while they are denoised; None judges nothing.
        ending: Says where the middle may end, and where it does; None leaves that to the model.
        prior: The rest of an earlier draft of almost this hole; empty for none. Used only with
            `DecodeOptions.warm_start`, for a single candidate, and where nothing else constrains the middle.
        document: The text's document, whose cached prompts can be forgotten; empty for none.
    """

    prefix: str
    suffix: str
    single_line: bool = False
    expected_tokens: int = INITIAL_TOKENS
    keep: tuple[str, ...] = ()
    closing: str = ""
    first_words: tuple[str, ...] = ()
    syntax: SyntaxChecker | None = None
    ending: Ending | None = None
    prior: tuple[Piece, ...] = ()
    document: str = ""

    def __post_init__(self) -> None:
        """Refuse a canvas without masks, and anchors that cannot stand in it.

        Raises:
            ValueError: naming the field and what it accepts.
        """
        require(self.expected_tokens >= 1, "expected_tokens", "1 or more", self.expected_tokens)
        require(all(self.keep), "keep", "texts that are not empty", self.keep)
        if self.single_line:
            for name, texts in (("keep", self.keep), ("closing", (self.closing,))):
                if any("\n" in text for text in texts):  # which are code, and stay out of messages, that are logged
                    raise ValueError(f"{name} must be on one line, as the hole is")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One finished alternative.

    Attributes:
        text: The middle.
        confidence: Geometric mean of its tokens' probabilities, in [0, 1]; 0 for an empty text.
        num_tokens: Tokens that add to the middle.
        finish_reason: Why it ended, as of a draft.
    """

    text: str
    confidence: float
    num_tokens: int
    finish_reason: FinishReason = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The middle after one step: usable at any time, final once `finish_reason` is set.

    Attributes:
        pieces: One candidate's canvas, from left to right: the same one until the end, then the best.
        step: Denoise steps done.
        num_steps: Steps the decoder may take at most.
        num_forwards: Network calls so far: the model's, including those that looked for a length or read a prompt that
            was not cached, and the guide's over drafts. Not counted are the guide's over a prefix that it had not
            cached, and the one over the prefix when text is continued from left to right.
        elapsed_ms: Since the request reached the engine.
        num_final: How many pieces from the left no later step takes back once they are committed, nor cuts off, nor
            puts another candidate in the place of.
        finish_reason: None while the draft still sharpens. `stop`: the model ended the text; `length`: it lacked
            room, or used all that the canvas may have, before it did; `deadline` and `cancelled`: stopped early,
            guesses included.
        candidates: All alternatives, best first; empty until finished.
        is_resizing: Whether the model finds the length while it fills, so that the number of tokens is no target.
    """

    pieces: tuple[Piece, ...]
    step: int
    num_steps: int
    num_forwards: int
    elapsed_ms: float
    num_final: int
    finish_reason: FinishReason | None = None
    candidates: tuple[Candidate, ...] = ()
    is_resizing: bool = False

    @property
    def text(self) -> str:
        """The whole middle as it stands, guesses included."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def num_tokens(self) -> int:
        """Canvas positions, masked ones included."""
        return sum(piece.num_tokens for piece in self.pieces)

    @property
    def confidence(self) -> float:
        """Geometric mean of the positions' probabilities; 0 for an empty canvas or where one is still masked."""
        return geometric_mean([piece.confidence for piece in self.pieces for _ in range(piece.num_tokens)])

    @property
    def settled_text(self) -> str:
        """The text before the first open position, within `num_final`: later steps add to it and change nothing."""
        settled = takewhile(lambda piece: piece.state == "committed", self.pieces[: self.num_final])
        return "".join(piece.text for piece in settled)

    @property
    def stable_ranges(self) -> tuple[tuple[int, int], ...]:
        """Half-open character ranges of `text` that no later step will change."""
        ranges, end = [], 0
        for state, run in groupby(self.pieces[: self.num_final], key=lambda piece: piece.state):
            start, end = end, end + sum(len(piece.text) for piece in run)
            if state == "committed" and start < end:
                ranges.append((start, end))
        return tuple(ranges)


def geometric_mean(probabilities: Sequence[float]) -> float:
    """The confidence of a text with these token probabilities; 0 if there are none, or one of them is 0."""
    if not probabilities or min(probabilities) <= 0:
        return 0.0
    return math.exp(sum(map(math.log, probabilities)) / len(probabilities))


class CancelToken:
    """A one-way switch, set by any thread; the engine polls it in every denoise step and before other forwards."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the engine to stop; safe to call twice and after the end."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether the engine was asked to stop."""
        return self._event.is_set()


class InfillEngine(Protocol):
    """The engine as the daemon sees it; `dlm_model.engine.Engine` is the real one, tests bring scripted ones."""

    @property
    def model_name(self) -> str:
        """Short name for people, such as the checkpoint's folder name."""

    @property
    def device(self) -> str:
        """Where the weights live, as torch spells it: `cpu`, `cuda:0`."""

    @property
    def context_length(self) -> int:
        """Tokens that prefix, middle and suffix may have together."""

    @property
    def sees_suffix(self) -> bool:
        """Whether the model reads the text after a hole."""

    def count_tokens(self, text: str) -> int:
        """Tokens of a text on its own."""

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        """Fill the hole, one draft per denoise step; the last draft has a finish reason.

        Lazy: nothing is done, and no error raised, before the first draft is asked for.

        Raises:
            RequestError: the request does not fit the model's context.
        """

    def forget(self, document: str) -> None:
        """Forget what is cached of a document; it is no error if there is nothing."""

    def close(self) -> None:
        """Free the model's memory, on the device too; afterwards the engine can only be closed again."""


class RacingEngine(InfillEngine, Protocol):
    """An engine that can also write from left to right, to be compared with itself."""

    def continue_text(
        self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken, *, guide: str
    ) -> Iterator[Draft]:
        """Continue the prefix, blind to the suffix, one draft per token; the last one has a finish reason.

        As lazy as `infill`.

        Raises:
            RequestError: there is no causal model to write with.
        """
