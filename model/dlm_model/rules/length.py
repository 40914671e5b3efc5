"""How long the middle will be: which canvas rows to open.

A model that resizes begins at one length, and finds the right one itself. For any other, a policy chooses the length;
it may ask how sure the model is of a first step at some lengths.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions, DecodePlan, LengthPolicy
from dlm_model.network.config import ModelConfig
from dlm_model.request import InfillRequest
from dlm_model.rules.anchors import NUM_MASKS, Arrangement

LADDER = (0.25, 0.5, 1.0, 1.5)
"""For models that cannot resize: lengths that are decoded side by side, as parts of the expected one."""

DIVERSE_TEMPERATURE = 0.7
"""Temperature of candidates that would otherwise repeat another one, token by token."""

RIVAL_WEIGHTS = (0.0, 1.0)
"""The guide's shares in the second and third candidate: without it, and by it alone. These differ more than samples do,
and each is as good as greedy decoding allows."""

MAX_STEPS_DOWNHILL = 4
"""Lengths in a row that may be worse than the best before the search gives up in a direction, as in CAL."""

MAX_CLIMB = 16
"""How far from the expected length the search goes."""

PROBED_LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Lengths that the probe looks at besides the expected one."""

KEPT_LENGTHS = 3
"""How many of them are decoded side by side."""

ConfidenceAt = Callable[[Sequence[int]], list[float]]
"""Lengths → the model's mean confidence in a first step on canvases of these lengths; one forward, or all 0 where there
is no time for it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate.

    Attributes:
        num_masks: Masks to open it with, not counting the boundaries'.
        temperature: What it is sampled at.
        guide_weight: The guide's share in its predictions, if there is a guide.
        arrangement: How to open it around what must be kept; None shares the masks out evenly.
    """

    num_masks: int
    temperature: float
    guide_weight: float
    arrangement: Arrangement | None = None


def resizes(config: ModelConfig, request: InfillRequest, options: DecodeOptions) -> bool:
    """Whether the model itself decides how long the middle will be.

    A model that has only an end of text does not, if a grammar or a closing text ends the middle.
    """
    is_closed = bool(config.end_token_ids) and (options.grammar != "none" or bool(request.closing))
    return config.can_resize and options.middle_length is None and not is_closed


