"""Make a model of your own: from source files to a checkpoint, one command a stage.

\b
    dlm-lsp train corpus CORPUS --manifest packages.toml --problems HumanEval-SingleLineInfilling.jsonl.gz
    dlm-lsp train initialize SmolLM2-135M-Instruct.Q4_1.gguf START
    dlm-lsp train train START CORPUS RUN --recipe recipe.toml
    touch RUN/decay
    dlm-lsp train export START RUN CHECKPOINT
    dlm-lsp train guide START CHECKPOINT
    dlm-lsp train order CHECKPOINT CORPUS
    dlm-lsp train evaluate CHECKPOINT CORPUS

For your own code, `dlm-lsp train run adapt.toml WORK --minutes 30 --final` makes corpus, start and training of it.

Several processes train together under `torchrun --nproc-per-node 2 -m dlm_model.training train …`.
On a CPU whose cores are shared, set OMP_WAIT_POLICY=passive: spinning threads wait for one another.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track
from rich.table import Table

from dlm_model.device import default_dtype, resolve_device
from dlm_model.engine import DEFAULT_CHECKPOINT
from dlm_model.network.config import ModelConfig
from dlm_model.network.transformer import Transformer
from dlm_model.network.weights import load_transformer
from dlm_model.steps.order import load_order
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.commit_order import compare, observe, train_order, write_order
from dlm_model.training.companion import write_companion
from dlm_model.training.corpus import MAX_CHARACTERS_PER_PACKAGE, available_workers, build_corpus
from dlm_model.training.decontamination import NgramFilter, read_problems
from dlm_model.training.dials import Device, Final, MaxSteps, Minutes, MinutesOrNone, RecipeFile, read_dials
from dlm_model.training.distill import Method, accuracy_after, build_objective, halvings, load_teacher
from dlm_model.training.evaluate import choose_lines, measure_lines, measure_noises
from dlm_model.training.export import export_run
from dlm_model.training.failures import describe, is_expected
from dlm_model.training.launch import build_trainer
from dlm_model.training.manifest import load_manifest
from dlm_model.training.pieces import join_pieces
from dlm_model.training.recipe import PACKAGED, load_recipe
from dlm_model.training.run_state import locked_run
from dlm_model.training.shards import SHARD_SUFFIX, TextShard
from dlm_model.training.start import write_start
from dlm_model.training.stretch import Stretch
from dlm_model.training.terminal import console, follow, print_export, print_reports
from dlm_model.training.train import Trainer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help=__doc__,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PACKAGES_FILE = Path(__file__).with_name("packages.toml")
_WHOLE_HOLES = "first_step"
_INTERRUPTED = 130


@app.command()
def corpus(
    folder: Annotated[Path, typer.Argument(help="Where the shards go.")],
    problems: Annotated[list[Path] | None, typer.Option(help="Evaluation problems to keep out of the corpus.")] = None,
    manifest: Annotated[Path, typer.Option(help="Packages, folders and splits.")] = PACKAGES_FILE,
    downloads: Annotated[Path, typer.Option(help="Where downloaded archives are kept.")] = Path("downloads"),
    max_characters: Annotated[int, typer.Option(help="Of one package.")] = MAX_CHARACTERS_PER_PACKAGE,
) -> None:
    """Build text shards from the packages and folders of a manifest."""
    ngrams = NgramFilter(problem for path in problems or () for problem in read_problems(path))
    packages, workers = load_manifest(manifest), available_workers()
    reports = build_corpus(packages, downloads, folder, ngrams, max_characters=max_characters, num_workers=workers)
    print_reports(reports)


@app.command()
def initialize(
    source: Annotated[
        Path, typer.Argument(help=f"A GGUF file, a Hugging Face checkpoint folder, or {PACKAGED}, the packaged model.")
    ],
    folder: Annotated[Path, typer.Argument(help="Where the checkpoint to train goes.")],
    *,
    shifted: Annotated[
        bool, typer.Option("--shifted/--unshifted", help="Predict from the state before, or the own.")
    ] = True,
) -> None:
    """Import a causal checkpoint and add mask, expand and delete tokens; one that has them is copied."""
    write_start(DEFAULT_CHECKPOINT if str(source) == PACKAGED else source, folder, shift_logits=shifted)


@app.command()
def train(
    checkpoint: Annotated[Path, typer.Argument(help="The initialised checkpoint folder.")],
    corpus: Annotated[Path, typer.Argument(help="The folder with the shards.")],
    run: Annotated[Path, typer.Argument(help="The run's folder; a run that was stopped is resumed.")],
    *,
    recipe: RecipeFile = None,
    max_steps: MaxSteps = None,
    minutes: MinutesOrNone = None,
    final: Final = False,
) -> None:
    """Train until `max_steps`, for some minutes, or until a file `decay` appears in the run's folder."""
    section, options = read_dials(recipe, max_steps, minutes, final=final)
    with locked_run(run):
        follow(build_trainer(checkpoint, corpus, run, section, options))


