"""Training sequences: no part of the text is lost, and every label is the token that was hidden."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_model.errors import CheckpointError
from dlm_model.network.config import ModelConfig
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.examples import DELETE_WEIGHT, ExampleBuilder, HoleNoise
from dlm_model.training.holes import Span
from dlm_model.training.sequence import IGNORED, Example
from tests.model.training.healing import Healing

TEXT = "def foo(self, value):\n    for item in values:\n        return self.value + item\n    return None\n"
SPANS = st.tuples(st.integers(0, 40), st.integers(41, 60), st.integers(62, 80), st.integers(81, len(TEXT)))
NOISES = st.builds(HoleNoise, st.floats(0, 1), st.sampled_from(["exact", "few_deletes", "padded"]))


def restored_ids(example: Example, config: ModelConfig) -> list[int]:
    pairs = zip(example.token_ids, example.labels, strict=True)
    answered = [token_id if label == IGNORED else label for token_id, label in pairs]
    return [token_id for token_id in answered[1:] if token_id != config.delete_token_id]


@given(SPANS, st.integers(), NOISES)
def test_answering_every_mask_restores_the_text(
    tiny_tokenizer: Tokenizer,
    tiny_config: ModelConfig,
    cuts: tuple[int, int, int, int],
    seed: int,
    noise: HoleNoise,
) -> None:
    builder = ExampleBuilder(tiny_tokenizer, tiny_config)
    holes = [Span(cuts[0], cuts[1]), Span(cuts[2], cuts[3])]
    example = builder.build(TEXT, holes, random.Random(seed), noise)
    assert tiny_tokenizer.spell(restored_ids(example, tiny_config)).decode() == TEXT


@given(st.integers())
def test_merged_masks_shorten_the_sequence_by_one_each(
    tiny_tokenizer: Tokenizer, tiny_config: ModelConfig, seed: int
) -> None:
    builder = ExampleBuilder(tiny_tokenizer, tiny_config)
    merged, exact = (
        builder.build(TEXT, [Span(30, 70)], Healing(seed, heals=False), HoleNoise(1.0, length))
        for length in ("merged", "exact")
    )
    num_expands = merged.labels.count(tiny_config.expand_token_id)
    assert len(merged.token_ids) + num_expands == len(exact.token_ids)


def test_every_supervised_position_shows_the_mask(tiny_tokenizer: Tokenizer, tiny_config: ModelConfig) -> None:
    builder = ExampleBuilder(tiny_tokenizer, tiny_config)
    example = builder.build(TEXT, [Span(30, 60)], random.Random(0))
    for token_id, label, weight in zip(example.token_ids, example.labels, example.weights, strict=True):
        assert (label != IGNORED) == (weight > 0) == (token_id == tiny_config.mask_token_id)


def test_the_deletes_of_a_hole_weigh_no_more_however_many(tiny_tokenizer: Tokenizer, tiny_config: ModelConfig) -> None:
    builder = ExampleBuilder(tiny_tokenizer, tiny_config)
    example = builder.build(TEXT, [Span(30, 40)], random.Random(0), HoleNoise(1.0, "padded"))
    pairs = zip(example.labels, example.weights, strict=True)
    weights = [weight for label, weight in pairs if label == tiny_config.delete_token_id]
    assert len(weights) > 1
    assert 0 < sum(weights) < DELETE_WEIGHT


def test_a_fill_from_the_left_shows_the_beginning(tiny_tokenizer: Tokenizer, tiny_config: ModelConfig) -> None:
    builder = ExampleBuilder(tiny_tokenizer, tiny_config)
    noise = HoleNoise(0.5, "exact", "left_to_right")
    example = builder.build(TEXT, [Span(30, 70)], Healing(0, heals=False), noise)
    is_masked = [label != IGNORED for label in example.labels]
    first, last = is_masked.index(True), len(is_masked) - is_masked[::-1].index(True)
    assert all(is_masked[first:last])
    left_text = tiny_tokenizer.spell(example.token_ids[1:first]).decode()
    assert len(left_text) > 30
    assert TEXT.startswith(left_text)


def test_a_fill_from_the_left_spells_a_word_healed_on_the_right_from_its_end(
    tiny_tokenizer: Tokenizer, tiny_config: ModelConfig
) -> None:
    builder, text = ExampleBuilder(tiny_tokenizer, tiny_config), "def foo(self):\n    return zqjxkw\n"
    hole = Span(text.index("return"), text.index("qjxkw"))
    noise = HoleNoise(0.5, "exact", "left_to_right")
    example = builder.build(text, [hole], Healing(0, heals=True), noise)
    is_masked = [label != IGNORED for label in example.labels]
    first, last = is_masked.index(True), len(is_masked) - is_masked[::-1].index(True)
    assert all(is_masked[first:last])
    assert tiny_tokenizer.spell(example.token_ids[last:]).decode() == "kw\n"


def test_a_word_healed_on_the_right_stays_after_the_deletes(
    tiny_tokenizer: Tokenizer, tiny_config: ModelConfig
) -> None:
    builder = ExampleBuilder(tiny_tokenizer, tiny_config)
    hole = Span(TEXT.index("values") + 2, TEXT.index("values") + 4)
    example = builder.build(TEXT, [hole], Healing(0, heals=True), HoleNoise(1.0, "few_deletes"))
    supervised = [label for label in example.labels if label != IGNORED]
    assert supervised[-1] != tiny_config.delete_token_id
    assert tiny_config.delete_token_id in supervised


def test_a_model_that_cannot_resize_is_refused(tiny_tokenizer: Tokenizer, fixed_config: ModelConfig) -> None:
    with pytest.raises(CheckpointError, match="expand and delete"):
        ExampleBuilder(tiny_tokenizer, fixed_config)
