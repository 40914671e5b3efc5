"""What a device raises, in one sentence that says what helps."""

import pytest
import torch

from dlm_model.device import device_errors
from dlm_model.errors import DeviceError, DeviceLostError

_HINT = "\nCUDA kernel errors might be asynchronously reported at some other API call."


@pytest.mark.parametrize(
    ("error", "is_lost", "sentence"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), False, "not enough free memory"),
        (RuntimeError(f"CUDA error: out of memory{_HINT}"), False, "not enough free memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `c`"), False, "not enough free memory"),
        (
            RuntimeError(f"CUDA error: unspecified launch failure{_HINT}"),
            True,
            r"failed \(CUDA error: unspecified launch failure\); restart the server",
        ),
    ],
)
def test_a_full_device_is_not_a_lost_one(error: Exception, is_lost: bool, sentence: str) -> None:
    with pytest.raises(DeviceError, match=sentence) as caught, device_errors():
        raise error
    assert isinstance(caught.value, DeviceLostError) is is_lost


def test_other_errors_keep_their_kind() -> None:
    with pytest.raises(RuntimeError, match="shape"), device_errors():
        raise RuntimeError("shape mismatch")
