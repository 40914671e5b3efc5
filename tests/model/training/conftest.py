"""A tiny model to train: the checkpoint that cannot see ahead yet, with the three tokens it needs."""

from pathlib import Path

import pytest

from dlm_model.config import ModelConfig
from dlm_model.tokenizer import Tokenizer
from tests.model.tiny_checkpoints import RESIZING, write_checkpoint


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
