"""Amounts as people write them: `2 kg`, `350 g`, `1.5 l`, `12`."""

import re

GRAMS = {"g": 1, "kg": 1000, "mg": 0.001}
MILLILITRES = {"ml": 1, "l": 1000, "cl": 10, "dl": 100}
PIECES = {"": 1, "pc": 1, "dozen": 12}

_AMOUNT = re.compile(r"^\s*(\d+(?:[.,]\d+)?)\s*([a-z]*)\s*$", re.IGNORECASE)


class UnitError(ValueError):
    """An amount nobody can read, or two that do not go together."""


def family(unit):
    """The family a unit belongs to: mass, volume or count."""
    for name, units in (("mass", GRAMS), ("volume", MILLILITRES), ("count", PIECES)):
        if unit.lower() in units:
            return name
    raise UnitError(f"unknown unit {unit!r}")


def parse(text):
    """`(amount, family)` of a written amount, in grams, millilitres or pieces."""
    match = _AMOUNT.match(text)
    if match is None:
        raise UnitError(f"not an amount: {text!r}")
    number = float(match.group(1).replace(",", "."))
    unit = match.group(2).lower()
    kind = family(unit)
    factor = {"mass": GRAMS, "volume": MILLILITRES, "count": PIECES}[kind][unit]
    return number * factor, kind


def show(amount, kind):
    """The amount as a person would write it."""
    small, large = {"mass": ("g", "kg"), "volume": ("ml", "l"), "count": ("pc", "")}[kind]
    if kind != "count" and amount >= 1000:
        return f"{amount / 1000:g} {large}"
    return f"{amount:g} {small}"
