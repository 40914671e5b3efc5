"""What a checkpoint can do on held-out packages: likelihoods of single passes, and whole lines filled by the engine."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from dlm_model.decode_options import DecodeOptions
from dlm_model.device import default_dtype, resolve_device
from dlm_model.engine import load_engine
from dlm_model.network.config import ModelConfig
from dlm_model.network.weights import load_transformer
from dlm_model.request import CancelToken, InfillEngine, InfillRequest
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.held_out import NOISES, Measurement, draw_texts, held_out_batches, measure
from dlm_model.training.windows import Window, cut_window

_WINDOW_CHARACTERS = 1200
_MIN_LINE_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class LineTask:
    """A line of real code without its indentation, and the text on both sides of it."""

    prefix: str
    line: str
    suffix: str


@dataclass(frozen=True, slots=True)
class LineMeasurement:
    """How well lines of unknown length are filled.

    Attributes:
        num_lines: Lines tried.
        exact_rate: Share of them restored character by character, white space at the ends aside.
        length_error: Mean absolute difference of tokens between the filled and the true line.
        num_forwards: Mean network calls of a line.
    """

    num_lines: int
    exact_rate: float
    length_error: float
    num_forwards: float


def measure_noises(
    checkpoint: Path, texts: Sequence[str], num_sequences: int, *, device: str = "cpu"
) -> dict[str, Measurement]:
    """Measure every noise of `NOISES` on the same holes, in the number format that the device is fastest in.

    Raises:
        CheckpointError: unreadable, or without expand and delete tokens.
        DeviceError: there is no such device.
        ValueError: the texts have too few holes.
    """
    config = ModelConfig.from_checkpoint(checkpoint)
    builder = ExampleBuilder(Tokenizer.from_checkpoint(checkpoint, config.vocab_size), config)
    place = resolve_device(device)
    network = load_transformer(checkpoint, config, device=place, dtype=default_dtype(place))
    batches = {name: held_out_batches(texts, builder, noise, num_sequences) for name, noise in NOISES.items()}
    return {
        name: measure(network, [batch.to(place) for batch in batches[name]])
        for name in track(batches, "Measuring noises")
    }


def measure_lines(checkpoint: Path, texts: Sequence[str], num_lines: int, *, device: str = "cpu") -> LineMeasurement:
    """Let the engine fill lines whose length it is not told.

    Raises:
        ModelError: the checkpoint cannot be loaded.
        ValueError: the texts have too few lines of code.
    """
    engine = load_engine(str(checkpoint), device)
    tasks = track(choose_lines(texts, num_lines), "Filling lines")
    return summarize([(task, *_fill(engine, task)) for task in tasks], engine)


def choose_lines(texts: Sequence[str], num_lines: int, *, seed: int = 0) -> list[LineTask]:
    """The same lines for the same arguments: code, neither blank nor comment nor docstring, with text on both sides.

    Raises:
        ValueError: the texts have too few.
    """
    rng = random.Random(seed)
    tasks: list[LineTask] = []
    for text in draw_texts(texts, num_lines, rng):
        window = cut_window(text, rng.randrange(len(text)), _WINDOW_CHARACTERS)
        task = _cut_line(window, rng)
        if task is not None:
            tasks.append(task)
        if len(tasks) == num_lines:
            break
    return tasks


def _cut_line(window: Window, rng: random.Random) -> LineTask | None:
    lines = window.text.split("\n")
    index = rng.randrange(max(len(lines), 1))
    if not 0 < index < len(lines) - 1:
        return None
    code = lines[index].strip()
    start = window.text.index(code, sum(len(line) + 1 for line in lines[:index]))
    is_prose = code.startswith("#") or any(span.start <= start < span.end for span in window.prose)
    if is_prose or len(code) < _MIN_LINE_CHARACTERS:
        return None
    return LineTask(window.text[:start], code, window.text[start + len(code) :])


def summarize(fills: Sequence[tuple[LineTask, str, int]], engine: InfillEngine) -> LineMeasurement:
    """Rates over `(task, filled text, network calls)`."""
    errors = [abs(engine.count_tokens(text) - engine.count_tokens(task.line)) for task, text, _ in fills]
    return LineMeasurement(
        num_lines=len(fills),
        exact_rate=sum(text.strip() == task.line for task, text, _ in fills) / len(fills),
        length_error=sum(errors) / len(fills),
        num_forwards=sum(num_forwards for _, _, num_forwards in fills) / len(fills),
    )


def _fill(engine: InfillEngine, task: LineTask) -> tuple[str, int]:
    request = InfillRequest(task.prefix, task.suffix, single_line=True)
    *_, draft = engine.infill(request, DecodeOptions(), CancelToken())
    return draft.text, draft.num_forwards
