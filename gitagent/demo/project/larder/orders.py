"""Orders: several lines reserved together or not at all, then picked and billed."""

from larder.pricing import line_price, total
from larder.stock import OutOfStock


class Order:
    """What a customer wants, `lines` as `(item, quantity)` pairs."""

    def __init__(self, customer, lines):
        self.customer = customer
        self.lines = list(lines)
        self.parts = {}
        self.state = "new"

    def reserve(self, stock, today):
        """Promise every line; if one cannot be had, none is kept."""
        if self.state != "new":
            raise ValueError(f"the order is {self.state} already")
        reserved = {}
        try:
            for item, quantity in self.lines:
                reserved[item] = stock.reserve(item, quantity, today)
        except OutOfStock:
            for parts in reserved.values():
                stock.release(parts)
            raise
        self.parts = reserved
        self.state = "reserved"

    def cancel(self, stock):
        """Give everything back."""
        if self.state == "reserved":
            for parts in self.parts.values():
                stock.release(parts)
        self.parts = {}
        self.state = "cancelled"

    def ship(self, stock):
        """Take everything off the shelves."""
        if self.state != "reserved":
            raise ValueError(f"only a reserved order can be shipped, this one is {self.state}")
        for parts in self.parts.values():
            stock.pick(parts)
        self.state = "shipped"

    def bill(self, prices, today):
        """The price of all that was reserved, lot by lot."""
        return total(
            line_price(prices[item], part, lot.days_left(today))
            for item, parts in self.parts.items()
            for lot, part in parts
        )
