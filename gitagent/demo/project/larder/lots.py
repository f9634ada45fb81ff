"""A lot: one delivery of one item, with the day it should be used by."""

from dataclasses import dataclass
from datetime import date


@dataclass
class Lot:
    """What is left of a delivery. `reserved` is spoken for but still on the shelf."""

    item: str
    quantity: float
    use_by: date
    reserved: float = 0.0

    @property
    def free(self):
        """What can still be promised to somebody."""
        return self.quantity - self.reserved

    def is_expired(self, today):
        """Whether the lot may no longer be used; the use-by day itself is still fine."""
        return self.use_by < today

    def days_left(self, today):
        """Days until the lot expires, 0 on its last day."""
        return (self.use_by - today).days


def oldest_first(lots):
    """Lots in the order they should be used up."""
    return sorted(lots, key=lambda lot: (lot.use_by, lot.quantity))
