"""From a text with holes to one training sequence: tokens, noise, expand and delete labels.

The recipe is DreamOn's (github.com/DreamLM/DreamOn), changed for an editor. A sequence has several holes. Each side of
a hole is tokenised apart, because a cursor stands anywhere. In most holes, the words that touch it are moved into it,
as the engine does when it heals a token boundary. A healed word on the right stays after the deletes, because the
engine pins it to the end of the canvas. A fill from the left shows that word, because the engine spells both boundaries
first.

The loss leaves out the factor 1/t of the likelihood bound: at low noise it blows up the weight of a few easy tokens,
but the first steps of a fill (t near 1) decide it. The deletes of a hole weigh `DELETE_WEIGHT` tokens together, however
many there are. Masks far from anything visible count less (`context_weights`). Half of the holes are shown as a fill
from the left leaves them, because confidence mostly chooses that order.
"""

import itertools
import random
from collections.abc import Callable
from typing import Literal, NamedTuple

from dlm_model.errors import CheckpointError
from dlm_model.network.config import ModelConfig
from dlm_model.rules.boundaries import split_prefix, split_suffix
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.context_weights import ContextWeighting, nearest
from dlm_model.training.holes import Span
from dlm_model.training.sequence import PROMPT, PROMPT_PROBABILITY, PROMPT_WEIGHT, Example

Length = Literal["exact", "merged", "few_deletes", "padded"]
Order = Literal["random", "left_to_right"]

DELETE_WEIGHT = 1.5
HEAL_PROBABILITY = 0.85
FULL_NOISE_PROBABILITY = 0.25
LEFT_TO_RIGHT_PROBABILITY = 0.75
MERGE_PROBABILITY = 0.5
_LENGTHS: dict[Length, float] = {"exact": 0.25, "merged": 0.12, "few_deletes": 0.35, "padded": 0.28}
CANVAS_LENGTHS = {16: 0.3, 24: 0.3, 48: 0.15, 64: 0.25}
"""Masks that the engine opens a canvas with, by kind of hole, besides those of the healed words."""

_MAX_FEW_DELETES = 8
_MAX_WORD_LENGTH = 80
_SUFFIX_CHARACTERS = {60: 0.25, 200: 0.4, 600: 0.2, 1500: 0.15}
"""Long ones cost the most, and are what an editor sends: with a budget of 1,024 tokens, at half of 60 places in the
standard library, 221 or more."""


class HoleNoise(NamedTuple):
    """How one hole is shown.

    Attributes:
        level: The share of its tokens that is masked.
        length: How its length is wrong.
        order: Whether any tokens are masked, or the last ones, as in a fill that has come so far from the left.
    """

    level: float
    length: Length
    order: Order = "random"


NoiseSource = Callable[[random.Random], HoleNoise]


class Middle(NamedTuple):
    """Tokens of a hole; deletes stand between `head` and `tail`, the tokens that reach into the word on the right."""

    head: list[int]
    tail: list[int]


class _Healed(NamedTuple):
    """Characters [start, end) of a hole with the words that it takes over, and how many tokens those were."""

    start: int
    end: int
    num_taken: int


class _Cut(NamedTuple):
    """A hole after healing, its tokens, and how they are shown."""

    healed: _Healed
    middle: Middle
    noise: HoleNoise

    @property
    def start(self) -> int:
        """The first character."""
        return self.healed.start

    @property
    def end(self) -> int:
        """The character after the last."""
        return self.healed.end


