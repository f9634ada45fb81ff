"""`python -m larder stock.csv`: print the shelves of a file with item, amount and use-by day in each line."""

import csv
import sys
from datetime import date

from larder.report import shelf
from larder.stock import Stock
from larder.units import parse


def read(lines):
    """The stock in a CSV file, and each item's family of units."""
    stock, kinds = Stock(), {}
    for item, amount, use_by in csv.reader(lines):
        quantity, kinds[item] = parse(amount)
        stock.receive(item, quantity, date.fromisoformat(use_by.strip()))
    return stock, kinds


if __name__ == "__main__":
    with open(sys.argv[1], newline="") as file:
        print(shelf(*read(file), date.today()))
