"""Sequences for models whose prompt sees only itself: training must show every hole as the engine will."""

import random
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm_model.cache.causal_prompt import CausalPrompt
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.network.config import ModelConfig
from dlm_model.opening import Opening
from dlm_model.request import InfillRequest
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.examples import CANVAS_LENGTHS, ExampleBuilder, HoleNoise
from dlm_model.training.holes import Span
from dlm_model.training.objective import masked_diffusion
from dlm_model.training.sequence import IGNORED, PROMPT, Example
from dlm_model.training.windows import Batch, collate
from tests.model.tiny_checkpoints import load_network
from tests.model.training.healing import Healing

TEXT = "def foo(self, value):\n    for item in values:\n        return self.value + item\n    return None\n"
HOLES = [Span(12, 30), Span(50, 72)]
CUTS = st.tuples(st.integers(1, 40), st.integers(41, 60), st.integers(62, 80), st.integers(81, len(TEXT)))
NOISE = HoleNoise(1.0, "few_deletes")


@pytest.fixture(scope="module")
def config(causal_folder: Path) -> ModelConfig:
    return ModelConfig.from_checkpoint(causal_folder)


@pytest.fixture(scope="module")
def builder(tiny_tokenizer: Tokenizer, config: ModelConfig) -> ExampleBuilder:
    return ExampleBuilder(tiny_tokenizer, config)


def of_group(example: Example, group: int) -> list[int]:
    return [token_id for token_id, other in zip(example.token_ids, example.groups, strict=True) if other == group]


def test_training_shows_a_hole_as_the_engine_does(
    builder: ExampleBuilder, config: ModelConfig, causal_folder: Path
) -> None:
    """The second of two holes has the same logits in one training pass as in a request of its own."""
    network = load_network(causal_folder)
    example = builder.build(TEXT, HOLES, random.Random(1), NOISE)
    other = builder.build(TEXT[:40], HOLES[:1], random.Random(2), NOISE)
    batch = collate([other, example])
    with torch.no_grad():
        hidden = network(batch.token_ids, batch.position_ids, batch.visibility)[1, : len(example.groups)]
    canvas_columns = [index for index, group in enumerate(example.groups) if group == 3]
    in_training = network.logits(hidden[canvas_columns[:-1]])

    num_seen = example.num_prompt_seen[canvas_columns[0]]
    prefix, suffix = of_group(example, PROMPT)[:num_seen], of_group(example, 4)
    canvas = Canvas.open(prefix, suffix, [len(canvas_columns) - 1], config.mask_token_id)
    in_request = CausalPrompt(network, PrefixCache(network), "")(canvas)
    torch.testing.assert_close(in_training, in_request, atol=1e-4, rtol=1e-4)


@given(st.integers(), CUTS)
def test_every_hole_comes_between_what_stands_left_and_right_of_it(
    tiny_tokenizer: Tokenizer, builder: ExampleBuilder, seed: int, cuts: tuple[int, int, int, int]
) -> None:
    example = builder.build(TEXT, [Span(*cuts[:2]), Span(*cuts[2:])], random.Random(seed), HoleNoise(1.0, "exact"))
    prompt = of_group(example, PROMPT)
    assert tiny_tokenizer.spell(prompt[1:]).decode() == TEXT
    for canvas_group in (1, 3):
        columns = [index for index, group in enumerate(example.groups) if group == canvas_group]
        num_seen = example.num_prompt_seen[columns[0]]
        assert example.token_ids[columns[0]] == prompt[num_seen - 1]
        middle = [example.labels[column] for column in columns[1:]]
        suffix = of_group(example, canvas_group + 1)
        restored = tiny_tokenizer.spell([*prompt[1:num_seen], *middle, *suffix])
        assert TEXT.encode().startswith(restored)
        of_hole = zip(example.groups, example.position_ids, strict=True)
        positions = [position for group, position in of_hole if group in (canvas_group, canvas_group + 1)]
        assert positions == list(range(num_seen - 1, num_seen + len(middle) + len(suffix)))


RULER = f"    # {'-' * 70}\n{' ' * 44}total = first + second\n"


@settings(max_examples=20)
@given(st.sampled_from([TEXT, RULER]), st.builds(Span, st.integers(1, 60), st.integers(61, 90)), st.integers())
def test_a_hole_is_cut_out_of_its_text_as_the_engine_cuts_it_out(
    tiny_tokenizer: Tokenizer, config: ModelConfig, text: str, hole: Span, seed: int
) -> None:
    builder = ExampleBuilder(tiny_tokenizer, config)
    example = builder.build(text, [hole], Healing(seed, heals=True), HoleNoise(1.0, "padded"))
    request = InfillRequest(text[: hole.start], text[hole.end :])
    opening = Opening.read(request, DecodeOptions(), tiny_tokenizer, config)
    (num_seen,) = {number for number, group in zip(example.num_prompt_seen, example.groups, strict=True) if group == 1}
    assert of_group(example, PROMPT)[:num_seen] == opening.prefix_ids
    whole = of_group(example, 2)[:-4]  # a suffix ends within a word
    assert whole == opening.suffix_ids[: len(whole)]
    num_masks = len(of_group(example, 1)) - 1 - opening.num_fixed
    assert num_masks in CANVAS_LENGTHS or config.delete_token_id not in example.labels


