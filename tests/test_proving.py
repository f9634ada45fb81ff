"""Red tests, verdicts with second runs, and per-test coverage of real pytest runs."""

import json
import zlib

import pytest

from gitagent.core.testing import detect
from gitagent.errors import RequestError
from gitagent.proving import red_tests, run_tests, trace, verdict
from gitagent.records import Coverage, Execution, Outcome, State, TestCommand, TestResult, TestRun
from tests.proofs import command_of, workspace


def of(outcomes: dict[str, Outcome], state: State = "failed", reason: str = "") -> TestRun:
    results = tuple(TestResult(id=name, outcome=outcome) for name, outcome in outcomes.items())
    return TestRun(
        tree="", sandbox="", argv=(), state=state, results=results, exit_code=1, seconds=0, reason=reason
    )


BASE = of(
    {
        "t.py::test_good": "passed",
        "t.py::test_bad": "failed",
        "t.py::T::test_bad": "failed",
        "t.py::test_later": "skipped",
        "broken.py": "error",
    }
)


def test_without_a_wish_all_that_fail_are_red() -> None:
    assert red_tests(BASE) == ("t.py::test_bad", "t.py::T::test_bad", "broken.py")
    assert red_tests(of({"t.py::a": "passed"})) == ()


@pytest.mark.parametrize(
    ("asked", "red"),
    [
        (["t.py::test_bad"], ("t.py::test_bad",)),
        (["test_bad"], ("t.py::test_bad", "t.py::T::test_bad")),
        (["./t.py"], ("t.py::test_bad", "t.py::T::test_bad")),
        (["broken.py::test_unseen"], ("broken.py::test_unseen",)),
        (["broken.py", "t.py::test_bad", "broken.py"], ("broken.py", "t.py::test_bad")),
    ],
)
def test_of_the_tests_asked_for_those_that_fail_are_red(asked: list[str], red: tuple[str, ...]) -> None:
    assert red_tests(BASE, asked) == red


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ("t.py::test_god", "t.py::test_god: no such test among the 5 run on base", "--test t.py::test_good"),
        (
            "t.py::test_good",
            "t.py::test_good passes on base, so there is nothing to mend",
            "--test t.py::test_bad",
        ),
        ("test_later", "test_later is skipped on base", "--test t.py::test_bad"),
    ],
)
def test_a_test_asked_for_that_is_not_there_or_not_red_is_named_with_one_that_is(
    asked: str, message: str, hint: str
) -> None:
    with pytest.raises(RequestError) as caught:
        red_tests(BASE, [asked])
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_no_red_tests_are_taken_from_a_run_that_could_not_be_judged() -> None:
    with pytest.raises(RequestError, match="cannot be judged on base: it hung"):
        red_tests(of({}, "inconclusive", "it hung"))


def test_a_pass_is_run_again_and_a_plain_failure_is_not() -> None:
    base, tip = of({"a": "failed", "b": "failed"}), of({"a": "passed", "b": "failed"})
    asked: list[str] = []

    def rerun(where: str) -> TestRun:
        asked.append(where)
        return {"base": base, "tip": tip}[where]

    assert verdict(base, tip, red=["a"], rerun=rerun).state == "passed"
    assert asked == ["base", "tip"]
    assert verdict(base, tip, red=["b"], rerun=rerun).state == "failed"
    assert verdict(base, tip, red=["a"]).state == "passed"
    assert asked == ["base", "tip"]


def test_a_test_that_fails_one_time_and_passes_the_next_is_flaky_and_not_broken() -> None:
    base, tip = of({"a": "failed", "b": "passed"}), of({"a": "passed", "b": "failed"})
    again = {"base": base, "tip": of({"a": "passed", "b": "passed"})}
    judged = verdict(base, tip, red=["a"], rerun=again.__getitem__)
    assert (judged.state, judged.flaky, judged.pass_to_fail) == ("passed", ("b",), ())


SHOP = {
    "pytest.ini": "[pytest]\n",
    "shop/__init__.py": "",
    "shop/price.py": "RATE = 2\n\n\ndef net(value):\n    if value > 10:\n        return value * RATE\n"
    "    return value\n\n\ndef unused():\n    return 0\n",
    "tests/test_price.py": "import threading\n\nimport pytest\n\nfrom shop.price import net\n\n\n"
    "@pytest.mark.parametrize('value', [1, 20])\ndef test_net(value):\n    assert net(value) == value\n\n\n"
    "def test_thread():\n    one = threading.Thread(target=net, args=(20,))\n    one.start()\n    one.join()\n\n\n"
    "@pytest.mark.skip\ndef test_later():\n    net(1)\n\n\n"
    "@pytest.fixture\ndef broken():\n    raise ValueError(net(20))\n\n\ndef test_fixture(broken):\n    pass\n",
}


