"""A tiny model to train, with the three tokens that infilling needs, and texts for it."""

from pathlib import Path

import pytest

from dlm_model.network.config import ModelConfig
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.shards import write_shard
from dlm_model.training.sources import SourceFile
from tests.model.tiny_checkpoints import RESIZING, write_checkpoint
from tests.model.training import tiny_run


@pytest.fixture(scope="session")
def tiny_config(resizing_folder: Path) -> ModelConfig:
    return ModelConfig.from_checkpoint(resizing_folder)


@pytest.fixture(scope="session")
def fixed_config(fixed_folder: Path) -> ModelConfig:
    return ModelConfig.from_checkpoint(fixed_folder)


@pytest.fixture(scope="session")
def tiny_tokenizer(resizing_folder: Path, tiny_config: ModelConfig) -> Tokenizer:
    return Tokenizer.from_checkpoint(resizing_folder, tiny_config.vocab_size)


@pytest.fixture(scope="session")
def tied_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tied")
    write_checkpoint(folder, "qwen2-tied", RESIZING)
    return folder


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    sources = [SourceFile("shapes", f"{index}.py", text) for index, text in enumerate(tiny_run.TEXTS)]
    for split in ("train", "held_out"):
        write_shard(tmp_path / f"{split}.safetensors", sources)
    return tmp_path
