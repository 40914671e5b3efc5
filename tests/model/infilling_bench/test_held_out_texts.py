"""Where held-out code comes from."""

from pathlib import Path

import pytest

from dlm_model.training.shards import write_shard
from dlm_model.training.sources import SourceFile
from tests.bench.held_out_texts import read_texts


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
