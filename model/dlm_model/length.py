"""How long the middle will be: which canvas rows to open."""

from dataclasses import dataclass

from dlm_model.request import DecodeOptions, InfillRequest

# DreamOn fills best, and with the fewest forwards, from 64 masks: deletion is broadcast, expansion goes one by one.
INITIAL_TOKENS = 64
# For models that cannot resize: each rung is decoded beside the others, as parts of the expected length.
LADDER = (0.25, 0.5, 1.0, 1.5)
# Candidates after the first are there to differ; a greedy model would repeat itself.
DIVERSE_TEMPERATURE = 0.7


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate: masks to open it with, not counting the boundaries', and the temperature it samples at."""

    num_masks: int
    temperature: float


def open_rows(request: InfillRequest, options: DecodeOptions, *, can_resize: bool) -> list[Row]:
    """The candidates to decode as one batch.

    A model that resizes finds the length itself, so its rows differ by sampling; any other model is given a ladder of
    lengths around the expected one. `middle_length` overrules both.
    """
    expected = options.middle_length or min(request.expected_tokens or INITIAL_TOKENS, options.max_middle_tokens)
    if can_resize or options.middle_length is not None:
        warm = max(options.temperature, DIVERSE_TEMPERATURE)
        return [Row(expected, warm if index else options.temperature) for index in range(options.num_candidates)]
    lengths = {min(max(1, round(expected * rung)), options.max_middle_tokens) for rung in LADDER}
    return [Row(length, options.temperature) for length in sorted(lengths)]
