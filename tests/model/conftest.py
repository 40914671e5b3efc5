"""Tiny engines with random weights: real loop, real cache, real files; the text that they write is nonsense."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dlm_model.engine import Engine, load_engine
from dlm_model.network.transformer import Transformer
from dlm_model.steps.order import ORDER_FILE, CommitOrder
from tests.model.families.block_causal_checkpoints import write_sdar
from tests.model.tiny_checkpoints import CAUSAL, DLM_SECTION, RESIZING, load_network, write_checkpoint


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """A second thread would not speed tiny matrices up, and would be waited for where processes share the cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def fixed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that cannot change the canvas length and reads unshifted logits."""
    folder = tmp_path_factory.mktemp("fixed")
    write_checkpoint(folder, "qwen3-qk-norm", DLM_SECTION)
    return folder


@pytest.fixture(scope="session")
def resizing_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with expand and delete tokens and shifted logits."""
    folder = tmp_path_factory.mktemp("resizing")
    write_checkpoint(folder, "llama-gqa-untied", RESIZING)
    return folder


@pytest.fixture(scope="session")
def causal_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint like `resizing_folder` whose prompt sees only itself, with an untrained commit order."""
    folder = tmp_path_factory.mktemp("causal")
    write_checkpoint(folder, "llama-gqa-untied", CAUSAL)
    save_file(CommitOrder().state_dict(), folder / ORDER_FILE)
    return folder


@pytest.fixture(scope="session")
def block_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that writes in blocks of four and sees no suffix."""
    folder = tmp_path_factory.mktemp("block")
    write_sdar(folder)
    return folder


@pytest.fixture(scope="session")
def fixed_engine(fixed_folder: Path) -> Engine:
    """The engine of `fixed_folder`."""
    return load_engine(str(fixed_folder), "cpu")


@pytest.fixture(scope="session")
def resizing_engine(resizing_folder: Path) -> Engine:
    """The engine of `resizing_folder`."""
    return load_engine(str(resizing_folder), "cpu")


@pytest.fixture(scope="session")
def causal_engine(causal_folder: Path) -> Engine:
    """The engine of `causal_folder`."""
    return load_engine(str(causal_folder), "cpu")


@pytest.fixture(scope="session")
def causal_network(causal_folder: Path) -> Transformer:
    """The network of `causal_folder`, in fp32."""
    return load_network(causal_folder)


@pytest.fixture(scope="session")
def block_engine(block_folder: Path) -> Engine:
    """The engine of `block_folder`."""
    return load_engine(str(block_folder), "cpu")
