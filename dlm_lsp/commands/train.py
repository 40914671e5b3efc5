"""`dlm-lsp train`: the stages of training, which are a command line of their own below this one."""

import importlib.util
from collections.abc import Sequence

from dlm_lsp.errors import UsageError

_NEEDED = ("gguf",)


def run_train(arguments: Sequence[str], program: str) -> int:
    """Run one stage of training.

    Returns:
        The exit code.

    Raises:
        UsageError: the packages that only training needs are not installed.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"Training needs {missing[0]}; install it with: pip install 'dlm-lsp[train]'.")
    # The one place outside training that imports it, and late: no other command wants torch's compiler and optimizers.
    from dlm_model.training.__main__ import run_stage  # noqa: PLC0415

    return run_stage(arguments, program)
