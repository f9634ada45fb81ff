from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.errors import RequestError
from gitagent.finding import words
from gitagent.records import SandboxLimits, TestResult, TestRun
from gitagent.witnessing import Witness
from tests.conftest import Git
from tests.e2e.running import CALC, RED
from tests.proofs import lean_python


@pytest.fixture
def calc(tmp_path: Path, git: Git) -> GitRepository:
    root = tmp_path / "calc"
    root.mkdir()
    git(root, "init", "--quiet")
    for path, text in CALC.items():
        (root / path).write_text(text)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "calc: begin")
    return GitRepository(str(root))


def witness(
    repository: GitRepository, told: list[TestRun], *, configured: str = "", seconds: float = 60.0
) -> Witness:
    return Witness(
        repository,
        UnsandboxedSandbox(lean_python()),
        SandboxLimits(timeout_seconds=seconds),
        configured=configured,
        told=told.append,
    )


def test_the_lines_of_a_failing_test_are_suspicious_and_its_words_are_heard(calc: GitRepository) -> None:
    runs: list[TestRun] = []
    found = witness(calc, runs).asked(calc.head().oid, ())
    assert [one.id for one in found.red] == [RED] and runs == [found.run]
    best = found.shown.suspects[0]
    assert (best.path, best.line) == ("calc.py", 2)
    assert "add(2, 3) == 5" in found.shown.words and "test_double" not in found.shown.words


def test_tests_that_are_named_are_run_alone(calc: GitRepository) -> None:
    runs: list[TestRun] = []
    found = witness(calc, runs).asked(calc.head().oid, [RED])
    assert [one.id for one in found.run.results] == [RED] and len(runs) == 1
    assert {one.test for one in found.coverage} == {RED, "test_calc.py::test_double", ""}


def test_without_a_tracer_words_are_left(calc: GitRepository) -> None:
    found = witness(calc, [], configured=f"{lean_python()} -c raise(SystemExit(1))").asked(calc.head().oid, ())
    assert found.red and found.coverage == () and found.shown.suspects == ()


def test_tests_without_an_end_are_an_error_that_says_how_to_give_them_time(calc: GitRepository) -> None:
    endless = witness(calc, [], configured="sleep 60", seconds=0.2)
    with pytest.raises(RequestError, match="stopped after") as told:
        endless.asked(calc.head().oid, ())
    assert "GITAGENT_TESTS_TIMEOUT_SECONDS" in told.value.hint


def test_of_a_pytest_report_only_what_failed_and_the_frames_of_sources_are_heard() -> None:
    message = (
        "    def test_it():\n        unrelated = 1\n>       assert add(1) == 2\nE       ValueError: bad sum\n\n"
        "test_calc.py:4: in test_it\ncalc.py:2: in add\nE   ValueError: bad sum\n"
    )
    said = words([TestResult(id="test_calc.py::test_it", outcome="failed", message=message)], {})
    assert 'File "calc.py", line 2, in add' in said and "bad sum" in said
    assert "unrelated" not in said and "test_calc.py" not in said


def test_a_report_of_another_kind_is_heard_whole() -> None:
    said = words([TestResult(id="suite > adds", outcome="failed", message="expected 3\nat src/add.js:3:9")], {})
    assert "src/add.js:3:9" in said
