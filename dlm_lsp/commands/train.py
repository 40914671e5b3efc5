"""`dlm-lsp train`: the stages of training, which have a command line of their own."""

from collections.abc import Sequence


def run_train(arguments: Sequence[str], program: str) -> int:
    """Run one stage of training.

    Returns:
        The exit code.
    """
    # The one place outside training that imports it, and late: no other command needs torch's compiler and optimizers.
    from dlm_model.training.__main__ import run_stage  # noqa: PLC0415

    return run_stage(arguments, program)
