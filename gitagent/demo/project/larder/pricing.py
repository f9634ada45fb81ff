"""Prices per unit, with discounts for large quantities and for what expires soon."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")

# From this quantity on, this much is taken off.
TIERS = ((0, Decimal("0")), (10, Decimal("0.05")), (50, Decimal("0.10")), (200, Decimal("0.15")))
LAST_DAYS = 2
LAST_DAYS_OFF = Decimal("0.30")


def tier(quantity):
    """The discount for a quantity."""
    off = Decimal("0")
    for start, discount in TIERS:
        if quantity >= start:
            off = discount
    return off


def line_price(unit_price, quantity, days_left):
    """The price of one order line in whole cents, the better of the two discounts applied."""
    off = tier(quantity)
    if days_left <= LAST_DAYS:
        off = max(off, LAST_DAYS_OFF)
    price = Decimal(str(unit_price)) * Decimal(str(quantity)) * (1 - off)
    return price.quantize(CENT, rounding=ROUND_HALF_UP)


def total(prices):
    """The sum of line prices."""
    return sum(prices, Decimal("0")).quantize(CENT)
