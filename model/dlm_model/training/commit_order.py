"""Trains the head of a learned commit order on what a finished checkpoint gets right, and compares it with confidence.

A line of real code is cut out as the engine would, with the words that it takes over from both sides. These words and a
random part of the rest are put back. A position was ready to be committed if the model's best token there is the true
one. The network itself is not trained.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from dlm_model.cache.causal_prompt import CausalPrompt
from dlm_model.cache.policies import ColumnCache, choose_window
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions, DecodePlan
from dlm_model.network.transformer import Transformer
from dlm_model.opening import Opening
from dlm_model.request import InfillRequest
from dlm_model.steps.order import ORDER_FILE, CommitOrder, features
from dlm_model.steps.selection import guess_tokens
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.atomic import replacing_file
from dlm_model.training.evaluate import LineTask

_NUM_UPDATES = 400
_LEARNING_RATE = 0.02


@dataclass(frozen=True, slots=True)
class Observation:
    """One step on one line.

    Attributes:
        features: [N, F] of its masked positions.
        confidence: [N].
        is_right: [N], whether the best token is the true one.
    """

    features: Tensor
    confidence: Tensor
    is_right: Tensor


@dataclass(frozen=True, slots=True)
class OrderMeasurement:
    """Share of steps whose first commit is right, on lines that were not trained on.

    Attributes:
        learned: By the head.
        confidence: By the highest probability.
        present: By the head that the checkpoint has had; None if it has none.
    """

    learned: float
    confidence: float
    present: float | None = None

    @property
    def is_no_worse(self) -> bool:
        """Whether the head is as good as what there is without it, or better."""
        return self.learned >= max(self.confidence, self.present or 0.0)


def observe(
    network: Transformer, tokenizer: Tokenizer, tasks: Sequence[LineTask], *, seed: int = 0
) -> Iterator[Observation]:
    """One step for each line, with a random share of it masked; a line of one token teaches nothing about order."""
    draw = random.Random(seed)
    for task in tasks:
        request = InfillRequest(task.prefix, task.suffix, single_line=True)
        opening = Opening.read(request, DecodeOptions(), tokenizer, network.config)
        head, tail = opening.head.spelling, opening.tail.spelling
        truth = tokenizer.encode((head + task.line.encode() + tail).decode("utf-8", errors="ignore")).ids
        first = _num_spelling(tokenizer, truth, len(head))
        last = len(truth) - _num_spelling(tokenizer, truth[::-1], len(tail))
        if last - first > 1:
            canvas = Canvas.open(opening.prefix_ids, opening.suffix_ids, [len(truth)], network.config.mask_token_id)
            shown = torch.tensor([draw.sample(range(first, last), draw.randrange(last - first - 1))], dtype=torch.long)
            columns = torch.arange(len(truth))[None]
            is_shown = ((columns < first) | (columns >= last)).scatter(1, shown, value=True)
            canvas = canvas.guess(torch.tensor([truth]), torch.ones(1, len(truth))).commit(is_shown)
            yield _observe(network, canvas, torch.tensor([truth]))


def train_order(observations: Sequence[Observation], *, seed: int = 0) -> CommitOrder:
    """Fit the head to what was right, over all positions of all lines.

    Raises:
        ValueError: there is no line.
    """
    _require_lines(observations)
    torch.manual_seed(seed)
    order = CommitOrder()
    seen = torch.cat([observation.features for observation in observations])
    is_right = torch.cat([observation.is_right for observation in observations]).float()
    optimizer = torch.optim.AdamW(order.parameters(), lr=_LEARNING_RATE)
    for _ in range(_NUM_UPDATES):
        loss = F.binary_cross_entropy_with_logits(order(seen), is_right)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return order.eval().requires_grad_(False)


def compare(
    order: CommitOrder, observations: Sequence[Observation], present: CommitOrder | None = None
) -> OrderMeasurement:
    """How often each of them commits a right token first.

    Raises:
        ValueError: there is no line.
    """
    _require_lines(observations)
    confident = [bool(each.is_right[each.confidence.argmax()]) for each in observations]
    return OrderMeasurement(
        _first_right(order, observations),
        sum(confident) / len(confident),
        None if present is None else _first_right(present, observations),
    )


def _require_lines(observations: Sequence[Observation]) -> None:
    if not observations:
        raise ValueError("no line of several tokens to learn from, or to compare on; ask for more --lines")


def _first_right(order: CommitOrder, observations: Sequence[Observation]) -> float:
    return sum(bool(each.is_right[order(each.features).argmax()]) for each in observations) / len(observations)


def write_order(order: CommitOrder, folder: Path) -> None:
    """Put the head beside the weights of a checkpoint, in place of another.

    Raises:
        OSError: the disk is full, or the like; the head that was there is whole.
    """
    with replacing_file(folder / ORDER_FILE) as partial:
        save_file(order.state_dict(), partial)


def _num_spelling(tokenizer: Tokenizer, token_ids: Sequence[int], num_bytes: int) -> int:
    """How many tokens, in this order, spell so many bytes."""
    num_tokens = 0
    while num_bytes > 0 and num_tokens < len(token_ids):
        num_bytes -= len(tokenizer.token_bytes[token_ids[num_tokens]])
        num_tokens += 1
    return num_tokens


def _observe(network: Transformer, canvas: Canvas, truth: Tensor) -> Observation:
    is_causal = network.config.prompt_attention == "causal"
    cache = (
        CausalPrompt(network, PrefixCache(network), "")
        if is_causal
        else ColumnCache(network, DecodeOptions(), choose_window)
    )
    logits = cache(canvas).cpu()
    current_ids = canvas.token_ids[canvas.is_asked]
    guess = guess_tokens(logits, torch.zeros(len(logits)), current_ids, DecodePlan(), torch.Generator())
    return Observation(features(canvas, guess), guess.confidence, guess.predicted_ids == truth[canvas.is_masked])