@app.command()
def distill(
    checkpoint: Annotated[Path, typer.Argument(help="The teacher, which a student starts as a copy of.")],
    corpus: Annotated[Path, typer.Argument(help="The folder with the shards.")],
    run: Annotated[Path, typer.Argument(help="The run's folder; a run that was stopped is resumed.")],
    *,
    teacher_steps: Annotated[int, typer.Option(help="Of the teacher's trajectory; the student takes half.")] = 32,
    method: Annotated[Method, typer.Option(help="What the student learns.")] = Method.TRAJECTORY,
    compare_steps: Annotated[
        bool, typer.Option("--compare-steps", help="Fill held-out holes in ever fewer steps, before and after.")
    ] = False,
    recipe: RecipeFile = None,
    max_steps: MaxSteps = None,
    minutes: MinutesOrNone = None,
    final: Final = False,
) -> None:
    """Teach a model to fill in half the steps; its export is the teacher of the next halving."""
    section, options = read_dials(recipe, max_steps, minutes, final=final)
    objective = build_objective(method, checkpoint, teacher_steps, options.dtype)
    with locked_run(run):
        trainer = build_trainer(checkpoint, corpus, run, section, options, objective=objective)
        follow(trainer)
    if compare_steps:
        _compare_steps(trainer, load_teacher(checkpoint, options.dtype), halvings(teacher_steps))


def _compare_steps(trainer: Trainer, teacher: Transformer, steps: Sequence[int]) -> None:
    """Print how much of the held-out holes either network gets right in so many steps."""
    batches = trainer.held_out.get(_WHOLE_HOLES, [])
    if not batches:
        return
    table = Table("accuracy after steps", *map(str, steps))
    for name, network in (("before", teacher), ("after", trainer.network)):
        with trainer.autocast():
            counts = track(steps, f"Filling {name}", disable=not trainer.group.is_first)
            table.add_row(name, *(f"{accuracy_after(network, batches, count):.3f}" for count in counts))
    if trainer.group.is_first:
        console.print(table)


