"""A run on an imitated GPU."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dlm_model.network.config import ModelConfig
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.held_out import NOISES, held_out_batches
from dlm_model.training.objective import predict
from dlm_model.training.parallelism import ProcessGroup
from dlm_model.training.sequence import Example
from dlm_model.training.windows import collate
from tests.model.pretended_cuda import CUDA, PretendedCuda, move
from tests.model.tiny_checkpoints import load_network
from tests.model.training import tiny_run


@pytest.fixture(autouse=True)
def _gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a GPU be found, though nothing can run on it; undoes the change that choosing it makes in torch."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    yield
    torch.backends.cuda.enable_cudnn_sdp(True)


def test_attention_makes_no_plan_for_every_shape() -> None:
    assert torch.backends.cuda.cudnn_sdp_enabled()
    assert ProcessGroup().device == torch.device("cuda", 0)
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_a_pass_is_waited_for_once(causal_folder: Path) -> None:
    config = ModelConfig.from_checkpoint(causal_folder)
    builder = ExampleBuilder(Tokenizer.from_checkpoint(causal_folder, config.vocab_size), config)
    network = load_network(causal_folder)
    (batch,) = held_out_batches(tiny_run.TEXTS, builder, NOISES["half_masked"], 4)
    expected = predict(network, batch)
    with PretendedCuda() as device:
        moved, there = move(network), batch.to(CUDA)
        found = predict(moved, there)
        assert sum(device.waits.values()) == 1
    torch.testing.assert_close(found.logits.as_subclass(torch.Tensor), expected.logits)


def test_a_batch_is_fetched_while_the_one_before_is_computed() -> None:
    batch = collate([Example(*([value] * 7 for value in (5, 6, 1.0, 0, 1, 0)))])
    with PretendedCuda() as device:
        there = batch.to(CUDA)
        assert there.token_ids.device == CUDA
        assert not device.waits
    assert torch.equal(there.weights.as_subclass(torch.Tensor), batch.weights)
