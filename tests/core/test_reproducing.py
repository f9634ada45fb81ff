"""When a new test shows what a request states, and when a traceback is a test already."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core import reproducing
from gitagent.core.testing import is_test_path
from gitagent.records import Outcome, TestResult

PATH = "tests/test_new.py"


def result(message: str, outcome: Outcome = "failed", test: str = f"{PATH}::test_it") -> TestResult:
    return TestResult(id=test, outcome=outcome, message=message)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("tests/test_new.py:5: in test_it\n    assert f() == 1\nE   assert 2 == 1", "f is wrong"),
        ("E   AssertionError: assert 2 == 1", "f is wrong"),
        ("tests/test_new.py:5: in test_it\nE   Failed: DID NOT RAISE <class 'ValueError'>", "f must raise"),
        ("shop/a.py:5: in f\nE   IndexError: list index out of range", "f ends in an IndexError"),
        ("tests/test_new.py:5: in test_it\nE   shop.errors.ShopError: no", "f raises shop.errors.ShopError"),
        ("tests/test_new.py:5: in test_it\nshop/a.py:5: in f\nE   TypeError: bad", "f crashes"),
    ],
)  # fmt: skip
def test_a_failure_as_stated_counts(message: str, text: str) -> None:
    assert reproducing.unfit([result(message)], PATH, text, is_test_path) == ""


@pytest.mark.parametrize(
    ("results", "text", "why"),
    [
        ([], "x", "no test was found in it"),
        ([result("", "passed", "tests/test_old.py::test")], "x", "no test was found in it"),
        ([result("", "passed")], "x", "it passes on base"),
        ([result("", "skipped")], "x", "it passes on base"),
        ([result("E   ImportError: cannot import name 'g'", "error", PATH)], "x", "its own fault: ImportError"),
        ([result("E   ModuleNotFoundError: No module named 'g'")], "x", "it fails by its own fault"),
        ([result("E     File 't.py', line 1\nE   SyntaxError: invalid", "error", PATH)], "x", "its own fault: Syntax"),
        ([result("E   NameError: name 'g' is not defined")], "x", "it fails by its own fault"),
        ([result("fixture 'shop' not found", "error")], "x", "it fails by its own fault: fixture"),
        ([result("shop/a.py:5: in f\nE   TypeError: bad")], "a KeyError", "with TypeError, the request speaks of"),
        ([result("tests/test_new.py:5: in test_it\nE   TypeError: bad")], "x", "it fails in the test itself"),
        ([result("odd")], "x", "it fails in the test itself, not in what it tests: odd"),
    ],
)  # fmt: skip
def test_a_failure_for_another_reason_does_not(results: list[TestResult], text: str, why: str) -> None:
    assert why in reproducing.unfit(results, PATH, text, is_test_path)


def test_a_new_test_goes_where_the_others_are_by_a_name_nobody_has() -> None:
    assert reproducing.place_of(["tests/unit/test_a.py", "tests/unit/test_b.py", "test_c.py"], "a-b", "1") == (
        "tests/unit/test_a_b.py"
    )
    assert reproducing.place_of(["test_a.py"], "a", "12") == "test_a_12.py"
    assert reproducing.place_of(["tests/data.txt"], "a", "12") == "tests/test_a.py"
    assert reproducing.place_of(["a.py"], "", "12") == "test_request.py"
    assert reproducing.place_of(["test_a.py", "test_a_1.py"], "a", "1") == "test_gitagent_1.py"
    assert reproducing.place_of(["t/test_a.py", "t/test_a_1.py"], "a", "1") == "t/test_gitagent_1.py"


FILES = {
    "src/shop/text.py": "def slug(text, *, dash='-'):\n    return text[0]\n\n\ndef lazy(n):\n    yield n\n",
    "shop/__init__.py": "def top(a):\n    return 1 / a\n",
    "other/text.py": "",
    "deep/other/text.py": "",
    "broken.py": "def (",
}


def traceback(
    call: str, file: str = "/home/me/src/shop/text.py", name: str = "slug", end: str = "IndexError: x"
) -> str:
    return (
        f'It fails.\n\nTraceback (most recent call last):\n  File "/tmp/x.py", line 9, in <module>\n    {call}\n'
        f'  File "{file}", line 2, in {name}\n    return text[0]\n{end}\n'
    )


@pytest.mark.parametrize(
    ("text", "test"),
    [
        (traceback('slug("")'),
         'from shop.text import slug\n\n\ndef test_slug_raises_no_index_error():\n    slug("")\n'),
        (traceback('print(shop.text.slug("", dash="_"))'), "    slug('', dash='_')\n"),
        (traceback("x = slug([1, (2, -3)])"), "    slug([1, (2, -3)])\n"),
        (traceback("top(0)", "C:\\work\\shop\\__init__.py", "top", "ZeroDivisionError: division"),
         "from shop import top\n\n\ndef test_top_raises_no_zero_division_error():\n    top(0)\n"),
        (traceback('slug("")', end="shop.text.SlugError"), "test_slug_raises_no_slug_error"),
    ],
)  # fmt: skip
def test_a_call_with_literals_in_a_traceback_is_a_test(text: str, test: str) -> None:
    found = reproducing.from_traceback(text, FILES, FILES.get)
    assert found is not None and test.replace('"', "'") in found


@pytest.mark.parametrize(
    "text",
    [
        "no traceback at all",
        traceback("slug(text)"),
        traceback("slug(*[''])"),
        traceback("slug(**{})"),
        traceback('slug("") + slug("a")'),
        traceback("slug("),
        traceback('other("")'),
        traceback('slug("' + "x" * 400 + '")'),
        traceback("lazy(3)", name="lazy"),
        traceback('slug("")', "/usr/lib/python3/text.py"),
        traceback('slug("")', "/x/broken.py"),
        traceback('slug("")', end="it ended"),
        traceback("gone(1)", name="gone"),
    ],
)
def test_what_is_not_certain_is_left_to_a_model(text: str) -> None:
    assert reproducing.from_traceback(text, FILES, FILES.get) is None


def test_a_file_that_could_be_two_is_none_but_the_longer_path_wins() -> None:
    files = {"text.py": "def slug(t):\n    pass\n", "shop/text.py": "def slug(t):\n    pass\n"}
    found = reproducing.from_traceback(traceback("slug(1)", "/x/shop/text.py"), files, files.get)
    assert found is not None and found.startswith("from shop.text import slug")


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='File "x.py", line 1in f(\n)Error:', max_size=80), st.text(max_size=40))
def test_no_text_makes_it_stumble(text: str, more: str) -> None:
    reproducing.from_traceback(text + more, FILES, FILES.get)
    reproducing.unfit([result(text), result(more)], PATH, text, is_test_path)
    assert PATH in reproducing.instruction(text + more, PATH)
