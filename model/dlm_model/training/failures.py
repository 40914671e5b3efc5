"""Expected failures of a stage, by its input or by the machine, as one sentence for people."""

import sys

import torch

from dlm_model.errors import ModelError


def is_expected(error: Exception) -> bool:
    """Whether one sentence is enough to report this failure."""
    return isinstance(error, OSError | torch.OutOfMemoryError | ModelError | ValueError) or _is_of_compiler(error)


def describe(error: Exception) -> str:
    """An expected failure as a sentence, with what to change where that is known."""
    if _is_of_compiler(error):
        # Mostly because there is no C++ compiler. The lines after the first are for developers of torch.
        reason = str(error).partition("\n")[0]
        return f"{reason} (compile = false in the recipe trains without compiling)"
    match error:
        case torch.OutOfMemoryError():
            return "The device has not enough memory; a smaller tokens_per_batch needs less."
        case OSError():
            place = f": {error.filename}" if error.filename else ""
            return f"{error.strerror or error}{place}"
        case _:
            return str(error)


def _is_of_compiler(error: Exception) -> bool:
    """Whether torch's compiler raised it, which takes a second to import and is asked only if something else has."""
    compiler = sys.modules.get("torch._dynamo.exc")
    return compiler is not None and isinstance(error, compiler.TorchDynamoException)
