"""A tiny training run as a program, so that `torchrun` can start it: checkpoint folder, run folder, variant."""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from dlm_model.network.config import ModelConfig
from dlm_model.network.weights import load_transformer
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.options import TrainingOptions
from dlm_model.training.parallelism import Sharded
from dlm_model.training.parameters import AllParameters, LowRankAdapters
from dlm_model.training.train import Trainer
from dlm_model.training.windows import ExampleSource

TEXTS = [
    f"def {name}(self, value):\n    for item in self.{name}s:\n        yield item + value\n    return None\n" * 3
    for name in ("area", "side", "angle")
]
OPTIONS = TrainingOptions(
    parameters=LowRankAdapters(rank=4, alpha=8),
    precision="fp32",
    learning_rate=1e-2,
    warmup_steps=2,
    decay_steps=4,
    sequences_per_step=4,
    log_interval=2,
    measure_interval=1000,
    max_steps=5,
)


VARIANTS = {
    "adapters": OPTIONS,
    "all": replace(OPTIONS, parameters=AllParameters()),
    "sharded": replace(OPTIONS, parameters=AllParameters(), placement=Sharded()),
    "patient": replace(OPTIONS, max_steps=30, save_seconds=0.0, log_interval=1),
}


def main(checkpoint: Path, run: Path, variant: str) -> None:
    torch.set_num_threads(1)
    config = ModelConfig.from_checkpoint(checkpoint)
    builder = ExampleBuilder(Tokenizer.from_checkpoint(checkpoint, config.vocab_size), config)
    network = load_transformer(checkpoint, config, device=torch.device("cpu"), dtype=torch.float32)
    for _ in Trainer(network, ExampleSource(TEXTS, builder), run, VARIANTS[variant]).run():
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
