"""Several languages in one shard: each is drawn by its size, and cut along its own syntax."""

import random
from pathlib import Path

import pytest

from dlm_model.config import ModelConfig
from dlm_model.tokenizer import Tokenizer
from dlm_model.training import windows
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.mixed_source import MixedSource
from dlm_model.training.shards import TextShard, write_shard
from dlm_model.training.sources import SourceFile
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
