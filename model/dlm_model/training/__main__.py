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
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.progress import track
from rich.table import Table

from dlm_model.device import default_dtype, resolve_device
from dlm_model.engine import DEFAULT_CHECKPOINT
from dlm_model.errors import CheckpointError, ModelError
from dlm_model.network.config import ModelConfig
from dlm_model.network.weights import load_transformer
from dlm_model.steps.order import load_order
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.atomic import require_empty
from dlm_model.training.commit_order import compare, observe, train_order, write_order
from dlm_model.training.companion import carry_guide, write_companion
from dlm_model.training.corpus import MAX_CHARACTERS_PER_PACKAGE, available_workers, build_corpus
from dlm_model.training.decontamination import NgramFilter, read_problems
from dlm_model.training.dials import Device
from dlm_model.training.distill import Method, accuracy_after, build_objective, halvings, load_teacher
from dlm_model.training.evaluate import choose_lines, measure_lines, measure_noises
from dlm_model.training.export import merge_run, write_checkpoint, write_rounded
from dlm_model.training.launch import build_trainer
from dlm_model.training.manifest import load_manifest
from dlm_model.training.options import TrainingOptions
from dlm_model.training.pieces import join_pieces
from dlm_model.training.recipe import PACKAGED, TrainSection, load_recipe
from dlm_model.training.run_state import STATE_FILE, locked_run, read_progress
from dlm_model.training.shards import SHARD_SUFFIX, TextShard
from dlm_model.training.start import write_start
from dlm_model.training.stretch import DECAY_SHARE, Stretch
from dlm_model.training.terminal import console, follow, print_reports

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
    recipe: Annotated[Path | None, typer.Option(help="A TOML file with a section \\[train].")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Ends the run, decay included.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stops after so long; the next call goes on.")] = None,
    final: Annotated[bool, typer.Option("--final", help="Of these minutes, the last half is the decay.")] = False,
) -> None:
    """Train until `max_steps`, for some minutes, or until a file `decay` appears in the run's folder."""
    section, options = _dials(recipe, max_steps, minutes, final=final)
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
    recipe: Annotated[Path | None, typer.Option(help="A TOML file with a section \\[train].")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Ends the run, decay included.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stops after so long; the next call goes on.")] = None,
    final: Annotated[bool, typer.Option("--final", help="Of these minutes, the last half is the decay.")] = False,
) -> None:
    """Teach a model to fill in half the steps; its export is the teacher of the next halving."""
    section, options = _dials(recipe, max_steps, minutes, final=final)
    objective = build_objective(method, checkpoint, teacher_steps, options.dtype)
    with locked_run(run):
        trainer = build_trainer(checkpoint, corpus, run, section, options, objective=objective)
        follow(trainer)
    batches, steps = trainer.held_out.get(_WHOLE_HOLES, []), halvings(teacher_steps)
    table = Table("accuracy after steps", *map(str, steps))
    for name, network in (("before", load_teacher(checkpoint, options.dtype)), ("after", trainer.network)):
        if batches:
            counts = track(steps, f"Filling {name}", disable=not trainer.group.is_first)
            table.add_row(name, *(f"{accuracy_after(network, batches, count):.3f}" for count in counts))
    if batches and trainer.group.is_first:
        console.print(table)


def _dials(
    recipe: Path | None, max_steps: int | None, minutes: float | None, *, final: bool
) -> tuple[TrainSection, TrainingOptions]:
    """The dials of a recipe, with those of the command line in their place."""
    if final and minutes is None:
        raise typer.BadParameter("--final wants to know in how many --minutes")
    section = load_recipe(recipe).train if recipe else TrainSection()
    seconds = None if minutes is None else 60 * minutes
    options = section.options(seconds, seconds * DECAY_SHARE if final and seconds is not None else None)
    return section, replace(options, max_steps=max_steps or options.max_steps)


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
    if measured.is_gain:
        write_order(learned, checkpoint)
    present = "" if measured.present is None else f", in the present order {measured.present:.1%}"
    console.print(
        f"first commit right in {len(unseen)} held-out lines, after {len(observed)} to learn from: learned"
        f" {measured.learned:.1%}, by confidence {measured.confidence:.1%}{present}"
        f"{'' if measured.is_gain else '; that is no gain, and nothing was written'}",
        soft_wrap=True,
    )


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint the run started from.")],
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    folder: Annotated[Path, typer.Argument(help="Where the checkpoint goes.")],
    *,
    bf16: Annotated[bool, typer.Option("--bf16", help="Twice as large, and fit to be trained on.")] = False,
) -> None:
    """Merge what a run trained into a checkpoint, eight bits a weight or bf16, with its start's guide and order."""
    require_empty(folder)
    write = write_checkpoint if bf16 else write_rounded
    write(merge_run(checkpoint, run), checkpoint, folder)
    progress = read_progress(run / STATE_FILE)
    rough = "" if progress.is_finished else "; its learning rate has not fallen yet, which --final sees to"
    console.print(f"{folder} is the model of step {progress.step}{rough}", soft_wrap=True)
    try:
        carry_guide(checkpoint, folder)
    except CheckpointError as error:
        # The model is whole without it, and a causal prompt can guide itself.
        typer.echo(f"{folder} is written without the guide of {checkpoint}: {error}", err=True)


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
    minutes: Annotated[float, typer.Option(help="Of this stretch, from start to last state.")] = 9.5,
    final: Annotated[bool, typer.Option(help="Let the learning rate decay in the second half of it.")] = False,
    pieces: Annotated[bool, typer.Option(help="Export, and cut the result into pieces for transport.")] = False,
) -> None:
    """Corpus, start and training in one resumable command, and with --pieces the export, minutes at a time."""
    stretch = Stretch(load_recipe(recipe), folder, minutes, is_final=final)
    with locked_run(stretch.run_folder):
        trainer = stretch.build_trainer()
        print_reports(stretch.reports)
        follow(trainer)
    if pieces:
        console.print(f"{stretch.write_pieces()} pieces are in {stretch.pieces_folder}")


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
    device: Annotated[str, typer.Option(help="`auto` takes the first CUDA GPU, and otherwise the CPU.")] = "auto",
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
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        return _complain(program, f"{error.strerror or error}{place}", 3)
    except (torch.OutOfMemoryError, torch._dynamo.exc.TorchDynamoException) as error:
        return _complain(program, _remedy(error), 3)
    except (ModelError, ValueError) as error:
        return _complain(program, str(error), 3)
    # Typer turns Ctrl-C into the value that a command returns.
    return _complain(program, "Interrupted; a run goes on from its last state.", code) if code == _INTERRUPTED else 0


def _remedy(error: RuntimeError) -> str:
    """What to change where the memory does not suffice, or the model cannot be compiled."""
    if isinstance(error, torch.OutOfMemoryError):
        return "The device has not enough memory; a smaller tokens_per_batch needs less."
    # Mostly because there is no C++ compiler. The lines after the first are for developers of torch.
    reason = str(error).partition("\n")[0]
    return f"{reason} (compile = false in the recipe trains without compiling)"


def _complain(program: str, message: str, code: int) -> int:
    if message:
        typer.echo(f"{program}: {message}", err=True)
    return code


if __name__ == "__main__":
    raise SystemExit(run_stage(sys.argv[1:], "python -m dlm_model.training"))
