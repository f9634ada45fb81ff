"""`gitagent localize` with a failing test, as its users run it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Making
from tests.e2e.running import Project

Digest = Callable[[Path], str]

SHOP = {
    "shop/__init__.py": "",
    "shop/prices.py": "def price_of(item):\n    return item['price']\n\n\ndef rounded(value):\n"
    "    return round(value, 1)\n",
    "shop/basket.py": "from shop.prices import price_of, rounded\n\n\nclass Basket:\n    def __init__(self):\n"
    "        self.items = []\n\n    def add(self, item):\n        self.items.append(item)\n\n    def total(self):\n"
    "        return rounded(sum(price_of(item) for item in self.items))\n",
    "shop/letters.py": '"""The total of a basket, written in a letter."""\n\n\ndef letter(total):\n'
    '    """A letter about the total of a basket that is wrong."""\n    return f"basket total: {total}"\n',
    "tests/test_basket.py": "from shop.basket import Basket\n\n\ndef test_cents():\n    basket = Basket()\n"
    "    basket.add({'price': 1.25})\n    assert basket.total() == 1.25\n\n\ndef test_empty():\n"
    "    assert Basket().total() == 0\n",
}
RED = "tests/test_basket.py::test_cents"


@pytest.fixture
def shop(making: Making) -> Project:
    return making(SHOP)


def test_a_failing_test_leads_where_words_alone_do_not(shop: Project, untouched: Digest) -> None:
    said = "the total of a basket is wrong in a letter"
    words = shop.gitagent("localize", "--json", said)
    assert words.code == 0 and json.loads(words.out)[0] == "shop/letters.py"
    before = untouched(shop.root)
    both = shop.gitagent("localize", "--json", "--test", RED, said)
    assert both.code == 0 and json.loads(both.out)[0] == "shop/basket.py"
    assert "tests: 1 failed" in both.err and "without a sandbox, as you said" in both.err
    assert untouched(shop.root) == before and shop.refs("refs/gitagent/") == []


def test_a_failing_test_needs_no_words_and_leads_to_functions_too(shop: Project) -> None:
    files = shop.gitagent("localize", "--tests")
    first = files.out.split("\n")[0]
    assert files.code == 0 and first.startswith("1.00  shop/basket.py") and "failing tests ran it" in first
    assert "tests: 1 passed, 1 failed" in files.err
    functions = json.loads(shop.gitagent("localize", "--symbols", "--json", "--test", "test_cents").out)
    assert functions[0]["name"] in ("Basket.total", "Basket.add")
    assert {"price_of", "rounded"} <= {one["name"] for one in functions[:6]}
    assert set(functions[0]) == {"path", "name", "first_line", "last_line", "score"}


def test_a_module_that_cannot_be_loaded_leads_to_its_traceback(shop: Project) -> None:
    shop.commit({"shop/prices.py": "import basket_prices\n", "tests/test_other.py": "def test_it():\n    pass\n"})
    found = shop.gitagent("localize", "--json", "--test", RED)
    assert found.code == 0 and json.loads(found.out)[0] == "shop/prices.py"
    assert "their words and tracebacks count alone" in found.err


@pytest.mark.parametrize(
    ("words", "told", "hint"),
    [
        (["--test", "tests/test_basket.py::test_empty"], "test_empty passes on", "--tests runs the whole suite"),
        (["--test", "tests/test_basket.py::test_cent"], "no such test among the 2 run on", f"--test {RED}"),
        (["--test", RED, "--tests"], "--test and --tests exclude each other", "--test NODEID"),
        (["--tests", "--test-command", "no-such-command"], "no-such-command cannot be run", "--test-command"),
        ([], "the request is empty", "--test NODEID"),
    ],
)
def test_what_cannot_be_done_is_one_error_line(shop: Project, words: list[str], told: str, hint: str) -> None:
    found = shop.gitagent("localize", *words)
    assert found.code == 2 and found.out == ""
    error, said = found.told
    assert told in error and hint in said and "gitagent localize" in said


def test_where_no_test_fails_words_decide_and_without_words_it_is_said(shop: Project) -> None:
    shop.commit({"shop/prices.py": SHOP["shop/prices.py"].replace("round(value, 1)", "round(value, 2)")})
    found = shop.gitagent("localize", "--tests", "--json", "a letter")
    assert found.code == 0 and json.loads(found.out)[0] == "shop/letters.py" and "no test fails there" in found.err
    alone = shop.gitagent("localize", "--tests")
    assert alone.code == 2 and "no test fails at" in alone.told[0]


def test_a_fix_listens_to_tests_and_words_together(making: Making) -> None:
    prices = SHOP["shop/prices.py"].replace(
        "    return round", '    """Money has two decimals."""\n    return round'
    )
    shop = making({**SHOP, "shop/prices.py": prices})

    def place(*words: str) -> int:
        done = shop.gitagent("fix", "--test", RED, "--dry-run", "--json", "--max-candidates", "1", *words)
        suspects = done.event("located")["suspects"]
        return [(one["path"], one["line"]) for one in suspects].index(("shop/prices.py", 7))  # type: ignore[attr-defined]

    assert place("the second decimal of money is lost") < place()
