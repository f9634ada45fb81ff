from datetime import date

from larder.__main__ import read
from larder.report import expiring, shelf, table

TODAY = date(2024, 5, 10)
LINES = ["flour,2 kg,2024-06-01", "milk,1.5 l,2024-05-11", "eggs,1 dozen,2024-05-10", "milk,1 l,2024-05-30"]


def test_columns_are_as_wide_as_their_longest_cell():
    assert table([("a", 10)], ("name", "n")) == "name  n\n----  --\na     10"


def test_what_expires_first_comes_first():
    stock, _ = read(LINES)
    assert [row[1] for row in expiring(stock, TODAY, 7)] == ["eggs", "milk"]


def test_the_shelf_shows_what_is_there_and_what_is_free():
    stock, kinds = read(LINES)
    stock.reserve("milk", 500, TODAY)
    assert shelf(stock, kinds, TODAY).split("\n")[2:] == [
        "eggs   12 pc  12 pc",
        "flour  2 kg   2 kg",
        "milk   2.5 l  2 l",
    ]
