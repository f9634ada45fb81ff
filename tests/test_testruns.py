"""Runs of real pytest and other runners in real processes."""

import pytest

from gitagent.core.testing import WHOLE_SUITE
from gitagent.errors import RequestError
from gitagent.records import Execution, TestCommand
from gitagent.testruns import run_tests
from tests.proofs import run_of, workspace

CALC = {
    "calc.py": "def add(a, b):\n    return a - b\n",
    "test_calc.py": "from calc import add\n\ndef test_add():\n    assert add(2, 2) == 4\n\n"
    "def test_zero():\n    assert add(0, 0) == 0\n",
}


def test_each_test_of_a_run_has_its_outcome_and_the_failed_one_its_assertion() -> None:
    run = run_of(CALC)
    assert (run.state, run.reason, run.exit_code) == ("failed", "1 passed, 1 failed", 1)
    assert {result.id: result.outcome for result in run.results} == {
        "test_calc.py::test_add": "failed",
        "test_calc.py::test_zero": "passed",
    }
    assert "assert 0 == 4" in run.results[0].message
    assert "test_calc.py:4" in run.results[0].message


def test_chosen_tests_alone_are_run() -> None:
    run = run_of(CALC, ["test_calc.py::test_zero"])
    assert (run.state, run.having("passed")) == ("passed", ("test_calc.py::test_zero",))


def test_a_source_layout_that_is_not_installed_can_be_imported() -> None:
    files = {
        "pyproject.toml": "[project]\nname = 'calc'\n",
        "src/calc/__init__.py": "VALUE = 3\n",
        "tests/test_value.py": "import calc\n\ndef test_value():\n    assert calc.VALUE == 3\n",
    }
    assert run_of(files).state == "passed"


def test_options_of_absent_plugins_do_not_keep_the_tests_from_running() -> None:
    files = {
        **CALC,
        "pytest.ini": "[pytest]\naddopts = --cov calc --cov-report=term -n 4 --lf -x --strict-markers\n",
    }
    assert run_of(files).reason == "1 passed, 1 failed"


def test_a_module_that_cannot_be_imported_is_an_error_and_the_others_still_run() -> None:
    run = run_of({**CALC, "test_broken.py": "import no_such_module\n"})
    assert run.state == "failed"
    assert run.having("error") == ("test_broken.py",)
    assert "no_such_module" in next(one.message for one in run.results if one.outcome == "error")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"test_x.py": "import os\n\ndef test_a():\n    os._exit(0)\n"}, "exit code 0, but no results"),
        ({"test_x.py": "import os\n\ndef test_a():\n    os.kill(os.getpid(), 11)\n"}, "ended by signal 11"),
        ({"test_x.py": "x = 1\n"}, "no tests were collected"),
        (
            {"test_x.py": "import pytest\n\n@pytest.mark.skip\ndef test_a():\n    pass\n"},
            "every test was skipped (1 skipped)",
        ),
        (
            {"test_x.py": "def test_a():\n    pass\n", "pytest.ini": "[pytest]\naddopts = --no-such-option\n"},
            "usage error",
        ),
        (
            {"test_x.py": "def test_a():\n    pass\n", "conftest.py": "raise ValueError('broken on purpose')\n"},
            "ValueError: broken on purpose",
        ),
        (
            {
                "test_x.py": "def test_a():\n    pass\n",
                "conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 1\n",
            },
            "exit code 1, but no test failed",
        ),
        (
            {
                "test_x.py": "def test_a():\n    assert 0\n",
                "conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n",
            },
            "exit code 0, but the results say 1 failed",
        ),
        ({"test_x.py": "def test_a():\n    raise KeyboardInterrupt\n"}, "interrupted"),
    ],
)
def test_a_run_that_contradicts_itself_or_says_nothing_is_inconclusive(files: dict[str, str], reason: str) -> None:
    run = run_of(files)
    assert run.state == "inconclusive"
    assert reason in run.reason


def test_a_run_that_takes_too_long_is_stopped_and_inconclusive() -> None:
    run = run_of({"test_x.py": "def test_a():\n    while True:\n        pass\n"}, seconds=2.0)
    assert (run.state, run.exit_code) == ("inconclusive", None)
    assert "without an end" in run.reason


