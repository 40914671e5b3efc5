"""Several languages in one shard: each is drawn by its size, and cut along its own syntax."""

import random
from itertools import groupby
from pathlib import Path

import pytest

from dlm_model.network.config import ModelConfig
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training import windows
from dlm_model.training.examples import ExampleBuilder, HoleNoise
from dlm_model.training.mixed_source import MixedSource
from dlm_model.training.sequence import IGNORED
from dlm_model.training.shards import TextShard, write_shard
from dlm_model.training.sources import SourceFile
from dlm_model.training.windows import ExampleSource
from tests.model.training import tiny_run
from tests.model.training.test_holes import JAVASCRIPT


def test_every_language_is_drawn_with_its_own_grammar(
    tmp_path: Path, tiny_tokenizer: Tokenizer, tiny_config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [SourceFile("a", "one.py", tiny_run.TEXTS[0]), SourceFile("a", "two.js", JAVASCRIPT * 3)]
    write_shard(tmp_path / "train.safetensors", [*files, SourceFile("a", "three.py", tiny_run.TEXTS[1])])
    source = MixedSource(TextShard(tmp_path / "train.safetensors"), ExampleBuilder(tiny_tokenizer, tiny_config))
    asked: list[tuple[bool, str | None]] = []
    choose_holes = windows.choose_holes

    def spy(text: str, num_holes: int, rng: random.Random, language: str | None = None) -> list[windows.Span]:
        asked.append(("}" in text, language))
        return choose_holes(text, num_holes, rng, language)

    monkeypatch.setattr(windows, "choose_holes", spy)
    drawn = [source.draw(random.Random(seed)) for seed in range(40)]
    assert set(asked) == {(False, "python"), (True, "javascript")}
    assert source.draw(random.Random(3)) == drawn[3]


def test_some_holes_are_as_long_as_a_body(tiny_tokenizer: Tokenizer, tiny_config: ModelConfig) -> None:
    body = "".join(f"    total_{index} = first + {index}\n" for index in range(24))
    text = "".join(f"def f{index}(first):\n{body}\n\n" for index in range(4))
    source = ExampleSource([text], ExampleBuilder(tiny_tokenizer, tiny_config), "python")
    examples = [source.draw(random.Random(index), lambda _: HoleNoise(1.0, "exact")) for index in range(40)]
    lengths = [
        len(list(run))
        for example in examples
        for is_shown, run in groupby(label == IGNORED for label in example.labels)
        if not is_shown
    ]
    assert min(lengths) < 16
    assert max(lengths) > 256


def test_a_corpus_without_code_is_refused_instead_of_searched_for_ever(
    tiny_tokenizer: Tokenizer, tiny_config: ModelConfig
) -> None:
    prose = '"""\n' + "Nothing but words.\n" * 40 + '"""\n'
    source = ExampleSource([prose], ExampleBuilder(tiny_tokenizer, tiny_config))
    with pytest.raises(ValueError, match="hardly any code"):
        source.draw(random.Random(0))
