import pytest

from gitagent.core.microtasks.needs import fields_used, imports_used

PYTHON = """import os
from shop.prices import (
    price_of,
    tax_of,
)
from shop import mail as post


class Basket:
    limit: int = 3

    def __init__(self, wares):
        self.wares = wares
        self.unused = 1

    def total(self):
        if len(self.wares) > self.limit:
            post.warn()
        return sum(price_of(ware) for ware in self.wares)
"""
TOTAL = "".join(line + "\n" for line in PYTHON.split("\n")[15:19])


def test_the_imports_an_excerpt_uses_are_named_and_no_others() -> None:
    assert imports_used(PYTHON, 16, TOTAL) == (
        "from shop.prices import ( price_of, tax_of, )",
        "from shop import mail as post",
    )


def test_a_long_import_keeps_the_names_that_are_used() -> None:
    names = ", ".join(f"name_{number}" for number in range(60))
    text = f"from shop import {names}\n\ndef run():\n    return name_7\n"
    assert imports_used(text, 3, "def run():\n    return name_7\n") == ("from shop import name_7",)


def test_imports_inside_the_excerpt_are_not_said_twice() -> None:
    assert imports_used(PYTHON, 1, PYTHON) == ()


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("import { load } from './x.js';\n\nload();\n", "import { load } from './x.js';"),
        ("const load = require('x');\n\nload();\n", "const load = require('x');"),
        ("use x::load;\n\nload();\n", "use x::load;"),
        ('import (\n\t"x/load"\n)\n\nload.It()\n', 'import ( "x/load" )'),
    ],
)
def test_other_languages_have_imports_too(text: str, statement: str) -> None:
    last = text.count("\n")
    assert imports_used(text, last, text.split("\n")[-2] + "\n") == (statement,)


def test_the_fields_of_the_class_are_shown_where_they_are_set() -> None:
    assert fields_used("a.py", PYTHON, 16, TOTAL) == ("limit: int = 3", "self.wares = wares")
    assert fields_used("a.py", PYTHON, 1, PYTHON) == ()
    assert fields_used("a.py", "x = 1\n", 1, "x = 1\n") == ()
