"""From a checkpoint folder, shards and a recipe to a trainer that is ready to run."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from dlm_model.network.config import ModelConfig
from dlm_model.network.weights import load_transformer
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.context_weights import CONTEXT_WEIGHTINGS
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.held_out import NOISES, held_out_batches
from dlm_model.training.mixed_source import MixedSource
from dlm_model.training.objective import Objective, masked_diffusion
from dlm_model.training.options import TrainingOptions
from dlm_model.training.parallelism import ProcessGroup
from dlm_model.training.recipe import TrainSection
from dlm_model.training.run_state import digest_texts, digest_weights
from dlm_model.training.shards import SHARD_SUFFIX, TextShard
from dlm_model.training.train import Trainer
from dlm_model.training.windows import Batch

_NUM_HELD_OUT_SEQUENCES = 24


def build_trainer(
    checkpoint: Path,
    corpus: Path,
    run: Path,
    section: TrainSection,
    options: TrainingOptions,
    *,
    objective: Objective = masked_diffusion,
) -> Trainer:
    """A trainer on this process's device, resumed from the run folder if a run is there; its time runs from here.

    Raises:
        CheckpointError: the checkpoint or the run's state is unreadable, or they do not belong together.
        DeviceError: the device does not exist.
        ValueError: a shard is unreadable or empty.
    """
    started_at = time.monotonic()
    if section.threads is not None:
        torch.set_num_threads(section.threads)
    group = ProcessGroup()
    config = ModelConfig.from_checkpoint(checkpoint)
    tokenizer = Tokenizer.from_checkpoint(checkpoint, config.vocab_size)
    builder = ExampleBuilder(tokenizer, config, CONTEXT_WEIGHTINGS[section.context_weights])
    examples = MixedSource(TextShard(corpus / f"train{SHARD_SUFFIX}"), builder)
    held_out = read_held_out(corpus, builder)
    dtype = options.parameters.base_dtype(options.dtype)
    network = load_transformer(checkpoint, config, device=group.device, dtype=dtype)
    trainer = Trainer(
        network,
        examples,
        run,
        options,
        held_out,
        objective=objective,
        group=group,
        started_at=started_at,
        start=digest_weights(checkpoint),
        corpus=digest_texts(sorted(corpus.glob(f"*{SHARD_SUFFIX}"))),
    )
    if section.compile:
        trainer.compile()
    return trainer


def read_held_out(corpus: Path, builder: ExampleBuilder) -> Mapping[str, Sequence[Batch]]:
    """Batches of the held-out shard, by noise; none if the corpus has no held-out split."""
    path = corpus / f"held_out{SHARD_SUFFIX}"
    if not path.exists():
        return {}
    texts = TextShard(path)
    return {name: held_out_batches(texts, builder, noise, _NUM_HELD_OUT_SEQUENCES) for name, noise in NOISES.items()}
