"""The words spoken between a caller and the engine: plain dataclasses, no torch.

InfillRequest + DecodeOptions + CancelToken ──engine──▶ Draft, Draft, …, Draft (the last has a finish reason)
"""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

Selection = Literal["confidence", "margin", "entropy", "random"]
Schedule = Literal["linear", "cosine", "threshold", "entropy_bound"]
FinishReason = Literal["stop", "length", "deadline", "cancelled"]
PieceState = Literal["committed", "guessed", "masked"]

SELECTIONS: tuple[str, ...] = get_args(Selection)
SCHEDULES: tuple[str, ...] = get_args(Schedule)


@dataclass(frozen=True, slots=True)
class InfillRequest:
    """The text on both sides of one hole. Lines end in `\\n` alone; neither side is ever cut by the engine.

    Attributes:
        prefix: Text up to the hole; may end in the middle of a word.
        suffix: Text after the hole; may begin in the middle of a word.
        single_line: The middle must not contain a line break.
        expected_tokens: How many tokens the canvas starts with; None leaves it to the engine.
    """

    prefix: str
    suffix: str
    single_line: bool = False
    expected_tokens: int | None = None

    def __post_init__(self) -> None:
        """Refuse a canvas without masks.

        Raises:
            ValueError: naming the field and what it accepts.
        """
        is_length = self.expected_tokens is None or self.expected_tokens >= 1
        _require(is_length, "expected_tokens", "1 or more", self.expected_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """How to denoise one canvas. Every default of the decoder lives here.

    Attributes:
        num_steps: The steps dial: the most denoise steps, whatever the schedule, and what latency follows.
        schedule: How many positions a step commits. `linear` and `cosine` spread them over the steps left;
            `threshold` commits everything at or above `confidence_threshold`; `entropy_bound` the largest set whose
            summed entropies minus the largest stay within `entropy_bound` (EB-Sampler, arXiv 2505.24857).
        selection: Which positions a step prefers: highest top-1 probability (`confidence`), largest gap between
            the two best (`margin`), lowest entropy (`entropy`), or any (`random`).
        confidence_threshold: Probability at which `threshold` commits (Fast-dLLM, arXiv 2505.22618).
        entropy_bound: γ of `entropy_bound`, in nats.
        temperature: 0 takes the most probable token; above 0 samples.
        top_p: Nucleus kept when sampling.
        seed: Same seed, same request, same device: same text, unless a deadline cuts it.
        num_candidates: Alternatives decoded together in one batch. Of a model that finds the length itself, those
            after the first sample at a temperature of 0.7 or more; of any other, they differ by length, and there may
            be fewer.
        max_middle_tokens: The canvas never grows beyond this.
        middle_length: Exact length in tokens, when it is known (diagnosis and tests only).
        deadline_ms: Wall-clock budget from the start of the request; the best draft by then is the answer.
        prompt_refresh_interval: Steps between two recomputations of the prompt's keys and values. 1 recomputes
            everything in every step (exact); 0 computes the prompt once and never refreshes it.
    """

    num_steps: int = 32
    schedule: Schedule = "threshold"
    selection: Selection = "confidence"
    confidence_threshold: float = 0.9
    entropy_bound: float = 0.1
    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    num_candidates: int = 1
    max_middle_tokens: int = 256
    middle_length: int | None = None
    deadline_ms: float | None = None
    prompt_refresh_interval: int = 8

    def is_prefill(self, step: int) -> bool:
        """Whether the prompt is recomputed in this step, counted from 0."""
        return step == 0 or (self.prompt_refresh_interval > 0 and step % self.prompt_refresh_interval == 0)

    def __post_init__(self) -> None:
        """Refuse values no decoder can honour.

        Raises:
            ValueError: naming the option and what it accepts.
        """
        _require(self.num_steps >= 1, "num_steps", "1 or more", self.num_steps)
        _require(self.schedule in SCHEDULES, "schedule", f"one of {', '.join(SCHEDULES)}", self.schedule)
        _require(self.selection in SELECTIONS, "selection", f"one of {', '.join(SELECTIONS)}", self.selection)
        _require(0 < self.confidence_threshold <= 1, "confidence_threshold", "in (0, 1]", self.confidence_threshold)
        _require(self.entropy_bound >= 0, "entropy_bound", "0 or more", self.entropy_bound)
        is_temperature = self.temperature == 0 or 0.01 <= self.temperature <= 100
        _require(is_temperature, "temperature", "0, or from 0.01 to 100", self.temperature)
        _require(0 <= self.seed < 2**63, "seed", "from 0 to 2**63 - 1", self.seed)
        _require(0 < self.top_p <= 1, "top_p", "in (0, 1]", self.top_p)
        _require(1 <= self.num_candidates <= 8, "num_candidates", "from 1 to 8", self.num_candidates)
        _require(self.max_middle_tokens >= 1, "max_middle_tokens", "1 or more", self.max_middle_tokens)
        is_length = self.middle_length is None or 1 <= self.middle_length <= self.max_middle_tokens
        _require(is_length, "middle_length", "from 1 to max_middle_tokens", self.middle_length)
        _require(self.deadline_ms is None or self.deadline_ms > 0, "deadline_ms", "above 0", self.deadline_ms)
        _require(
            self.prompt_refresh_interval >= 0,
            "prompt_refresh_interval",
            "0 or more",
            self.prompt_refresh_interval,
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of the draft in one state.

    Attributes:
        text: What stands there now; the pieces of a draft join to its text (a masked piece has no text).
        state: `committed` for good, `guessed` by the last step, or still `masked`.
        confidence: Geometric mean of the probabilities in the run, 0 where masked.
        num_tokens: Canvas positions in the run.
    """

    text: str
    state: PieceState
    confidence: float
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One finished alternative.

    Attributes:
        text: The middle.
        confidence: Geometric mean of its tokens' probabilities, in [0, 1]; 0 for an empty text.
        num_tokens: Tokens that add to the middle.
    """

    text: str
    confidence: float
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Draft:
    """The middle after one step: usable at any time, final once `finish_reason` is set.

    Attributes:
        pieces: One candidate's canvas, run by run: the same one until the end, then the best.
        step: Denoise steps done.
        num_steps: Steps the decoder may take at most.
        num_forwards: Network calls so far.
        elapsed_ms: Since the request reached the engine.
        finish_reason: None while the draft still sharpens. `stop`: the model filled the hole; `length`: it asked for
            more positions than the canvas may have; `deadline` and `cancelled`: stopped early, guesses included.
        candidates: All alternatives, best first; empty until finished.
    """

    pieces: tuple[Piece, ...]
    step: int
    num_steps: int
    num_forwards: int
    elapsed_ms: float
    finish_reason: FinishReason | None = None
    candidates: tuple[Candidate, ...] = ()

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
        if not self.pieces or min(piece.confidence for piece in self.pieces) <= 0:
            return 0.0
        return math.exp(sum(math.log(piece.confidence) * piece.num_tokens for piece in self.pieces) / self.num_tokens)

    @property
    def stable_ranges(self) -> tuple[tuple[int, int], ...]:
        """Half-open character ranges of `text` that no later step will change."""
        ranges, offset = [], 0
        for piece in self.pieces:
            if piece.state == "committed" and piece.text:
                ranges.append((offset, offset + len(piece.text)))
            offset += len(piece.text)
        return tuple(ranges)


class CancelToken:
    """A one-way switch, set by any thread and polled by the engine once per denoise step."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the engine to stop; safe to call twice and after the end."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether anybody asked."""
        return self._event.is_set()


class InfillEngine(Protocol):
    """What the daemon needs of an engine; `dlm_model.engine.Engine` is the real one, tests bring scripted ones."""

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
        """Whether the model looks at what stands behind a hole."""

    def count_tokens(self, text: str) -> int:
        """Tokens of a text on its own."""

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        """Fill the hole, one draft per denoise step; the last draft has a finish reason.

        Raises:
            RequestError: the request does not fit the model's context.
        """


def _require(is_valid: bool, option: str, accepted: str, value: object) -> None:
    if not is_valid:
        raise ValueError(f"{option} must be {accepted}, got {value!r}")
