"""Tables in plain text."""

from larder.units import show


def table(rows, header):
    """Rows under a header, columns as wide as their longest cell."""
    rows = [tuple(str(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [header, *rows]]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def expiring(stock, today, days):
    """Lots that expire within so many days, the most urgent first."""
    found = []
    for item in stock.items():
        for lot in stock.lots(item):
            if not lot.is_expired(today) and lot.days_left(today) <= days:
                found.append((lot.days_left(today), item, lot.quantity))
    return sorted(found)


def shelf(stock, kinds, today):
    """What is there and what of it is free, as a table."""
    rows = []
    for item in stock.items():
        kind = kinds.get(item, "count")
        there = sum(lot.quantity for lot in stock.lots(item))
        rows.append((item, show(there, kind), show(stock.available(item, today), kind)))
    return table(rows, ("item", "there", "free"))
