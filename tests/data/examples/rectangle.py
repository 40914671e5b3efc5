"""Rectangles on a page, in points from its upper left corner."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rectangle:
    """Two corners; right and bottom are exclusive."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From the left edge to the right one."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From the top edge to the bottom one."""
        pass

    @property
    def area(self) -> float:
        """In square points."""
        return self.width * self.height
