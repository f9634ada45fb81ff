from decimal import Decimal

import pytest

from larder.pricing import line_price, tier, total


@pytest.mark.parametrize(
    ("quantity", "off"), [(1, "0"), (9, "0"), (10, "0.05"), (49, "0.05"), (50, "0.10"), (200, "0.15"), (999, "0.15")]
)
def test_larger_quantities_cost_less(quantity, off):
    assert tier(quantity) == Decimal(off)


def test_the_last_days_cost_less_too():
    assert line_price("2.50", 4, 2) == Decimal("7.00")
    assert line_price("2.50", 4, 3) == Decimal("10.00")


def test_prices_are_rounded_to_whole_cents():
    assert line_price("0.333", 10, 30) == Decimal("3.16")


def test_the_total_of_nothing_is_nothing():
    assert total([]) == Decimal("0.00")
