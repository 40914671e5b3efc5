"""How often fills parse, with and without syntax as a guide, on holes cut into real files of each language.

    plain           as the model decodes
    guided          finished drafts that do not parse are reopened where they break
    ranked          three candidates, those that parse first
    guided, ranked  both
    required        both, and nothing rather than a fill that adds an error: valid by construction, or empty

Prints a table for people; the last line of standard output is one JSON object. A language without sources in the usual
places is left out, unless --folder names some.

    python -m tests.bench.syntax --num-holes 300
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from dlm_lsp.infilling import HoleRequest, finish, infill
from dlm_lsp.languages import LANGUAGES, Language
from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken, DecodeOptions, Draft
from tests.bench.cuts import Cut, cut_holes, language_named, usual_folders
from tests.bench.machine import hardware, this_machine

TRIES = 3
MAX_PROMPT_TOKENS = 256
VARIANTS = {
    "plain": DecodeOptions(),
    "guided": DecodeOptions(syntax_tries=TRIES),
    "ranked": DecodeOptions(num_candidates=3),
    "guided, ranked": DecodeOptions(syntax_tries=TRIES, num_candidates=3),
}
REQUIRED_OF = "guided, ranked"


class Run(NamedTuple):
    """One hole filled."""

    draft: Draft
    text: str
    is_valid: bool
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One language decoded in one way.

    Attributes:
        valid: Share of the holes whose fill adds no syntax error.
        broken: Share whose fill adds one; the rest has nothing to show.
        exact: Share filled with what stood there.
        forwards: Network calls per fill, in the mean.
    """

    language: str
    variant: str
    num_holes: int
    valid: float
    broken: float
    exact: float
    forwards: float


def fill(engine: Engine, cut: Cut, options: DecodeOptions) -> Run:
    *_, draft = infill(engine, HoleRequest(cut.snapshot, cut.hole, MAX_PROMPT_TOKENS), options, CancelToken())
    fills = finish(cut.snapshot, cut.hole, draft)
    text = fills[0].fill.text if fills else ""
    is_valid = bool(fills) and fills[0].fill.parse_valid
    return Run(draft, text, is_valid, is_exact=text.strip() == cut.truth.strip())


def make_row(language: Language, variant: str, runs: Sequence[Run]) -> Row:
    return Row(
        language=language.id,
        variant=variant,
        num_holes=len(runs),
        valid=mean(run.is_valid for run in runs),
        broken=mean(bool(run.text) and not run.is_valid for run in runs),
        exact=mean(run.is_exact for run in runs),
        forwards=mean(run.draft.num_forwards for run in runs),
    )


def measure(engine: Engine, language: Language, cuts: Sequence[Cut]) -> list[Row]:
    runs: dict[str, list[Run]] = {variant: [] for variant in VARIANTS}
    for cut in track(cuts, language.id, console=Console(stderr=True)):
        for variant, options in VARIANTS.items():
            runs[variant].append(fill(engine, cut, options))
    runs["required"] = [run if run.is_valid else run._replace(text="") for run in runs[REQUIRED_OF]]
    return [make_row(language, variant, found) for variant, found in runs.items()]


def print_table(rows: Sequence[Row], machine: dict[str, object]) -> None:
    console = Console(width=110)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    table = Table("language", "variant", "holes", "valid", "broken", "exact", "forwards")
    for row in rows:
        shares = (f"{share:.1%}" for share in (row.valid, row.broken, row.exact))
        table.add_row(row.language, row.variant, str(row.num_holes), *shares, f"{row.forwards:.1f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how often fills parse.")
    parser.add_argument("--num-holes", type=int, default=300, help="of each language")
    parser.add_argument("--language", action="append", help="only these")
    parser.add_argument("--folder", type=Path, action="append", help="where to cut holes, besides the usual places")
    parser.add_argument("--model", help="a checkpoint folder")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()

    engine = load_engine(arguments.model, arguments.device)
    rows: list[Row] = []
    for language in map(language_named, arguments.language or [each.id for each in LANGUAGES]):
        folders = (*usual_folders(language), *(arguments.folder or ()))
        if cuts := cut_holes(language, folders, arguments.num_holes):
            rows.extend(measure(engine, language, cuts))
        else:
            Console(stderr=True).print(f"no {language.id} sources found")
    machine = hardware(engine._network, this_machine(engine._network))
    print_table(rows, machine)
    print(json.dumps(machine | {"rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
