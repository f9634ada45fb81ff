"""Who uses what a stretch of a file defines."""

import pytest

from gitagent.core.retrieval.users import Used, modules_of, names_of
from gitagent.records import Definition, Span

BASKET = (
    Definition(name="Basket", kind="class", first_line=3, last_line=20),
    Definition(name="__init__", kind="method", first_line=4, last_line=6, parent="Basket"),
    Definition(name="total", kind="method", first_line=8, last_line=12, parent="Basket"),
    Definition(name="empty", kind="function", first_line=23, last_line=25),
)


def span(first: int, last: int, name: str = "") -> Span:
    return Span(path="shop/basket.py", name=name, first_line=first, last_line=last)


@pytest.mark.parametrize(
    ("stretch", "names"),
    [
        (span(9, 9), ("total",)),
        (span(5, 5), ("Basket",)),  # nobody writes __init__ to use it
        (span(3, 20), ("Basket", "total")),
        (span(10, 30), ("total", "empty")),
        (span(1, 2), ()),
        (span(13, 14), ("Basket",)),
        (span(1, 99, "Basket.total"), ("total",)),
        (span(1, 99, "Basket.__init__"), ("Basket",)),
    ],
)
def test_a_stretch_stands_for_what_it_defines_or_lies_in(stretch: Span, names: tuple[str, ...]) -> None:
    assert names_of(BASKET, stretch) == names


@pytest.mark.parametrize(
    ("path", "modules"),
    [
        ("shop/basket.py", {"basket"}),
        ("shop/__init__.py", {"shop"}),
        ("web/index.ts", {"web"}),
        ("shop/basket.go", {"basket", "shop"}),
        ("setup.py", {"setup"}),
    ],
)
def test_a_file_is_imported_by_its_name_or_its_folders(path: str, modules: set[str]) -> None:
    assert modules_of(path) == modules


@pytest.mark.parametrize(
    ("written", "called", "imports", "uses"),
    [
        ((), (), ["from shop.basket import total"], True),
        (("total",), (), ["import shop.basket"], True),
        (("total",), ("total",), [], False),  # others define a total too
        (("empty",), ("empty",), [], True),
        (("empty",), (), [], False),
        ((), (), ["import shop.basket"], False),
    ],
)
def test_a_file_uses_what_it_imports_by_name_or_by_file_or_calls_where_nobody_else_defines_it(
    written: tuple[str, ...], called: tuple[str, ...], imports: list[str], uses: bool
) -> None:
    used = Used(names=frozenset(("total", "empty")), sole=frozenset(("empty",)), modules=frozenset(("basket",)))
    assert used.by(written, called, imports) is uses


def test_of_what_has_no_name_whoever_imports_the_file_is_a_user() -> None:
    used = Used(names=frozenset(), sole=frozenset(), modules=frozenset(("basket",)))
    assert used.by((), (), ["from . import basket"]) and not used.by((), (), ["import baskets"])
