from datetime import date
from decimal import Decimal

import pytest

from larder.orders import Order
from larder.stock import OutOfStock, Stock

TODAY = date(2024, 5, 10)


@pytest.fixture
def stock():
    stock = Stock()
    stock.receive("rice", 30, date(2024, 9, 1))
    stock.receive("cream", 5, date(2024, 5, 11))
    return stock


def test_an_order_is_reserved_as_a_whole(stock):
    order = Order("Ada", [("rice", 12), ("cream", 2)])
    order.reserve(stock, TODAY)
    assert order.state == "reserved"
    assert stock.available("rice", TODAY) == 18


def test_an_order_that_lacks_one_line_keeps_none(stock):
    order = Order("Ada", [("rice", 12), ("cream", 9)])
    with pytest.raises(OutOfStock):
        order.reserve(stock, TODAY)
    assert (stock.available("rice", TODAY), order.state) == (30, "new")


def test_a_cancelled_order_gives_everything_back(stock):
    order = Order("Ada", [("rice", 12)])
    order.reserve(stock, TODAY)
    order.cancel(stock)
    assert stock.available("rice", TODAY) == 30


def test_only_reserved_orders_ship(stock):
    with pytest.raises(ValueError):
        Order("Ada", [("rice", 1)]).ship(stock)


def test_a_shipped_order_leaves_the_shelf(stock):
    order = Order("Ada", [("rice", 12)])
    order.reserve(stock, TODAY)
    order.ship(stock)
    assert [lot.quantity for lot in stock.lots("rice")] == [18]


def test_the_bill_takes_the_better_discount(stock):
    order = Order("Ada", [("rice", 12), ("cream", 2)])
    order.reserve(stock, TODAY)
    assert order.bill({"rice": 2, "cream": 3}, TODAY) == Decimal("27.00")
