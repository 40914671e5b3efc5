"""A shop's inventory: what is there, what it is worth, and what has to be ordered."""

from dataclasses import dataclass


@dataclass
class Item:
    name: str
    price: float
    quantity: int


class Inventory:
    def __init__(self, items: list[Item]) -> None:
        self.items = items

    def total_value(self) -> float:
        """What all items are worth together."""
        total = 0.0
        for item in self.items:
            total += item.price * item.quantity
        return total

    def total_quantity(self) -> int:
        """How many items there are together."""
        pass

    def names(self) -> list[str]:
        """The names of all items."""
        return [item.name for item in self.items]
