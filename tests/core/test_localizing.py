from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.localizing import files_by_words, frames, functions, rank
from gitagent.records import Coverage, Suspect, TestResult

SHOP = '''"""A shop."""
LIMIT = 10
OTHER = 3


def total(prices):
    amount = 0
    for price in prices:
        amount -= price
    if amount > LIMIT:
        amount = LIMIT
    return amount


class Cart:
    size = 4

    def __init__(self, things):
        self.things = things

    def first(self):
        return self.things[1]
'''


def ran(test: str, outcome: str, lines: Iterable[int], path: str = "shop.py") -> Coverage:
    return Coverage(test=test, outcome=outcome, lines={path: frozenset(lines)})  # type: ignore[arg-type]


def failed(message: str = "", test: str = "test_shop.py::test_x") -> TestResult:
    return TestResult(id=test, outcome="failed", message=message)


def lines_of(suspects: Iterable[Suspect]) -> list[int]:
    return [suspect.line for suspect in suspects]


def test_lines_that_only_failing_tests_run_come_before_those_that_passing_tests_run_too() -> None:
    coverage = [ran("a", "failed", {7, 8, 9, 10, 12}), ran("b", "passed", {7, 10, 12}), ran("c", "passed", {22})]
    found = rank(coverage, [failed()], {"shop.py": SHOP}, "")
    assert set(lines_of(found)[:2]) == {8, 9}
    assert found[0].reason == "run by 1 failing, 0 passing"
    assert 22 not in lines_of(found)


def test_the_deepest_frame_of_ours_comes_first() -> None:
    message = (
        "test_shop.py:5: in test_x\n    Cart([]).first()\nshop.py:22: in first\n    return self.things[1]\n"
        "/usr/lib/python3/elsewhere.py:7: in f\nE   IndexError"
    )
    coverage = [ran("a", "failed", {19, 22, 7}), ran("b", "passed", {19, 22})]
    found = rank(
        coverage, [failed(message)], {"shop.py": SHOP, "test_shop.py": ""}, "", test_paths={"test_shop.py"}
    )
    assert found[0].line == 22
    assert "in the traceback" in found[0].reason


def test_without_coverage_tracebacks_and_names_decide() -> None:
    text = 'Traceback (most recent call last):\n  File "/srv/src/shop.py", line 22, in first\nIndexError'
    found = rank([], [failed(text)], {"src/shop.py": SHOP}, "the total is wrong")
    assert (found[0].path, found[0].line) == ("src/shop.py", 22)
    assert {7, 8, 9, 10, 11, 12} <= set(lines_of(found))


def test_words_of_the_request_alone_find_a_function_or_its_class() -> None:
    assert lines_of(rank([], [], {"shop.py": SHOP}, "`total` is negative"))[0] in range(6, 13)
    assert {19} <= set(lines_of(rank([], [], {"shop.py": SHOP}, "A Cart cannot be made")))
    assert rank([], [], {"shop.py": SHOP}, "") == ()


def test_the_functions_that_the_failing_test_calls_are_named() -> None:
    tests = "from shop import total\n\n\nclass TestIt:\n    def test_sum(self):\n        assert total([1]) == 1\n"
    red = [failed(test="test_shop.py::TestIt::test_sum[case]")]
    found = rank(
        [], red, {"shop.py": SHOP, "test_shop.py": tests}, "", test_paths=lambda path: path.startswith("test")
    )
    assert set(lines_of(found)) >= {7, 8, 9}
    assert {suspect.path for suspect in found} == {"shop.py"}
    assert "total is named" in found[0].reason


def test_test_files_are_never_suspects() -> None:
    coverage = [ran("a", "failed", {1, 2}, path="test_shop.py")]
    assert (
        rank(coverage, [failed()], {"test_shop.py": "def f():\n    pass\n"}, "", test_paths={"test_shop.py"}) == ()
    )


def test_lines_that_run_at_import_come_after_those_in_functions() -> None:
    coverage = [ran("a", "failed", {2, 3, 6, 7, 8, 15, 16})]
    found = rank(coverage, [failed()], {"shop.py": SHOP}, "")
    assert lines_of(found)[:2] == [7, 8]
    assert set(lines_of(found)) >= {2, 3, 16}


