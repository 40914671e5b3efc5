"""What a run does on a GPU, seen on one that is not there."""

from collections.abc import Iterator

import pytest
import torch

from dlm_model.training.parallelism import ProcessGroup


@pytest.fixture(autouse=True)
def _gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that can be chosen, and no more; what it changes in torch is taken back."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    yield
    torch.backends.cuda.enable_cudnn_sdp(True)


def test_attention_makes_no_plan_for_every_shape() -> None:
    assert torch.backends.cuda.cudnn_sdp_enabled()
    assert ProcessGroup().device == torch.device("cuda", 0)
    assert not torch.backends.cuda.cudnn_sdp_enabled()
