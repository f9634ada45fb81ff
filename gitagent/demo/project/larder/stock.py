"""The shelves: lots coming in, lots being reserved and picked."""

from larder.lots import Lot, oldest_first


class OutOfStock(Exception):
    """There is not enough of an item; `missing` says how much."""

    def __init__(self, item, missing):
        super().__init__(f"{item}: {missing:g} missing")
        self.item = item
        self.missing = missing


class Stock:
    """Everything on the shelves."""

    def __init__(self):
        self._lots = []

    def receive(self, item, quantity, use_by):
        """Put a delivery on the shelf; deliveries with the same use-by day become one lot."""
        if quantity <= 0:
            raise ValueError(f"{item}: a delivery must have a quantity above zero")
        for lot in self._lots:
            if lot.item == item and lot.use_by == use_by:
                lot.quantity += quantity
                return lot
        lot = Lot(item, quantity, use_by)
        self._lots.append(lot)
        return lot

    def items(self):
        """Names of everything there is, in alphabetical order."""
        return sorted({lot.item for lot in self._lots if lot.quantity > 0})

    def lots(self, item):
        """The lots of an item, oldest first, the empty ones left out."""
        return oldest_first(lot for lot in self._lots if lot.item == item and lot.quantity > 0)

    def available(self, item, today):
        """How much of an item can be promised today."""
        return sum(lot.free for lot in self.lots(item) if not lot.is_expired(today))

    def reserve(self, item, quantity, today):
        """Promise a quantity, oldest lots first. Returns `(lot, part)` pairs.

        Raises OutOfStock, with nothing reserved, if there is not enough.
        """
        available = self.available(item, today)
        if available < quantity:
            raise OutOfStock(item, quantity - available)
        parts = []
        missing = quantity
        for lot in self.lots(item):
            if lot.is_expired(today) or lot.free <= 0:
                continue
            part = min(lot.free, quantity)
            lot.reserved += part
            parts.append((lot, part))
            missing -= part
            if missing <= 0:
                break
        return parts

    def release(self, parts):
        """Take a promise back."""
        for lot, part in parts:
            lot.reserved -= part

    def pick(self, parts):
        """Take promised parts off the shelf."""
        for lot, part in parts:
            lot.reserved -= part
            lot.quantity -= part

    def discard_expired(self, today):
        """Throw away what may no longer be used. Returns the quantity per item."""
        thrown = {}
        for lot in self._lots:
            if lot.is_expired(today) and lot.quantity > 0:
                thrown[lot.item] = thrown.get(lot.item, 0) + lot.quantity
                lot.quantity = lot.reserved = 0
        return thrown
