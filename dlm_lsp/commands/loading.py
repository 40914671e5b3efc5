"""The engine, loaded while standard error shows that something happens."""

from rich.console import Console

from dlm_model.request import InfillEngine


def load_engine(model: str | None, device: str, console: Console) -> InfillEngine:
    """Load weights onto a device; slow, because it imports torch.

    Args:
        model: A checkpoint folder; None for the packaged weights.
        device: `auto`, or as torch spells it.
        console: Shows a spinner if it is a terminal.

    Raises:
        ModelError: the checkpoint or the device is not there, or not usable.
    """
    with console.status("loading the model"):
        from dlm_model.engine import load_engine as load  # noqa: PLC0415

        return load(model, device)
