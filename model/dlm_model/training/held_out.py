"""Held-out code, and measurements of it that need one forward pass: likelihood and accuracy at fixed noise."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlm_model.network.transformer import Transformer
from dlm_model.training.examples import ExampleBuilder, HoleNoise
from dlm_model.training.holes import choose_holes
from dlm_model.training.objective import predict
from dlm_model.training.sequence import IGNORED, Example
from dlm_model.training.windows import Batch, batches_by_length, cut_window

NOISES: Mapping[str, HoleNoise] = {
    "first_step": HoleNoise(1.0, "exact"),
    "half_masked": HoleNoise(0.5, "exact"),
    "tenth_masked": HoleNoise(0.1, "exact"),
    "padded": HoleNoise(1.0, "padded"),
    "from_left": HoleNoise(0.5, "exact", "left_to_right"),
}
_WINDOW_CHARACTERS = 900
_MAX_DRAWS = 100  # for every sequence wanted: real code yields one in two or three


@dataclass(frozen=True, slots=True)
class Measurement:
    """Means over the masked positions of one noise.

    Attributes:
        nll: Of the content tokens, in nats per token.
        accuracy: Share of content tokens where the most probable token is right.
        delete_accuracy: Share of surplus positions that are recognised; 1 where there are none.
        next_nll: Of the leftmost mask of each hole alone, which a decoder that goes from the left commits next.
    """

    nll: float
    accuracy: float
    delete_accuracy: float
    next_nll: float


def draw_texts(texts: Sequence[str], num_wanted: int, rng: random.Random) -> Iterator[str]:
    """Texts at random, for a caller that stops once it has taken enough pieces from them.

    Raises:
        ValueError: it did not stop, because hardly any text has such pieces.
    """
    for _ in range(num_wanted * _MAX_DRAWS):
        yield rng.choice(texts)
    are, have, files = ("is", "has", "file") if len(texts) == 1 else ("are", "have", "files")
    flaw = f"{len(texts)} {files} {are} too small or {have} too little code for {num_wanted} holes"
    raise ValueError(f"{flaw}; ask for fewer, or add files")


def held_out_batches(
    texts: Sequence[str], builder: ExampleBuilder, noise: HoleNoise, num_sequences: int, *, seed: int = 0
) -> list[Batch]:
    """The same sequences for the same arguments; every file is as likely, and no hole touches a docstring.

    Raises:
        ValueError: the texts have too few holes.
    """
    rng = random.Random(seed)
    examples: list[Example] = []
    for text in draw_texts(texts, num_sequences, rng):
        window = cut_window(text, rng.randrange(len(text)), _WINDOW_CHARACTERS)
        holes = choose_holes(window.text, 1, rng)
        in_prose = any(hole.start < span.end and span.start < hole.end for hole in holes for span in window.prose)
        if holes and not in_prose:
            examples.append(builder.build(window.text, holes, random.Random(len(examples)), noise))
        if len(examples) == num_sequences:
            break
    return batches_by_length(examples, batch_size=8)


@torch.no_grad()
def measure(network: Transformer, batches: Sequence[Batch]) -> Measurement:
    """Measure a network on batches of one noise."""
    losses, hits, is_delete, is_next = list[Tensor](), list[Tensor](), list[Tensor](), list[Tensor]()
    delete_token_id = network.config.delete_token_id
    for batch in batches:
        predictions = predict(network, batch)
        losses.append(predictions.losses)
        hits.append(predictions.is_correct.float())
        is_delete.append(predictions.labels == (-1 if delete_token_id is None else delete_token_id))
        is_next.append(_is_leftmost(batch))
    loss, hit, deletes, nexts = torch.cat(losses), torch.cat(hits), torch.cat(is_delete), torch.cat(is_next)
    return Measurement(
        nll=float(loss[~deletes].mean()),
        accuracy=float(hit[~deletes].mean()),
        delete_accuracy=float(hit[deletes].mean()) if deletes.any() else 1.0,
        next_nll=float(loss[nexts & ~deletes].mean()),
    )


def _is_leftmost(batch: Batch) -> Tensor:
    """Which of the N supervised positions are the first of their canvas."""
    is_supervised = batch.labels != IGNORED
    rows = is_supervised.nonzero()[:, 0]
    canvases = torch.stack((rows, batch.groups[is_supervised]))
    is_first: Tensor = (canvases != canvases.roll(1, dims=1)).any(dim=0)
    return is_first | (torch.arange(len(rows), device=rows.device) == 0)