@app.command()
def order(
    checkpoint: Annotated[Path, typer.Argument(help="A finished checkpoint; the head is put beside its weights.")],
    corpus: Annotated[Path, typer.Argument(help="The folder with the shards.")],
    *,
    lines: Annotated[int, typer.Option(min=3, help="Lines to learn from; a third as many to compare on.")] = 900,
    device: Device = "auto",
) -> None:
    """Train a commit order on what a checkpoint gets right; one that is worse than what is there is not kept."""
    config, place = ModelConfig.from_checkpoint(checkpoint), resolve_device(device)
    tokenizer = Tokenizer.from_checkpoint(checkpoint, config.vocab_size)
    network = load_transformer(checkpoint, config, device=place, dtype=default_dtype(place))
    texts, held_out = (TextShard(corpus / f"{split}{SHARD_SUFFIX}") for split in ("train", "held_out"))
    observed, unseen = (
        list(track(observe(network, tokenizer, choose_lines(source, count)), f"Reading {count} lines", count))
        for source, count in ((texts, lines), (held_out, lines // 3))
    )
    learned = train_order(observed)
    measured = compare(learned, unseen, load_order(checkpoint))
    if measured.is_no_worse:
        write_order(learned, checkpoint)
    present = "" if measured.present is None else f", in the present order {measured.present:.1%}"
    console.print(
        f"first commit right in {len(unseen)} held-out lines, after {len(observed)} to learn from: learned"
        f" {measured.learned:.1%}, by confidence {measured.confidence:.1%}{present}"
        f"{'' if measured.is_no_worse else '; that is worse, and nothing was written'}",
        soft_wrap=True,
    )


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint the run started from.")],
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    folder: Annotated[Path, typer.Argument(help="Where the checkpoint goes.")],
    *,
    int8: Annotated[bool, typer.Option("--int8/--bf16", help="Half the size, less exact; or fit to train on.")] = False,
) -> None:
    """Merge what a run trained into a checkpoint, bf16 or eight bits a weight, with its start's guide and order."""
    print_export(export_run(checkpoint, run, folder, is_rounded=int8), checkpoint, folder)


@app.command()
def guide(
    causal: Annotated[Path, typer.Argument(help="The causal checkpoint that the model was trained from.")],
    checkpoint: Annotated[Path, typer.Argument(help="The model; the guide is put into its folder.")],
    *,
    rank: Annotated[int, typer.Option(help="Of the adapter that takes the training back.")] = 32,
) -> None:
    """Keep the causal model that a checkpoint came from as its guide, in a seventh of the disk."""
    missed = write_companion(causal, checkpoint, rank)
    console.print(f"the adapter leaves {missed:.1%} of the difference")


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="A TOML file with all sections.")],
    folder: Annotated[Path, typer.Argument(help="Where everything goes; what is there already is not made again.")],
    *,
    minutes: Minutes = 9.5,
    final: Final = False,
    pieces: Annotated[bool, typer.Option(help="Export, and cut the result into pieces for transport.")] = False,
    int8: Annotated[bool, typer.Option("--int8/--bf16", help="The export, as of the stage of that name.")] = False,
) -> None:
    """Corpus, start and training in one resumable command, and with --pieces the export, minutes at a time."""
    stretch = Stretch(load_recipe(recipe), folder, minutes, is_final=final)
    with locked_run(stretch.run_folder):
        trainer = stretch.build_trainer()
        print_reports(stretch.reports)
        follow(trainer)
    if pieces:
        print_export(stretch.write_pieces(is_rounded=int8), stretch.start_folder, stretch.export_folder)
        console.print(f"its pieces are in {stretch.pieces_folder}", soft_wrap=True)


@app.command()
def join(
    pieces: Annotated[Path, typer.Argument(help="The folder with the pieces.")],
    folder: Annotated[Path, typer.Argument(help="Where the checkpoint goes.")],
) -> None:
    """Put the pieces of a transported checkpoint together again."""
    join_pieces(pieces, folder)


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint folder to measure.")],
    corpus: Annotated[Path, typer.Argument(help="The folder with the shards.")],
    num_sequences: Annotated[int, typer.Option(help="Sequences for each noise.")] = 200,
    num_lines: Annotated[int, typer.Option(help="Lines for the engine to fill; 0 skips that.")] = 100,
    device: Device = "auto",
) -> None:
    """Measure a checkpoint on the held-out packages; the last line is one JSON object."""
    texts = TextShard(corpus / f"held_out{SHARD_SUFFIX}")
    noises = measure_noises(checkpoint, texts, num_sequences, device=device)
    report = {name: asdict(values) for name, values in noises.items()}
    if num_lines:
        report["lines"] = asdict(measure_lines(checkpoint, texts, num_lines, device=device))
    table = Table("measurement", "values")
    for name, values in report.items():
        table.add_row(name, "  ".join(f"{key} {value:.4g}" for key, value in values.items()))
    console.print(table)
    typer.echo(json.dumps(report))


def run_stage(arguments: Sequence[str], program: str) -> int:
    """Run one stage; an expected failure is one sentence on standard error.

    Returns:
        The exit code: 0, 2 for a usage error, 130 for Ctrl-C, 3 for anything else.
    """
    try:
        code = app(list(arguments), standalone_mode=False, prog_name=program)
    except typer.TyperException as error:
        # Without a stage, the help was printed already and nothing is left to say.
        return _complain(program, error.format_message(), error.exit_code)
    except Exception as error:
        if not is_expected(error):
            raise
        return _complain(program, describe(error), 3)
    # Typer turns Ctrl-C into the value that a command returns.
    return _complain(program, "Interrupted; a run resumes from its last state.", code) if code == _INTERRUPTED else 0


def _complain(program: str, message: str, code: int) -> int:
    if message:
        typer.echo(f"{program}: {message}", err=True)
    return code


if __name__ == "__main__":
    raise SystemExit(run_stage(sys.argv[1:], "python -m dlm_model.training"))