def test_each_test_has_the_projects_lines_it_ran_and_imports_are_told_apart() -> None:
    with workspace(SHOP) as opened:
        before = opened.tree()
        traced = trace(opened, command_of(SHOP), timeout_seconds=60)
        assert opened.tree() == before
    by_id = {one.test.removeprefix("tests/test_price.py::"): one for one in traced}
    assert {name: one.outcome for name, one in by_id.items()} == {
        "test_net[1]": "passed",
        "test_net[20]": "failed",
        "test_thread": "passed",
        "test_later": "skipped",
        "test_fixture": "error",
        "": "passed",
    }
    assert by_id["test_net[1]"].lines["shop/price.py"] == {5, 7}
    assert by_id["test_net[20]"].lines["shop/price.py"] == {5, 6}
    assert by_id["test_thread"].lines["shop/price.py"] == {5, 6}
    assert by_id["test_fixture"].lines["shop/price.py"] == {5, 6}
    assert by_id[""].lines["shop/price.py"] == {1, 4, 10}
    assert {path.split("/")[0] for one in traced for path in one.lines} == {"shop", "tests"}


def test_chosen_tests_alone_are_traced() -> None:
    with workspace(SHOP) as opened:
        chosen = ["tests/test_price.py::test_net[1]"]
        traced = trace(opened, command_of(SHOP), tests=chosen, timeout_seconds=60)
    assert [one.test for one in traced] == [*chosen, ""]


def test_a_test_that_hangs_is_traced_up_to_where_it_hangs() -> None:
    files = {
        "loop.py": "def spin():\n    n = 0\n    while True:\n        n += 1\n    return n\n",
        "test_loop.py": "import loop\n\ndef test_quick():\n    pass\n\ndef test_spin():\n    loop.spin()\n",
    }
    with workspace(files) as opened:
        traced = trace(opened, command_of(files), timeout_seconds=8)
    by_id = {one.test: one for one in traced}
    assert by_id["test_loop.py::test_quick"].outcome == "passed"
    assert by_id["test_loop.py::test_spin"].outcome == "failed"
    assert by_id["test_loop.py::test_spin"].lines["loop.py"] == {2, 3, 4}


def test_a_runner_that_cannot_be_traced_has_no_coverage() -> None:
    with workspace({}) as opened:
        assert trace(opened, detect([], {}.get, configured="make check"), timeout_seconds=5) == ()
        launched = detect([], {}.get, configured="poetry run pytest")
        assert trace(opened, launched, timeout_seconds=5) == ()
        assert opened.argvs == []


class Writing:
    """A workspace whose commands leave these bytes as whatever file is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def write(self, texts: object) -> None:
        raise AssertionError("nothing is to be written")

    def run(self, argv: object, *, collect: tuple[str, ...], **_: object) -> Execution:
        return Execution(argv=(), exit_code=0, output="", seconds=1.0, files=dict.fromkeys(collect, self._data))


def packed(told: object) -> bytes:
    return zlib.compress(json.dumps(told).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zlib",
        zlib.compress(b"no json"),
        packed([]),
        packed({"files": ["a.py"]}),
        packed({"files": ["a.py"], "tests": [["t", "passed", [[7, [1, 2]]]]]}),
        packed({"files": ["a.py"], "tests": [["t", "passed", [[0, [1, 2, 3]]]]]}),
        packed({"files": ["a.py"], "tests": [["t", "passed", [[0, ["1", "2"]]]]]}),
        packed({"files": ["a.py"], "tests": "abc"}),
    ],
)
def test_coverage_that_a_strangers_tests_have_spoilt_is_no_coverage(data: bytes) -> None:
    assert trace(Writing(data), PYTEST, timeout_seconds=5) == ()


PYTEST = TestCommand(runner="pytest", argv=("pytest", "-q"), select=(), reader="junit", results="/tmp/r.xml")


def test_odd_outcomes_and_endless_ranges_in_coverage_are_bounded() -> None:
    data = packed({"files": ["a.py"], "tests": [["t", "odd", [[0, [1, 10**12]]]]]})
    (one,) = trace(Writing(data), PYTEST, timeout_seconds=5)
    assert isinstance(one, Coverage)
    assert one.outcome == "error"
    assert len(one.lines["a.py"]) <= 100_001


def test_a_mended_project_is_proven_end_to_end() -> None:
    with workspace(SHOP) as opened:
        command = command_of(SHOP)
        base = run_tests(opened, command, tree="a", sandbox="s", timeout_seconds=60)
        red = red_tests(base, ["tests/test_price.py::test_net"])
        opened.write({"shop/price.py": SHOP["shop/price.py"].replace("RATE = 2", "RATE = 1")})
        tip = run_tests(opened, command, tree="b", sandbox="s", timeout_seconds=60)
    judged = verdict(base, tip, red=red)
    assert (judged.state, judged.fail_to_pass) == ("passed", ("tests/test_price.py::test_net[20]",))
    assert judged.fail_to_fail == ("tests/test_price.py::test_fixture",)
