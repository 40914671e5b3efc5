"""Where a middle ends, as somebody says who knows no document."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Between:
    """It may end from so many characters on, and is over at so many.

    Attributes:
        fewest: Characters that it has to have.
        most: From which on nothing would be kept; None for any number.
    """

    fewest: int = 0
    most: int | None = None

    def is_over(self, text: str) -> bool:
        """See `dlm_model.request.Ending`."""
        return self.most is not None and len(text) >= self.most

    def may_end(self, text: str) -> bool:
        """See `dlm_model.request.Ending`."""
        return len(text) >= self.fewest
