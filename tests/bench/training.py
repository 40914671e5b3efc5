"""Learning A/Bs of a tiny model on the standard library: optimizer, learning rate, and shifted against unshifted head.

The model starts from random weights, so the table says which switch learns faster from nothing. It says nothing about a
large causal checkpoint; for that, `dlm-lsp train` takes the same switches.

    python -m tests.bench.training                  all six rows, 120 steps, two seeds
    python -m tests.bench.training --only 1 3 5     at one learning rate: AdamW, Muon, and AdamW with an unshifted head

How long the rest takes is told after the first run.
"""

import argparse
import json
import platform
import statistics
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer as HFTokenizer
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

from dlm_model.network.config import ModelConfig
from dlm_model.network.weights import load_transformer
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.held_out import NOISES, held_out_batches
from dlm_model.training.initialize import initialize
from dlm_model.training.optimizers import OptimizerName
from dlm_model.training.options import TrainingOptions
from dlm_model.training.parameters import AllParameters
from dlm_model.training.train import Trainer
from dlm_model.training.windows import ExampleSource
from tests.model.tiny_checkpoints import SHAPE

VOCAB_SIZE = 1024
SHAPE_64 = SHAPE | {
    "vocab_size": VOCAB_SIZE - 3,
    "hidden_size": 64,
    "intermediate_size": 128,
    "initializer_range": 0.05,
}
NUM_HELD_OUT_FILES = 12


class Variant(NamedTuple):
    """One row of the table."""

    optimizer: OptimizerName
    learning_rate: float
    is_shifted: bool


VARIANTS = [
    Variant("adamw", 5e-3, True),
    Variant("adamw", 1e-2, True),
    Variant("muon", 5e-3, True),
    Variant("muon", 1e-2, True),
    Variant("muon", 2e-2, True),
    Variant("adamw", 1e-2, False),
]


def standard_library() -> list[str]:
    """Source files of moderate size, in the order of their names."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    return [text for text in texts if 4_000 < len(text) < 60_000 and text.isascii()]


def write_start(folder: Path, seed: int, *, is_shifted: bool) -> None:
    """A random tiny checkpoint, with a tokenizer of the standard library's own."""
    torch.manual_seed(seed)
    causal = folder.with_name("causal")
    LlamaForCausalLM(LlamaConfig(**SHAPE_64, tie_word_embeddings=True)).save_pretrained(causal)
    tokenizer = HFTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - 3,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(standard_library(), trainer)
    tokenizer.save(str(causal / "tokenizer.json"))
    initialize(causal, folder, shift_logits=is_shifted)


def measure(variant: Variant, seed: int, num_steps: int, folder: Path) -> dict[str, float]:
    """Train one variant and return the last held-out measurement."""
    write_start(folder / "start", seed, is_shifted=variant.is_shifted)
    config = ModelConfig.from_checkpoint(folder / "start")
    builder = ExampleBuilder(Tokenizer.from_checkpoint(folder / "start", config.vocab_size), config)
    texts = standard_library()
    held_out = {
        name: held_out_batches(texts[::NUM_HELD_OUT_FILES], builder, NOISES[name], 24)
        for name in ("first_step", "half_masked")
    }
    network = load_transformer(folder / "start", config, device=torch.device("cpu"), dtype=torch.float32)
    options = TrainingOptions(
        parameters=AllParameters(),
        optimizer=variant.optimizer,
        precision="fp32",
        learning_rate=variant.learning_rate,
        warmup_steps=10,
        decay_steps=num_steps // 2,
        max_steps=num_steps,
        sequences_per_step=4,
        tokens_per_batch=4096,
        measure_interval=num_steps * 2,
        seed=seed,
    )
    source = ExampleSource([text for i, text in enumerate(texts) if i % NUM_HELD_OUT_FILES], builder, "python")
    *_, last = Trainer(network, source, folder / "run", options, held_out).run()
    return last


def rows(variants: list[Variant], num_steps: int, num_seeds: int) -> Iterator[dict[str, object]]:
    """One row a variant: means over the seeds."""
    num_left, start = len(variants) * num_seeds, time.monotonic()
    for variant in variants:
        results = []
        for seed in range(num_seeds):
            with tempfile.TemporaryDirectory() as folder:
                results.append(measure(variant, seed, num_steps, Path(folder)))
            num_left -= 1
            minutes = (time.monotonic() - start) / (len(variants) * num_seeds - num_left) * num_left / 60
            print(f"{variant}, seed {seed}: done; about {minutes:.1f} minutes left", file=sys.stderr, flush=True)
        keys = ("first_step/nll", "half_masked/nll", "half_masked/accuracy")
        means = {key: round(statistics.mean(result[key] for result in results), 4) for key in keys}
        spread = max(r["half_masked/nll"] for r in results) - min(r["half_masked/nll"] for r in results)
        yield {**variant._asdict(), **means, "spread of half_masked/nll": round(spread, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a tiny model in several ways and compare what it learns.")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", type=int, nargs="+", default=range(len(VARIANTS)), help="rows of the table")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    found = list(rows([VARIANTS[row] for row in arguments.only], arguments.steps, arguments.seeds))
    table = Table(*found[0])
    for row in found:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    machine = platform.processor() or platform.machine()
    hardware = {"machine": machine, "threads": arguments.threads, "torch": torch.__version__}
    print(json.dumps({"steps": arguments.steps, "seeds": arguments.seeds, **hardware, "rows": found}))


if __name__ == "__main__":
    main()
