"""Fills that begin with an earlier draft, against the same fills begun with masks alone.

A hole of a real function is filled. Then the document departs from the draft: half of the draft is typed with another
word at one place (`word`), also into a run that was interrupted after a few steps (`interrupted`), or a line is added
at the top of the file (`elsewhere`). The new hole is filled both ways, with the prompt known to both.
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from statistics import mean, median
from typing import Literal, NamedTuple

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fitting.presentation import present
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.infilling import infill, present_candidates
from dlm_lsp.keystrokes.warm_start import EarlierDraft
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken, Draft
from tests.bench.latency import check
from tests.bench.machine import hardware, this_machine
from tests.bench.report import GateError, print_report
from tests.bench.subjects import requests
from tests.bench.trace import record

Event = Literal["word", "interrupted", "elsewhere"]
EVENTS: tuple[Event, ...] = ("word", "interrupted", "elsewhere")
FUNCTIONS = (
    "shlex.join",
    "textwrap.indent",
    "fnmatch.filter",
    "heapq.heappushpop",
    "colorsys.rgb_to_hls",
    "string.capwords",
    "statistics.fmean",
    "types.resolve_bases",
)
BOUNDS = (0.0, 0.5)
INTERRUPTED_STEPS = 3
OTHER_WORD = "result"


class Run(NamedTuple):
    """One fill: the text that the user would see, and the work and time that it took."""

    shown: str
    num_tokens: int
    num_forwards: int
    num_steps: int
    first_ms: float
    total_ms: float


class Filled(NamedTuple):
    """A hole filled both ways, and the rest of the earlier draft as a fill."""

    cold: Run
    warm: Run
    kept: str


@dataclass(frozen=True, slots=True)
class WarmStartRow:
    """All holes after one kind of event.

    Attributes:
        policy: The bound of `warm_start`, or `cold`.
        event: What happened to the draft.
        num_fills: Holes in which the draft was still of use.
        prompt_tokens: Upper bound on both sides together.
        middle_tokens: Of the finished fill, median.
        forwards: Until it is finished, median.
        first_ms: Until the first draft, median.
        ms_per_step: Median of the steps after the first; None where no fill took a second one.
        ms_per_fill: Median.
        identical_text: Share of fills with the text of the cold run.
        kept_text: Share of fills with the rest of the earlier draft.
        identical_or_kept: Share of fills with either of the two.
    """

    policy: str
    event: Event
    num_fills: int
    prompt_tokens: int
    middle_tokens: int
    forwards: float
    first_ms: float
    ms_per_step: float | None
    ms_per_fill: float
    identical_text: float
    kept_text: float
    identical_or_kept: float


class Filler(NamedTuple):
    """An engine, how it denoises, and how many tokens of a document it is shown."""

    engine: Engine
    options: DecodeOptions
    max_prompt_tokens: int

    def from_bound(self, bound: float) -> "Filler":
        """The same filler, but with earlier drafts from this bound on."""
        return self._replace(options=replace(self.options, warm_start=bound))

    def drafts(self, hole: Hole, earlier: EarlierDraft | None = None) -> Iterator[Draft]:
        """The drafts that the daemon would get."""
        request = HoleRequest(hole, self.options, max_prompt_tokens=self.max_prompt_tokens, earlier=earlier)
        return infill(self.engine, request, CancelToken())

    def run(self, hole: Hole, earlier: EarlierDraft | None = None) -> Run:
        """A whole fill, timed."""
        start = time.perf_counter()
        drafts = self.drafts(hole, earlier)
        draft = next(drafts)
        first_ms = (time.perf_counter() - start) * 1000
        *_, draft = (draft, *drafts)
        total_ms = (time.perf_counter() - start) * 1000
        fills = present_candidates(hole, draft)
        shown = fills[0].fill.text if fills else ""
        return Run(shown, draft.num_tokens, draft.num_forwards, draft.step, first_ms, total_ms)


def measure(filler: Filler, functions: tuple[str, ...]) -> Iterator[WarmStartRow]:
    """For each event, a cold row and one for each bound."""
    for event in EVENTS:
        found: dict[float, list[Filled]] = {bound: [] for bound in BOUNDS}
        for function in functions:
            earlier = _earlier(filler, function, event)
            now, cursor = _after(event, earlier)
            hole = find_hole(now, cursor)
            rest = "".join(piece.text for piece in earlier.rest_at(hole))
            if not rest.strip():
                continue
            next(filler.drafts(hole))  # from here on the prompt is known
            cold, kept = filler.run(hole), present(hole, rest).text
            for bound, fills in found.items():
                fills.append(Filled(cold, filler.from_bound(bound).run(hole, earlier), kept))
        if found[BOUNDS[0]]:
            yield _row("cold", event, [each.cold for each in found[BOUNDS[0]]], found[BOUNDS[0]], filler)
            for bound, fills in found.items():
                yield _row(f"warm start from {bound}", event, [each.warm for each in fills], fills, filler)


def _earlier(filler: Filler, function: str, event: Event) -> EarlierDraft:
    """The last draft of the end of a function, or one that an interrupted run had come to."""
    trace = record(function, 1)
    snapshot = trace.open()
    hole = find_hole(snapshot, trace.keys[0].start)
    drafts = filler.drafts(hole)
    *_, last = islice(drafts, INTERRUPTED_STEPS) if event == "interrupted" else drafts
    return EarlierDraft(hole, last)


def _after(event: Event, earlier: EarlierDraft) -> tuple[Snapshot, int]:
    """The document once it has happened, and the cursor."""
    hole, snapshot = earlier.hole, earlier.hole.snapshot
    if event == "elsewhere":
        line = f"# {OTHER_WORD}\n"
        return snapshot.replaced(0, 0, line, snapshot.version), hole.start + len(line)
    words = re.findall(r"\w+|\s+|[^\w\s]", earlier.draft.text)
    typed = words[: (len(words) + 1) // 2]
    names = [number for number, word in enumerate(typed) if word[0].isalpha()]
    if names:
        typed[names[len(names) // 2]] = OTHER_WORD
    text = "".join(typed)
    return snapshot.replaced(hole.start, hole.start, text, snapshot.version), hole.start + len(text)


def _row(policy: str, event: Event, runs: list[Run], fills: list[Filled], filler: Filler) -> WarmStartRow:
    is_identical = [run.shown == each.cold.shown for run, each in zip(runs, fills, strict=True)]
    later = [(run.total_ms - run.first_ms) / (run.num_steps - 1) for run in runs if run.num_steps > 1]
    is_kept = [run.shown == each.kept for run, each in zip(runs, fills, strict=True)]
    return WarmStartRow(
        policy=policy,
        event=event,
        num_fills=len(runs),
        prompt_tokens=filler.max_prompt_tokens,
        middle_tokens=round(median(run.num_tokens for run in runs)),
        forwards=median(run.num_forwards for run in runs),
        first_ms=median(run.first_ms for run in runs),
        ms_per_step=median(later) if later else None,
        ms_per_fill=median(run.total_ms for run in runs),
        identical_text=mean(is_identical),
        kept_text=mean(is_kept),
        identical_or_kept=mean(map(max, is_identical, is_kept)),
    )


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Fill the holes."""
    engine = load_engine(arguments.model, arguments.device)
    check(engine, requests(engine, 1, 128)[0])
    functions, num_steps = (FUNCTIONS[:2], 4) if arguments.quick else (FUNCTIONS, 8)
    rows = list(measure(Filler(engine, DecodeOptions(num_steps=num_steps), arguments.prompt_tokens), functions))
    facts = {"model": engine.model_name, "num_steps": num_steps}
    return print_report("warm_start", hardware(engine.network, this_machine(engine.network)) | facts, rows)


def parser() -> argparse.ArgumentParser:
    """The flags, which `gpu` fills in itself."""
    flags = argparse.ArgumentParser(description="Fill holes whose earlier draft is almost right, from it and anew.")
    flags.add_argument("--quick", action="store_true", help="a minute at most on two CPU cores")
    flags.add_argument("--model", help="a checkpoint folder instead of the packaged weights")
    flags.add_argument("--device", default="auto")
    flags.add_argument("--prompt-tokens", type=int, default=256)
    return flags


def main() -> None:
    """Command line."""
    try:
        run(parser().parse_args())
    except GateError as error:
        sys.exit(f"warm_start: {error}")


if __name__ == "__main__":
    main()
