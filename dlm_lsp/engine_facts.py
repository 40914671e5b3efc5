"""What is told of an engine, wherever it runs: in this process, or in a daemon's."""

from typing import NamedTuple, Self

from dlm_model.request import InfillEngine


class EngineFacts(NamedTuple):
    """An engine's properties, under the names that they have in `InfillEngine`."""

    model_name: str
    device: str
    context_length: int
    sees_suffix: bool

    @classmethod
    def of(cls, engine: InfillEngine) -> Self:
        """What an engine says of itself."""
        return cls(engine.model_name, engine.device, engine.context_length, engine.sees_suffix)