@pytest.mark.parametrize(("level", "num_hidden"), [(1.0, 2), (0.5, 0)])
def test_a_fill_from_the_left_shows_the_end_that_is_spelled_first(
    builder: ExampleBuilder, level: float, num_hidden: int
) -> None:
    hole = Span(TEXT.index("values") + 2, TEXT.index("None") + 1)  # what is left of the word takes two tokens
    example = builder.build(TEXT, [hole], Healing(0, heals=True), HoleNoise(level, "few_deletes", "left_to_right"))
    labels = [label for label, group in zip(example.labels, example.groups, strict=True) if group == 1]
    assert sum(label != IGNORED for label in labels[-2:]) == num_hidden


def test_suffixes_are_short_and_as_long_as_an_editor_sends_them(
    tiny_tokenizer: Tokenizer, builder: ExampleBuilder
) -> None:
    examples = [builder.build(TEXT * 20, [Span(12, 30)], random.Random(seed)) for seed in range(40)]
    lengths = {len(tiny_tokenizer.spell(of_group(example, 2))) for example in examples}
    assert min(lengths) <= 60
    assert max(lengths) >= 1000


def visible(batch: Batch, query: int) -> list[int]:
    return batch.visibility[0, query].nonzero()[:, 0].tolist()


def test_no_token_sees_what_it_must_not() -> None:
    example = Example()
    example.open(PROMPT, 0)
    example.show([1, 2, 3, 4])
    example.open(1, 1, num_prompt_seen=2)
    example.show([2])
    example.hide(9, 5)
    example.hide(9, 5)
    example.open(2, 4)
    example.show([6, 7])
    example.open(3, 3, num_prompt_seen=4)
    example.hide(9, 5)
    padded = Example()
    padded.show(list(range(16)))
    batch = collate([example, padded])
    assert [visible(batch, query) for query in range(4)] == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert all(visible(batch, query) == [0, 1, 4, 5, 6, 7, 8] for query in (4, 5, 6))
    assert [visible(batch, query) for query in (7, 8)] == [[7], [7, 8]]
    assert visible(batch, 9) == [0, 1, 2, 3, 9]
    assert visible(batch, 11) == [10, 11], "padding sees padding, because a softmax over nothing is no number"
    assert batch.visibility[1].all(), "a model whose prompt sees the canvas sees everything"


def test_rows_of_a_mask_are_aligned_and_what_aligns_them_changes_no_loss(
    builder: ExampleBuilder, causal_folder: Path
) -> None:
    network = load_network(causal_folder)
    examples = [builder.build(TEXT[start:], HOLES, random.Random(1), NOISE) for start in (0, 1)]
    longest = max(len(example.token_ids) for example in examples)
    assert longest % 8, "else nothing would be added"
    batch = collate(examples)
    assert 0 < batch.visibility.shape[2] - longest < 8
    assert batch.visibility.shape[2] % 8 == 0
    unaligned = Batch(
        **{item.name: getattr(batch, item.name)[:, : longest if item.name != "reach" else 1] for item in fields(batch)}
    )
    assert unaligned.visibility.shape[2] == longest
    torch.testing.assert_close(masked_diffusion(network, batch), masked_diffusion(network, unaligned))


def test_a_canvas_sees_as_far_to_the_right_as_its_reach() -> None:
    example = Example()
    example.open(PROMPT, 0)
    example.show([1, 2])
    example.open(1, 1, num_prompt_seen=2)
    example.show([2])
    example.hide(9, 5)
    example.open(2, 3)
    example.show([6, 7])
    seen = {
        reach: [batch.visibility[0, query].nonzero()[:, 0].tolist() for query in range(6)]
        for reach, batch in ((reach, collate([example], reach)) for reach in (0, 2))
    }
    assert seen[0] == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [4], [4, 5]], "a causal model's attention"
    assert seen[2] == [[0], [0, 1], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5], [4], [4, 5]]


def test_prompt_tokens_are_predicted_by_what_stands_before_them(builder: ExampleBuilder) -> None:
    example = builder.build(TEXT, HOLES, random.Random(1), NOISE)
    num_labels = sum(label != IGNORED for label in example.labels)
    builder.teach_prompt(example, random.Random(0))
    taught = [index for index, group in enumerate(example.groups) if group == PROMPT and example.weights[index]]
    assert 0 < len(taught) < example.groups.count(PROMPT)
    assert all(example.labels[index] == example.token_ids[index] for index in taught)
    assert sum(label != IGNORED for label in example.labels) == num_labels + len(taught)


def test_a_prompt_that_sees_the_canvas_is_taught_nothing(tiny_tokenizer: Tokenizer, tiny_config: ModelConfig) -> None:
    builder = ExampleBuilder(tiny_tokenizer, tiny_config)
    example = builder.build(TEXT, HOLES, random.Random(1), NOISE)
    labels = list(example.labels)
    builder.teach_prompt(example, random.Random(0))
    assert example.labels == labels
