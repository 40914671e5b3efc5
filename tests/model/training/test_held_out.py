"""Where held-out code comes from, and what happens if it holds nothing to fill."""

from pathlib import Path

import pytest

from dlm_model.config import ModelConfig
from dlm_model.tokenizer import Tokenizer
from dlm_model.training.evaluate import choose_lines
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.held_out import NOISES, held_out_batches, read_texts
from dlm_model.training.shards import SourceFile, write_shard


def test_python_files_are_read_in_order_and_others_left_out(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.py").write_bytes(b"\xef\xbb\xbfb = 1\r\n")
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "latin.py").write_bytes(b"name = '\xe9'\n")
    (tmp_path / "notes.txt").write_text("c = 1\n")
    assert list(read_texts(tmp_path)) == ["a = 1\n", "b = 1\n"]


def test_a_corpus_is_read_from_its_shard(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n")
    write_shard(tmp_path / "held_out.safetensors", [SourceFile("shapes", "x.py", "x = 1\n")])
    assert list(read_texts(tmp_path)) == ["x = 1\n"]


def test_a_folder_without_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path} has neither held_out.safetensors nor Python files"):
        read_texts(tmp_path)


def test_text_without_code_is_refused_instead_of_searched_for_ever(
    tiny_config: ModelConfig, tiny_tokenizer: Tokenizer
) -> None:
    texts = ["# a comment\n" * 9]
    with pytest.raises(ValueError, match="too little code for 2 holes"):
        choose_lines(texts, 2)
    with pytest.raises(ValueError, match="too little code for 3 holes"):
        held_out_batches(["\n"], ExampleBuilder(tiny_tokenizer, tiny_config), NOISES["first_step"], 3)
