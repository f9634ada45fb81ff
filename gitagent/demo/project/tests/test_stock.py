from datetime import date

import pytest

from larder.stock import OutOfStock, Stock

TODAY = date(2024, 5, 10)
SOON, LATER = date(2024, 5, 12), date(2024, 6, 1)


@pytest.fixture
def stock():
    stock = Stock()
    stock.receive("flour", 10, LATER)
    stock.receive("flour", 4, SOON)
    stock.receive("milk", 6, SOON)
    return stock


def test_deliveries_of_one_day_are_one_lot(stock):
    stock.receive("milk", 2, SOON)
    assert [lot.quantity for lot in stock.lots("milk")] == [8]


def test_a_delivery_of_nothing_is_refused(stock):
    with pytest.raises(ValueError):
        stock.receive("milk", 0, SOON)


def test_lots_come_oldest_first(stock):
    assert [lot.use_by for lot in stock.lots("flour")] == [SOON, LATER]


def test_a_small_order_takes_from_the_oldest_lot(stock):
    parts = stock.reserve("flour", 3, TODAY)
    assert [(lot.use_by, part) for lot, part in parts] == [(SOON, 3)]
    assert stock.available("flour", TODAY) == 11


def test_a_large_order_goes_on_with_the_next_lot(stock):
    parts = stock.reserve("flour", 6, TODAY)
    assert [(lot.use_by, part) for lot, part in parts] == [(SOON, 4), (LATER, 2)]
    assert stock.available("flour", TODAY) == 8


def test_everything_can_be_reserved(stock):
    stock.reserve("milk", 6, TODAY)
    assert stock.available("milk", TODAY) == 0


def test_too_large_an_order_reserves_nothing(stock):
    with pytest.raises(OutOfStock) as caught:
        stock.reserve("flour", 15, TODAY)
    assert caught.value.missing == 1
    assert stock.available("flour", TODAY) == 14


def test_expired_lots_are_passed_over(stock):
    parts = stock.reserve("flour", 2, date(2024, 5, 20))
    assert [lot.use_by for lot, _ in parts] == [LATER]


def test_the_use_by_day_itself_still_counts(stock):
    assert stock.available("milk", SOON) == 6


def test_released_parts_can_be_promised_again(stock):
    stock.release(stock.reserve("milk", 5, TODAY))
    assert stock.available("milk", TODAY) == 6


def test_picked_parts_leave_the_shelf(stock):
    stock.pick(stock.reserve("milk", 5, TODAY))
    assert [(lot.quantity, lot.reserved) for lot in stock.lots("milk")] == [(1, 0)]


def test_expired_lots_are_thrown_away(stock):
    assert stock.discard_expired(date(2024, 5, 20)) == {"flour": 4, "milk": 6}
    assert stock.items() == ["flour"]