def open_rows(
    request: InfillRequest,
    options: DecodePlan,
    longest: int,
    *,
    is_resizing: bool,
    confidence_at: ConfidenceAt,
    arrangements: Sequence[Arrangement] = (),
    least_masks: int = 1,
) -> list[Row]:
    """The candidates to decode as one batch.

    A model that resizes finds the length itself, so its rows differ by the guide's share and by sampling; any other
    model is given the lengths that `options.length_policy` finds. `middle_length` overrules both. With anchors, a model
    that resizes gets a row of each arrangement.

    Args:
        request: May say which length it expects.
        options: How to find the length, and how many candidates there are.
        longest: Masks that there is room for, one at least.
        is_resizing: What `resizes` says of the request.
        confidence_at: Says how sure the model is of some lengths.
        arrangements: Ways to open a row around the anchors; empty without anchors.
        least_masks: Lower bound on the masks of a model that finds the length itself, even if less is expected.
    """
    expected = max(request.expected_tokens, least_masks if is_resizing else 1)
    expected = options.middle_length or min(expected, longest)
    if is_resizing and arrangements:
        rivals = list(_rivals(min(expected, NUM_MASKS), options, -(-options.num_candidates // len(arrangements))))
        return [replace(rival, arrangement=each) for rival in rivals for each in arrangements]
    if is_resizing or options.middle_length is not None:
        return list(_rivals(expected, options, options.num_candidates))
    lengths = _POLICIES[options.length_policy](expected, longest, confidence_at)
    return [Row(length, options.temperature, options.guide_weight) for length in sorted(set(lengths))]


def _rivals(num_masks: int, options: DecodePlan, num_candidates: int) -> Iterator[Row]:
    """Candidates of one length: as the options say, then without the guide, by it alone, and by sampling."""
    weights = [options.guide_weight, *(RIVAL_WEIGHTS if options.is_blended else ())]
    for index in range(num_candidates):
        if index < len(weights):
            yield Row(num_masks, options.temperature, weights[index])
        else:
            yield Row(num_masks, max(options.temperature, DIVERSE_TEMPERATURE), options.guide_weight)


def ladder(expected: int, longest: int, _confidence_at: ConfidenceAt) -> list[int]:
    """Rungs around the expected length, none above the longest."""
    return [min(max(1, round(expected * rung)), longest) for rung in LADDER]


def climb(expected: int, longest: int, confidence_at: ConfidenceAt) -> list[int]:
    """The length that the model is surest of, found by climbing from the expected one in both directions.

    Calibrated length search (CAL, arXiv 2602.00476): one forward a length, until it is worse `MAX_STEPS_DOWNHILL`
    times in a row. Confidences are compared as `calibrated`, since a model is less sure of longer canvases.
    """
    found = {expected: calibrated(confidence_at([expected])[0], expected)}
    for direction in (1, -1):
        best, num_worse = found[expected], 0
        for distance in range(1, MAX_CLIMB + 1):
            length = expected + direction * distance
            if num_worse == MAX_STEPS_DOWNHILL or not 1 <= length <= longest:
                break
            found[length] = calibrated(confidence_at([length])[0], length)
            num_worse = 0 if found[length] > best else num_worse + 1
            best = max(best, found[length])
    return [max(found, key=lambda length: found[length])]


def probe(expected: int, longest: int, confidence_at: ConfidenceAt) -> list[int]:
    """The `KEPT_LENGTHS` that the model is surest of among powers of two and the expected length, seen in one forward.

    Exponential candidates after LR-DLLM (arXiv 2602.07546), which asks about one after another, takes off a penalty
    that grows with log L, and goes on to adjust the best. Here one forward asks about all, confidences are `calibrated`
    as in `climb`, and the lengths that remain are decoded side by side as they are. PILL decodes lengths side by side
    too, but around one that a probe trained on hidden states predicts, and also asks how likely the suffix is; nothing
    is trained here. If there was no time to ask, the expected length and those next to it.
    """
    lengths = sorted({length for length in (*PROBED_LENGTHS, expected) if length <= longest})
    tried = zip(lengths, confidence_at(lengths), strict=True)
    scores = {length: calibrated(confidence, length) for length, confidence in tried}
    return sorted(lengths, key=lambda length: (-scores[length], abs(length - expected)))[:KEPT_LENGTHS]


def calibrated(confidence: float, length: int) -> float:
    """Confidence over what is usual at a length: 1.00 e^(−1.77 L) + .56 e^(−.06 L) + .24.

    CAL fitted these constants on LLaDA. They are used for every family here, and have been fitted on no other.
    """
    return confidence / (exp(-1.77 * length) + 0.56 * exp(-0.06 * length) + 0.24)


def suitability(canvas: Canvas, rows: Sequence[Row]) -> list[float] | None:
    """How well each row's length suits: how sure the model was of a first step on it, `calibrated`.

    Args:
        canvas: After the first step.
        rows: How its rows were opened.

    Returns:
        One for each row; None if all were opened with the same length, which then says nothing.
    """
    if len({row.num_masks for row in rows}) == 1:
        return None
    is_found = canvas.is_valid & ~canvas.is_anchored
    means = canvas.confidence.masked_fill(~is_found, 0.0).sum(dim=1) / is_found.sum(dim=1).clamp_min(1)
    return [calibrated(mean, row.num_masks) for mean, row in zip(means.tolist(), rows, strict=True)]


_POLICIES: dict[LengthPolicy, Callable[[int, int, ConfidenceAt], list[int]]] = {
    "ladder": ladder,
    "search": climb,
    "probe": probe,
}
