"""How often fills parse, with and without syntax as a guide, on holes cut into real files of each language.

    plain           as the model decodes
    guided          finished drafts that do not parse are reopened where they break
    ranked          three candidates, those that parse first
    guided, ranked  both
    required        guided, ranked; but no fill that adds an error

Prints a table for people; the last line of standard output is one JSON object. A language without sources in the usual
places is left out, unless --folder names some. With --out, a run that was stopped goes on where it was.

    python -m tests.bench.syntax --num-holes 300 --out syntax.jsonl
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.progress import track
from rich.table import Table

from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.infilling import infill_request, placed, present_candidates
from dlm_lsp.languages import LANGUAGES
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, checkpoint_folder, load_engine
from dlm_model.errors import ModelError
from dlm_model.request import CancelToken, SyntaxChecker
from tests.bench.cuts import Cut, cut_holes, language_named, usual_folders
from tests.bench.infilling_metrics import wilson_interval
from tests.bench.machine import processor
from tests.bench.results import Results, git_revision, weights_digest

MAX_PROMPT_TOKENS = 256
GUIDE = {"syntax_tries": 3}
# Each way of decoding with the guide, and the same without it.
VARIANTS = {
    "guided": ("plain", DecodeOptions()),
    "guided, ranked": ("ranked", DecodeOptions(num_candidates=3)),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One hole filled in one way.

    Attributes:
        number: The number of the hole among those of its language.
        text: The text that would be shown; empty for none.
        is_valid: Whether there is a text, and it adds no syntax error.
    """

    language: str
    number: int
    file: str
    variant: str
    text: str
    is_valid: bool
    is_exact: bool
    num_forwards: int

    @property
    def key(self) -> tuple[str, int, str, str]:
        """Identifies the hole and the way it was filled."""
        return self.language, self.number, self.file, self.variant


@dataclass(frozen=True, slots=True)
class Row:
    """One language decoded in one way.

    Attributes:
        valid: Share of the holes whose fill adds no syntax error; `valid_low` and `valid_high`: its 95 % interval.
        broken: Share of the holes whose fill adds one; all others have no fill.
        exact: Share filled with the original text.
        forwards: Mean network calls of a fill.
    """

    language: str
    variant: str
    num_holes: int
    valid: float
    valid_low: float
    valid_high: float
    broken: float
    exact: float
    forwards: float


class Witness:
    """A `SyntaxChecker` that remembers whether it found an error; if not, the guide has changed nothing."""

    def __init__(self, checker: SyntaxChecker) -> None:
        self._checker = checker
        self.has_objected = False

    def errors(self, middle: str) -> Sequence[tuple[int, int]]:
        """The errors that the checker finds."""
        found = self._checker.errors(middle)
        self.has_objected |= bool(found)
        return found


def fill_both(engine: Engine, language: str, number: int, cut: Cut, variant: str) -> Iterator[Run]:
    """A run with the guide, and one without it, which is the same and not repeated if the guide found no error."""
    unguided, options = VARIANTS[variant]
    name = (language, number, cut.name)
    guided, has_objected = fill(engine, cut, replace(options, **GUIDE), (*name, variant))
    yield guided
    yield fill(engine, cut, options, (*name, unguided))[0] if has_objected else replace(guided, variant=unguided)


def fill(engine: Engine, cut: Cut, options: DecodeOptions, key: tuple[str, int, str, str]) -> tuple[Run, bool]:
    """One run, and whether the checker found an error in one of its drafts."""
    request = infill_request(engine, HoleRequest(cut.hole, options, max_prompt_tokens=MAX_PROMPT_TOKENS))
    witness = Witness(request.syntax) if request.syntax else None
    engine.forget()  # otherwise only the first variant would read the prompt
    *_, draft = engine.infill(replace(request, syntax=witness), options, CancelToken())
    fills = present_candidates(cut.hole, placed(draft, cut.hole.placement.before))
    text, is_valid = (fills[0].fill.text, fills[0].fill.parse_valid) if fills else ("", False)
    run = Run(*key, text, is_valid, is_exact=text.strip() == cut.truth.strip(), num_forwards=draft.num_forwards)
    return run, witness is not None and witness.has_objected


