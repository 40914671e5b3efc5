"""What goes wrong in a stage on purpose or by the machine, as one sentence for people."""

import torch

from dlm_model.errors import ModelError

EXPECTED = (OSError, torch.OutOfMemoryError, torch._dynamo.exc.TorchDynamoException, ModelError, ValueError)
"""Failures of which a sentence says enough."""


def describe(error: Exception) -> str:
    """One of `EXPECTED` as a sentence, with what to change where that is known."""
    match error:
        case torch.OutOfMemoryError():
            return "The device has not enough memory; a smaller tokens_per_batch needs less."
        case torch._dynamo.exc.TorchDynamoException():
            # Mostly because there is no C++ compiler. The lines after the first are for developers of torch.
            reason = str(error).partition("\n")[0]
            return f"{reason} (compile = false in the recipe trains without compiling)"
        case OSError():
            place = f": {error.filename}" if error.filename else ""
            return f"{error.strerror or error}{place}"
        case _:
            return str(error)
