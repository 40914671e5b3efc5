"""Tokenizers that no tokenizer.json describes: put together from the other files of a checkpoint."""

import json
from pathlib import Path

import pytest
from transformers import Qwen2Tokenizer

from dlm_model.engine import load_engine
from dlm_model.errors import CheckpointError
from tests.model.families.checkpoint_parts import NUM_TRAINED, edit_json
from tests.model.families.published_checkpoints import write_dream


def test_dreams_vocabulary_files_are_cut_as_qwen2s(tmp_path: Path, repository_root: Path) -> None:
    write_dream(tmp_path)
    folder = tmp_path
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    merges = [tuple(line.split()) for line in (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]]
    oracle = Qwen2Tokenizer(vocab=vocabulary, merges=merges)
    engine = load_engine(str(folder), "cpu")
    sources = sorted((repository_root / "model" / "dlm_model").glob("*.py"))
    texts = [*(path.read_text(encoding="utf-8") for path in sources), "x = 'é€😀'  \r\n\t\tit's 1234\n\n\n", ""]
    # transformers would read our own comments on control tokens as those tokens.
    for text in (text.replace("<|", "< |") for text in texts):
        assert engine.tokenizer.encode(text).ids == oracle(text, add_special_tokens=False)["input_ids"]


def test_a_tokenizer_that_only_code_could_tell_of_is_refused(tmp_path: Path) -> None:
    write_dream(tmp_path)
    edit_json(tmp_path / "tokenizer_config.json", tokenizer_class="OddTokenizer")
    with pytest.raises(CheckpointError, match="how its tokenizer class 'OddTokenizer' cuts text is known only to"):
        load_engine(str(tmp_path), "cpu")


def test_a_list_that_spells_a_token_otherwise_is_not_believed(tmp_path: Path) -> None:
    """SDAR's added_tokens.json has `<MASK>` where its tokenizer_config.json has `<|MASK|>`."""
    write_dream(tmp_path)
    listed = json.loads((tmp_path / "added_tokens.json").read_text())
    listed["<MASK>"] = listed.pop("<|mask|>")
    (tmp_path / "added_tokens.json").write_text(json.dumps(listed))
    engine = load_engine(str(tmp_path), "cpu")
    assert engine.tokenizer.token_bytes[listed["<MASK>"]] == b""


def test_a_token_at_another_id_than_the_checkpoint_says_is_refused(tmp_path: Path) -> None:
    write_dream(tmp_path)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<|late|>": NUM_TRAINED + 20}))
    with pytest.raises(CheckpointError, match=f"token '<|late|>' should be {NUM_TRAINED + 20}".replace("|", r"\|")):
        load_engine(str(tmp_path), "cpu")