def measure(
    engine: Engine, language: str, cuts: Sequence[Cut], guided_variants: Sequence[str], results: Results[Run]
) -> list[Row]:
    """Fill the holes that have no results yet; returns a row for each variant, with the guide and without."""
    runs: dict[str, list[Run]] = {}
    for number, cut in enumerate(track(cuts, language, console=Console(stderr=True))):
        for variant in guided_variants:
            keys = [(language, number, cut.name, name) for name in (VARIANTS[variant][0], variant)]
            if not all(key in results for key in keys):
                for run in fill_both(engine, language, number, cut, variant):
                    results.add(run)
            for key in keys:
                runs.setdefault(key[-1], []).append(results[key])
    runs["required"] = [
        run if run.is_valid else replace(run, text="", is_exact=False) for run in runs[guided_variants[-1]]
    ]
    return [make_row(language, variant, found) for variant, found in runs.items()]


def make_row(language: str, variant: str, runs: Sequence[Run]) -> Row:
    """The row of one language in one variant."""
    low, high = wilson_interval(sum(run.is_valid for run in runs), len(runs))
    return Row(
        language=language,
        variant=variant,
        num_holes=len(runs),
        valid=mean(run.is_valid for run in runs),
        valid_low=low,
        valid_high=high,
        broken=mean(bool(run.text) and not run.is_valid for run in runs),
        exact=mean(run.is_exact for run in runs),
        forwards=mean(run.num_forwards for run in runs),
    )


def print_table(rows: Sequence[Row], identity: dict[str, object]) -> None:
    """Print the rows as a table."""
    console = Console(width=110)
    console.print(", ".join(f"{name} {value}" for name, value in identity.items()))
    table = Table("language", "variant", "holes", "valid", "95 % interval", "broken", "exact", "forwards")
    for row in rows:
        interval = f"{row.valid_low:.1%} – {row.valid_high:.1%}"
        shares = (f"{row.valid:.1%}", interval, f"{row.broken:.1%}", f"{row.exact:.1%}")
        table.add_row(row.language, row.variant, str(row.num_holes), *shares, f"{row.forwards:.1f}")
    console.print(table)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure how often fills parse.")
    parser.add_argument("--num-holes", type=int, default=300, help="of each language")
    parser.add_argument("--language", action="append", help="only these")
    parser.add_argument(
        "--variant", action="append", choices=VARIANTS, help="only these, and the same without the guide"
    )
    parser.add_argument("--folder", type=Path, action="append", help="where to cut holes, besides the usual places")
    parser.add_argument("--model", help="a checkpoint folder")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="a file that keeps every fill; a run that was stopped goes on from it")
    arguments = parser.parse_args()
    try:
        print(json.dumps(measure_all(arguments)))
    except (ModelError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")


def measure_all(arguments: argparse.Namespace) -> dict[str, object]:
    """Everything that was asked for, as the JSON object has it.

    Raises:
        ValueError: the results on disk are of another run.
        ModelError: the model cannot be loaded.
    """
    engine = load_engine(arguments.model, arguments.device)
    identity: dict[str, object] = {
        "model": engine.model_name,
        "weights": weights_digest(checkpoint_folder(arguments.model)),
        "git_revision": git_revision(),
        "device": processor() if engine.device == "cpu" else engine.device,
    }
    results = Results(arguments.out, identity, lambda record: Run(**record))
    rows: list[Row] = []
    for language in map(language_named, arguments.language or [each.id for each in LANGUAGES]):
        folders = (*usual_folders(language), *(arguments.folder or ()))
        if cuts := cut_holes(language, folders, arguments.num_holes):
            rows.extend(measure(engine, language.id, cuts, arguments.variant or list(VARIANTS), results))
        else:
            Console(stderr=True).print(f"no {language.id} sources found")
    print_table(rows, identity)
    return identity | {"rows": [asdict(row) for row in rows]}


if __name__ == "__main__":
    main()