class ExampleBuilder:
    """Builds examples for one tokenizer and model; all randomness comes from the generator it is given."""

    def __init__(self, tokenizer: Tokenizer, config: ModelConfig, weighting: ContextWeighting = nearest) -> None:
        """Take the token ids and the layout from a model.

        Raises:
            CheckpointError: the model has no expand or delete token, or nothing to begin a sequence with.
        """
        if config.expand_token_id is None or config.delete_token_id is None or config.bos_token_id is None:
            raise CheckpointError("training needs a checkpoint with bos, expand and delete tokens")
        self._tokenizer, self._weighting, self._config = tokenizer, weighting, config
        self._bos, self._mask = config.bos_token_id, config.mask_token_id
        self._expand, self._delete = config.expand_token_id, config.delete_token_id

    def build(
        self, text: str, holes: list[Span], rng: random.Random, noise: HoleNoise | NoiseSource | None = None
    ) -> Example:
        """The sequence of a window with these holes, all with the same noise, or each with its own from a source.

        Without either, noise is from `draw_noise`.
        """
        draw = (lambda _: noise) if isinstance(noise, HoleNoise) else noise or draw_noise
        cuts, shown_until = list[_Cut](), 0
        shown_ends = [hole.start for hole in holes[1:]] + [len(text)]
        for hole, shown_end in zip(holes, shown_ends, strict=True):
            healed = self._heal(text, hole, Span(shown_until, shown_end), rng)
            middle = self._split_middle(text, Span(healed.start, hole.end), healed.end)
            cuts.append(_Cut(healed, middle, draw(rng)))
            shown_until = healed.end
        lay_out = self._lay_out_apart if self._config.prompt_attention == "causal" else self._lay_out_whole
        example = lay_out(text, cuts, rng)
        example.reweight(self._weighting)
        return example

    def teach_prompt(self, example: Example, rng: random.Random) -> None:
        """Let some of a causal prompt's own tokens be predicted too, which costs little and keeps its states useful."""
        if self._config.prompt_attention == "causal" and self._config.shift_logits:
            for index in range(1, example.groups.count(PROMPT)):
                if rng.random() < PROMPT_PROBABILITY:
                    example.teach(index, PROMPT_WEIGHT)

    def _lay_out_whole(self, text: str, cuts: list[_Cut], rng: random.Random) -> Example:
        """The text once, with its holes in place: everything sees everything."""
        example = Example()
        example.show([self._bos])
        shown_until = 0
        for cut in cuts:
            example.show(self._tokenizer.encode(text[shown_until : cut.start]).ids)
            self._noise(example, cut, rng)
            shown_until = cut.end
        example.show(self._tokenizer.encode(text[shown_until:]).ids)
        return example

    def _lay_out_apart(self, text: str, cuts: list[_Cut], rng: random.Random) -> Example:
        """The whole text as prompt, then canvas and suffix of every hole, as if that hole were the only one."""
        example = Example()
        example.open(PROMPT, 0)
        example.show([self._bos])
        ends = [cut.start for cut in cuts] + [len(text)]
        positions = []
        for start, end in itertools.pairwise([0, *ends]):
            example.show(self._tokenizer.encode(text[start:end]).ids)
            positions.append(example.end)
        for number, (cut, position) in enumerate(zip(cuts, positions, strict=False)):
            self._add_canvas(example, 2 * number + 1, cut, position, rng)
            (length,) = rng.choices(tuple(_SUFFIX_CHARACTERS), weights=tuple(_SUFFIX_CHARACTERS.values()))
            example.open(2 * number + 2, example.end)
            example.show(self._tokenizer.encode(text[cut.end : cut.end + length]).ids)
        return example

    def _add_canvas(self, example: Example, group: int, cut: _Cut, position: int, rng: random.Random) -> None:
        # The first mask is predicted from the last token left of the hole. In the prompt that token would not see the
        # canvas, so it is repeated as a part of the canvas.
        shift = int(self._config.shift_logits)
        example.open(group, position - shift, num_prompt_seen=position)
        example.show(example.token_ids[position - shift : position])
        self._noise(example, cut, rng)

    def _heal(self, text: str, hole: Span, shown: Span, rng: random.Random) -> _Healed:
        """The hole with the words that the engine would take over, both within `shown`."""
        start, end, num_taken = *hole, 0
        if rng.random() < HEAL_PROBABILITY:
            _, word = split_prefix(self._tokenizer, text[max(shown.start, start - _MAX_WORD_LENGTH) : start])
            start, num_taken = start - _num_characters(word.spelling), word.num_tokens
        if rng.random() < HEAL_PROBABILITY:
            _, word = split_suffix(self._tokenizer, text[end : min(shown.end, end + _MAX_WORD_LENGTH)])
            end, num_taken = end + _num_characters(word.spelling), num_taken + word.num_tokens
        return _Healed(start, end, num_taken)

    def _split_middle(self, text: str, middle: Span, word_end: int) -> Middle:
        token_ids = self._tokenizer.encode(text[middle.start : word_end]).ids
        num_head_bytes = len(text[middle.start : middle.end].encode())
        num_bytes = 0
        for index, token_id in enumerate(token_ids):
            num_bytes += len(self._tokenizer.token_bytes[token_id])
            if num_bytes > num_head_bytes:
                return Middle(token_ids[:index], token_ids[index:])
        return Middle(token_ids, [])

    def _noise(self, example: Example, cut: _Cut, rng: random.Random) -> None:
        (head, tail), noise = cut.middle, cut.noise
        if noise.order == "left_to_right":
            # Each step commits a piece at either end until both boundaries are spelled.
            num_shown = round((1 - noise.level) * max(1, len(head)))
            is_masked = [index >= num_shown for index in range(len(head))]
            is_tail_masked = [index < len(tail) - num_shown for index in range(len(tail))]
        else:
            is_masked, is_tail_masked = ([rng.random() < noise.level for _ in part] for part in (head, tail))
        if noise.length == "merged":
            self._hide_merged(example, head, is_masked, rng)
        else:
            self._hide(example, head, is_masked)
        num_deletes = _choose_num_deletes(noise.length, len(head) + len(tail) - cut.healed.num_taken, rng)
        for _ in range(num_deletes):
            example.hide(self._mask, self._delete, DELETE_WEIGHT / num_deletes)
        self._hide(example, tail, is_tail_masked)

    def _hide(self, example: Example, token_ids: list[int], is_masked: list[bool]) -> None:
        for token_id, hidden in zip(token_ids, is_masked, strict=True):
            if hidden:
                example.hide(self._mask, token_id)
            else:
                example.show([token_id])

    def _hide_merged(self, example: Example, token_ids: list[int], is_masked: list[bool], rng: random.Random) -> None:
        """Hide tokens with some neighbouring masks merged into one, whose label is the expand token."""
        index = 0
        while index < len(token_ids):
            has_pair = all(is_masked[index : index + 2]) and index + 1 < len(token_ids)
            merges = has_pair and rng.random() < MERGE_PROBABILITY
            if merges:
                example.hide(self._mask, self._expand)
            else:
                self._hide(example, token_ids[index : index + 1], is_masked[index : index + 1])
            index += 2 if merges else 1


def draw_noise(rng: random.Random) -> HoleNoise:
    """The noise of one hole, drawn as training wants it distributed."""
    level = 1.0 if rng.random() < FULL_NOISE_PROBABILITY else rng.random()
    (length,) = rng.choices(tuple(_LENGTHS), weights=tuple(_LENGTHS.values()))
    return HoleNoise(level, length, "left_to_right" if rng.random() < LEFT_TO_RIGHT_PROBABILITY else "random")


def _choose_num_deletes(length: Length, num_tokens: int, rng: random.Random) -> int:
    """How many positions too long a canvas is, whose text has so many tokens besides those of the healed words."""
    if length == "few_deletes":
        return rng.randint(1, _MAX_FEW_DELETES)
    if length == "padded":
        (canvas_length,) = rng.choices(tuple(CANVAS_LENGTHS), weights=tuple(CANVAS_LENGTHS.values()))
        return max(0, canvas_length - num_tokens)
    return 0


def _num_characters(spelling: bytes) -> int:
    """Whole characters of a word; a long one may be cut within a character."""
    return len(spelling.decode("utf-8", errors="ignore"))