def test_a_command_that_is_not_there_is_named() -> None:
    run = run_of(CALC, configured="sh -c 'exec no-such-runner'")
    assert run.state == "inconclusive"
    assert "sh cannot be run in the sandbox" in run.reason
    assert "no-such-runner" in run.reason


@pytest.mark.parametrize("test", ["-x", "@args", "", "a\0b", "a\nb"])
def test_a_test_id_that_could_be_an_option_is_refused(test: str) -> None:
    with pytest.raises(RequestError, match="is no test id"):
        run_of(CALC, [test])


def test_a_custom_command_speaks_for_the_whole_suite_by_its_exit_code() -> None:
    run = run_of({"check.txt": "no\n"}, configured="grep -q yes check.txt")
    assert [(one.id, one.outcome) for one in run.results] == [(WHOLE_SUITE, "failed")]
    assert run_of({"check.txt": "yes\n"}, configured="grep -q yes check.txt").state == "passed"


def test_unittest_tells_its_tests_and_takes_them_back() -> None:
    files = {
        "tests/__init__.py": "",
        "tests/tests_calc.py": "",
        "tests/test_calc.py": "import unittest\n\n\nclass Sums(unittest.TestCase):\n"
        "    def test_one(self):\n        'With a docstring.'\n        self.assertEqual(1, 1)\n\n"
        "    def test_two(self):\n        self.assertEqual(1, 2)\n\n"
        "    @unittest.skip('later')\n    def test_three(self):\n        pass\n",
    }
    line = "python3 -B -m unittest -v"
    run = run_of(files, configured=line)
    assert {result.id: result.outcome for result in run.results} == {
        "tests.test_calc.Sums.test_one": "passed",
        "tests.test_calc.Sums.test_two": "failed",
        "tests.test_calc.Sums.test_three": "skipped",
    }
    assert "1 != 2" in next(one.message for one in run.results if one.outcome == "failed")
    assert run_of(files, ["tests.test_calc.Sums.test_one"], configured=line).state == "passed"


def test_results_in_many_files_are_gathered_and_old_ones_are_not_believed() -> None:
    old = "<testsuite name='old'><testcase classname='C' name='old'/></testsuite>"
    new = "<?xml version='1.0'?><testsuite name='n'><testcase classname='C' name='t{0}'/></testsuite>"
    maker = 'for n in 1 2; do echo "$(cat new.xml | sed s/{0}/$n/)" > target/surefire-reports/TEST-$n.xml; done'
    files = {"target/surefire-reports/TEST-old.xml": old, "new.xml": new, "make.sh": maker}
    command = TestCommand(
        runner="maven",
        argv=("sh", "make.sh"),
        select=None,
        reader="junit",
        results="./*/surefire-reports/TEST-*.xml",
    )
    with workspace(files) as opened:
        run = run_tests(opened, command, tree="", sandbox="", timeout_seconds=30)
    assert run.having("passed") == ("C.t1", "C.t2")


class Answering:
    """A workspace in which every command ends the same way."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def write(self, texts: object) -> None:
        raise AssertionError("nothing is to be written")

    def run(self, argv: object, **_: object) -> Execution:
        return self._execution


def test_output_is_kept_at_both_ends_and_hostile_results_are_no_results() -> None:
    execution = Execution(argv=("x",), exit_code=0, output="a" * 30_000 + "END", seconds=1.0)
    command = TestCommand(runner="npm", argv=("x",), select=None, reader="tap", results="/tmp/r.tap")
    run = run_tests(Answering(execution), command, tree="", sandbox="", timeout_seconds=1)
    assert len(run.output) < 21_000
    assert run.output.endswith("END")
    assert "no results were written" in run.reason


def test_a_missing_pytest_is_called_by_its_name() -> None:
    output = "/usr/bin/python3: No module named pytest\n"
    execution = Execution(argv=("x",), exit_code=1, output=output, seconds=1.0)
    command = TestCommand(runner="pytest", argv=("python3",), select=(), reader="junit", results="/tmp/r.xml")
    run = run_tests(Answering(execution), command, tree="", sandbox="", timeout_seconds=1)
    assert run.reason == "pytest is not installed in the sandbox"
