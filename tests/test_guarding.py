"""The tamper gate in a run: refused before a test is run, told to who answered, or let through on its own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.core import diffs
from gitagent.errors import DiffError
from gitagent.events import CandidateProposed, ReplyRefused
from gitagent.guarding import Gate
from gitagent.records import Candidate, Limits
from gitagent.tree import Tree
from tests.fakes import FakeWorker
from tests.test_pipeline import BASE, GOOD, TASK, World, Writing

Git = Callable[..., str]
TEST = "def test_add():\n    assert add(2, 3) == 5\n"
LOOSE = "def test_add():\n    assert add(2, 3)\n"
CHEAT = "def add(a, b):\n    if b == 3:\n        return 5\n    return a + b\n"


@pytest.fixture
def world(repo: Path, git: Git) -> World:
    (repo / "test_calc.py").write_text(TEST)
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "test")
    return World(repo, git)


def test_an_answer_that_loosens_a_test_is_refused_untried_and_told_to_the_model(world: World) -> None:
    api = FakeWorker("api", LOOSE, TEST + "\n\ndef test_more():\n    assert add(1, 1) == 2\n")
    mend = FakeWorker("api", GOOD)
    both = Writing("api", {})
    both.candidates = lambda task, text, limit: (  # type: ignore[method-assign]
        (api if task.path == "test_calc.py" else mend).candidates(task, text, limit=limit)
    )
    world.workers = [both]
    tests = replace(TASK, id="t2", path="test_calc.py", excerpt=TEST, depends_on=("t1",))
    world.planners.append(world.planned(TASK, tests))
    report = world.pursue()
    assert report.state == "proven" and len(report.commits) == 2
    (refused,) = world.of(ReplyRefused)[:1]
    assert "test_calc.py:1: what test_add asserts is changed" in refused.reason  # type: ignore[attr-defined]
    assert "the change tampers with what judges it" in api.asked[1].state[-1].text
    proposed = [event.diff for event in world.of(CandidateProposed)]  # type: ignore[attr-defined]
    assert not any("-    assert add(2, 3) == 5" in diff for diff in proposed)


def test_a_template_that_tampers_is_passed_over(world: World) -> None:
    templates = FakeWorker("templates", BASE + "import pytest\n", GOOD)
    world.workers = [templates]
    assert world.pursue().state == "proven"
    assert "imports pytest" in world.of(ReplyRefused)[0].reason  # type: ignore[attr-defined]


def test_in_the_end_a_task_that_only_tampers_is_not_done_and_says_why(world: World) -> None:
    world.workers = [Writing("api", {"calc.py": GOOD, "test_calc.py": LOOSE})]
    tests = replace(TASK, id="t2", path="test_calc.py", excerpt=TEST, depends_on=("t1",))
    world.planners.append(world.planned(TASK, tests))
    report = world.pursue(limits=Limits(attempts=1))
    assert len(report.commits) == 1 and report.pull is not None
    assert "task t2 in test_calc.py: the change tampers with what judges it" in report.pull.body


def test_with_the_users_word_it_is_a_commit_of_its_own_that_says_so(world: World) -> None:
    world.workers = [Writing("api", {"calc.py": GOOD, "test_calc.py": LOOSE})]
    tests = replace(TASK, id="t2", path="test_calc.py", excerpt=TEST, depends_on=("t1",))
    world.planners.append(world.planned(TASK, tests))
    report = world.pursue(allow_test_changes=True)
    assert len(report.commits) == 2
    said = world.git(world.root, "log", "-1", "--format=%B", report.commits[1].oid)
    assert said.startswith("tests changed: test_calc: ")
    assert "- test_calc.py:1: what test_add asserts is changed" in said
    assert "Gitagent-Tampers: allowed by the user (--allow-test-changes)" in said
    assert "Tampers" not in world.git(world.root, "log", "-1", "--format=%B", report.commits[0].oid)


def answer(texts: dict[str, str | None]) -> Candidate:
    diff = diffs.between({"calc.py": (BASE, GOOD)})
    return Candidate(task="t1", worker="api", diff=diff, texts=texts, pattern="mend")


def test_one_answer_of_code_and_tests_is_split_by_file(world: World) -> None:
    tree = Tree(GitRepository(str(world.root)), world.base)
    mixed = answer({"calc.py": GOOD, "test_calc.py": None})
    (own, nothing), (tests, found) = Gate(tree, allowed=True).parts(mixed)
    assert nothing == () and own.texts == {"calc.py": GOOD} and own.diff.paths == ("calc.py",)
    assert tests.texts == {"test_calc.py": None} and [one.kind for one in found] == ["deleted"]
    assert "as allowed: a file of the tests is deleted" in tests.pattern and tests.diff.paths == ("test_calc.py",)
    with pytest.raises(DiffError, match="a file of the tests is deleted") as caught:
        Gate(tree).parts(mixed)
    assert "--allow-test-changes" in caught.value.hint


def test_code_that_knows_a_red_test_by_heart_is_refused(world: World) -> None:
    gate = Gate(Tree(GitRepository(str(world.root)), world.base))
    assert gate.refusal(answer({"calc.py": CHEAT})) == ""
    gate.red = ("test_calc.py::test_add",)
    assert "a branch for just 3, which the red test asks" in gate.refusal(answer({"calc.py": CHEAT}))
    assert gate.refusal(answer({"calc.py": GOOD})) == ""