def test_lines_no_failing_test_ran_come_last_and_constants_that_suspects_use_before_them() -> None:
    found = rank([ran("a", "failed", {7, 8, 10, 12})], [failed()], {"shop.py": SHOP}, "")
    scores = {suspect.line: suspect.score for suspect in found}
    assert scores[10] > scores[2] > scores[11] > 0
    assert "binds LIMIT" in next(suspect.reason for suspect in found if suspect.line == 2)
    assert 3 not in scores


def test_a_file_that_is_no_python_is_left_out() -> None:
    coverage = [ran("a", "failed", {1}, path="a.py"), ran("a", "failed", {1}, path="b.txt")]
    assert rank(coverage, [failed()], {"a.py": "def (", "b.txt": "x"}, "x") == ()


def test_at_most_limit_suspects() -> None:
    assert len(rank([ran("a", "failed", range(1, 23))], [failed()], {"shop.py": SHOP}, "", limit=3)) == 3


def test_functions_are_named_with_their_class_and_the_module_is_last() -> None:
    text = "import a\n@a.b\ndef f():\n    def g():\n        pass\n\n"
    text += "class C:\n    class D:\n        async def h(self):\n            pass\n"
    spans = [(span.name, span.first_line, span.last_line) for span in functions("m.py", text)]
    assert spans == [("f", 2, 5), ("C.D.h", 9, 10), ("<module>", 1, 10)]
    assert [(s.name, s.last_line) for s in functions("m.py", "def (\nx")] == [("<module>", 2)]
    assert [(s.name, s.last_line) for s in functions("m.py", "")] == [("<module>", 1)]


def test_frames_are_read_as_pytest_and_the_interpreter_print_them() -> None:
    message = """
self = <Cart>

    def first(self):
>       return self.things[1]
E       IndexError: list index out of range

src/shop.py:22: IndexError
tests/test_shop.py:3: in test_x
    run()
src/shop.py:22:
Traceback (most recent call last):
  File "C:\\shop\\run.py", line 4, in <module>
  File "/srv/shop.py", line 7
"""
    assert frames(message) == (
        ("src/shop.py", 22, ""),
        ("tests/test_shop.py", 3, "test_x"),
        ("src/shop.py", 22, ""),
        ("C:/shop/run.py", 4, "<module>"),
        ("/srv/shop.py", 7, ""),
    )


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='abc.py:1 in\nFile",/line', max_size=200), st.text(max_size=80))
def test_no_message_or_request_breaks_it(message: str, request: str) -> None:
    frames(message)
    found = rank([ran("a", "failed", {7})], [failed(message)], {"shop.py": SHOP}, request)
    assert all(0 < suspect.score <= 1 for suspect in found)
    assert list(found) == sorted(found, key=lambda s: (-s.score, s.path, s.line))


def test_a_script_that_the_failing_test_starts_is_suspected_without_coverage() -> None:
    texts = {
        "tests/test_all.py": 'def test_script():\n    assert run(["./shout.py", "a"]) == "A"\n',
        "shout.py": "def louder(words):\n    return words.lower()\n",
        "other.py": "def other(words):\n    return words\n",
    }
    red = [TestResult(id="tests/test_all.py::test_script", outcome="failed", message="E   assert 'a' == 'A'")]
    found = rank((), red, texts, "Make it pass", test_paths=["tests/test_all.py"])
    assert found and {suspect.path for suspect in found} == {"shout.py"}


def test_lines_of_a_file_in_its_own_declared_encoding_are_ranked() -> None:
    data = b'# -*- coding: latin-1 -*-\nNAME = "caf\xe9"\n\n\ndef price(n):\n    return 3 + n\n'
    texts = {"cafe.py": data.decode("utf-8", "surrogateescape")}
    coverage = [Coverage(test="t.py::t", outcome="failed", lines={"cafe.py": frozenset({6})})]
    red = [TestResult(id="t.py::t", outcome="failed")]
    assert rank(coverage, red, texts, "price is wrong")[0].line == 6


def test_files_are_found_by_the_words_of_a_request() -> None:
    paths = ["shop/cart.py", "shop/prices.py", "README.md"]
    assert files_by_words("the cart in shop is wrong", paths)[0] == "shop/cart.py"
    assert files_by_words("see README.md", paths)[0] == "README.md"
    assert files_by_words("zzz", paths) == ()
