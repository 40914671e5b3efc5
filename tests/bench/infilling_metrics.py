"""From graded fills to the rows of the table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal

System = Literal["author", "autoregressive", "autoregressive-plain", "engine", "daemon"]
Length = Literal["unknown", "oracle"]
Anchors = Literal["none", "oracle"]

_Z = 1.959964  # two-sided 95 %


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to fill holes.

    Attributes:
        system: `author` is the data set's own text; `autoregressive` sees the prefix alone (`-plain`: cut inside a
            token, where it ends there); `engine` and `daemon` see both sides.
        num_steps: Denoise steps at most; None where nothing is denoised.
        threshold: Probability from which on a step commits; None for the default schedule.
        length: `oracle` is told the length in tokens, for diagnosis only.
        method: A row of `dlm_model.methods`; None decodes by the defaults.
        anchors: `oracle` is told the last name of the author's text, which the middle must contain.
    """

    system: System
    num_steps: int | None = None
    threshold: float | None = None
    length: Length = "unknown"
    method: str | None = None
    anchors: Anchors = "none"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One problem filled in one setting, and graded.

    Attributes:
        is_exact: The author's program, trailing white space of its lines aside; another indentation is not exact.
        num_tokens: Tokens that add to the middle.
        elapsed_ms: From request to text; grading not included.
    """

    split: str
    task_id: str
    setting: Setting
    middle: str
    is_passed: bool
    is_exact: bool
    is_parse_valid: bool
    num_tokens: int
    num_forwards: int
    elapsed_ms: float

    @property
    def key(self) -> tuple[str, str, Setting]:
        """Identifies it: the problem and the setting."""
        return self.split, self.task_id, self.setting


@dataclass(frozen=True, slots=True)
class Row:
    """All problems of a split in one setting.

    Attributes:
        pass_at_1: Share that passes the base tests.
        pass_low: Lower end of its 95 % interval (Wilson).
        pass_high: Upper end.
        tokens_per_forward: Tokens of all middles over network calls; None without calls.
    """

    split: str
    setting: Setting
    num_problems: int
    pass_at_1: float
    pass_low: float
    pass_high: float
    exact_match: float
    parse_valid: float
    mean_forwards: float
    tokens_per_forward: float | None
    p50_ms: float
    p95_ms: float


def read_outcome(record: dict[str, Any]) -> Outcome:
    """The outcome that a JSON object was made from."""
    return Outcome(**(record | {"setting": Setting(**record["setting"])}))


def summarize(outcomes: Sequence[Outcome]) -> Row:
    """The row of one or more outcomes, all with the same split and setting."""
    num_passed = sum(outcome.is_passed for outcome in outcomes)
    num_forwards = sum(outcome.num_forwards for outcome in outcomes)
    low, high = wilson_interval(num_passed, len(outcomes))
    times = [outcome.elapsed_ms for outcome in outcomes]
    return Row(
        split=outcomes[0].split,
        setting=outcomes[0].setting,
        num_problems=len(outcomes),
        pass_at_1=num_passed / len(outcomes),
        pass_low=low,
        pass_high=high,
        exact_match=mean(outcome.is_exact for outcome in outcomes),
        parse_valid=mean(outcome.is_parse_valid for outcome in outcomes),
        mean_forwards=num_forwards / len(outcomes),
        tokens_per_forward=sum(outcome.num_tokens for outcome in outcomes) / num_forwards if num_forwards else None,
        p50_ms=percentile(times, 0.5),
        p95_ms=percentile(times, 0.95),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def wilson_interval(num_hits: int, num_tries: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson, 1927): honest near 0, where the usual one has no width."""
    share, spread = num_hits / num_tries, _Z**2 / num_tries
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / num_tries + spread / (4 * num_tries))
    return max(middle - half, 0.0), min(middle + half, 1.0)
