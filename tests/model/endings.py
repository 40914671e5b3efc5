"""An ending that counts characters and knows no document."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Between:
    """The middle may end from one number of characters on, and is over at another.

    Attributes:
        fewest: Characters from which on it may end.
        most: Characters at which it is over; None for never.
    """

    fewest: int = 0
    most: int | None = None

    def is_over(self, text: str) -> bool:
        """See `dlm_model.request.Ending`."""
        return self.most is not None and len(text) >= self.most

    def may_end(self, text: str) -> bool:
        """See `dlm_model.request.Ending`."""
        return len(text) >= self.fewest
