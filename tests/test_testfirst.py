"""Tests proposed for a request are run before they count: what each answer comes to."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gitagent import testfirst
from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.git_runs import GitRuns
from gitagent.adapters.local_forge import LocalForge
from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.core import intake, testing
from gitagent.errors import DiffError, GitagentError, ModelError
from gitagent.events import Event, Noted, ReplyRefused, Stream
from gitagent.ports import Ports
from gitagent.records import Candidate, Limits, SandboxLimits
from gitagent.searching import Budget, OutOfBudget
from gitagent.testfirst import TestFirst
from gitagent.tree import Tree
from gitagent.workspaces import Workspaces
from tests.fakes import FakeWorker
from tests.proofs import lean_python

Git = Callable[..., str]
RIGHT = "from sums import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
HEAD = "from sums import add\n\n\ndef test_add():\n"


class Desk:
    """A repository of one function, and whoever proposes a test for it."""

    def __init__(self, root: Path, git: Git) -> None:
        (root / "sums.py").write_text("def add(a, b):\n    return a - b\n")
        (root / "test_sums.py").write_text("def test_nothing():\n    pass\n")
        git(root, "add", ".")
        git(root, "commit", "--quiet", "-m", "sums")
        self.repository, self.heard = GitRepository(str(root)), list[Event]()
        self.sandbox = UnsandboxedSandbox(lean_python())

    def find(
        self,
        *answers: str | GitagentError,
        text: str = "add in sums.py is wrong",
        minutes: float = 5,
        command: str = "",
    ) -> Candidate | None:
        self.worker = FakeWorker("api", *answers)
        request = intake.request(text, source="text", base=self.repository.head().oid)
        tree = Tree(self.repository, request.base)
        opening = Workspaces(
            lambda: self.sandbox.open(lambda to: self.repository.checkout(request.base, to), SandboxLimits())
        )
        with closing(opening):
            found = TestFirst(
                request=request,
                ports=Ports(
                    repository=self.repository,
                    branches=GitBranches(self.repository),
                    runs=GitRuns(self.repository),
                    sandbox=self.sandbox,
                    forge=LocalForge(self.repository),
                    workers=(FakeWorker("templates", "no"), self.worker),
                    stream=Stream(self.heard.append),
                ),
                tree=tree,
                command=testing.detect(tree.entries, tree.on_base, configured=command),
                workspaces=opening,
                budget=Budget(Limits(minutes=minutes)),
                limits=SandboxLimits(),
            ).found()
        return found[1] if found else None

    def refused(self) -> list[str]:
        return [event.reason for event in self.heard if isinstance(event, ReplyRefused)]


@pytest.fixture
def desk(repo: Path, git: Git) -> Desk:
    return Desk(repo, git)


def test_a_test_that_fails_by_its_assertion_counts_and_the_files_it_is_about_were_shown(desk: Desk) -> None:
    found = desk.find(RIGHT)
    assert found is not None and found.texts == {"test_add_in_sums_py_is_wrong.py": RIGHT}
    (asked,) = desk.worker.asked
    assert asked.notes[0].title == "sums.py" and asked.excerpt == ""


def test_what_was_wrong_is_told_once_and_the_second_answer_may_do(desk: Desk) -> None:
    assert desk.find(HEAD + "    assert add(2, 0) == 2\n", RIGHT) is not None
    assert desk.refused() == ["it passes on base, so it does not show what is wrong"]
    assert desk.worker.asked[1].state[-1].text.startswith("it passes on base")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("from sums import gone\n\n\ndef test_it():\n    assert gone()\n", "by its own fault: ImportError"),
        ("def test_it(:\n", "the tests do not parse"),
        ("def test_it(nothing):\n    assert nothing\n", "fixture 'nothing' not found"),
        ("import os\n\nos._exit(1)\n", "os._exit makes tests not count"),
        ("x = 1\n", "it cannot be run: "),
        (DiffError("no diff at all"), "no diff at all"),
    ],
)
def test_a_test_with_a_fault_of_its_own_is_refused_twice_and_then_let_go(
    desk: Desk, answer: str | GitagentError, why: str
) -> None:
    assert desk.find(answer) is None
    assert len(desk.worker.asked) == testfirst.ATTEMPTS and len(desk.refused()) == testfirst.ATTEMPTS
    assert why in desk.refused()[0]


def test_an_endpoint_out_of_reach_is_told_and_nothing_is_found(desk: Desk) -> None:
    assert desk.find(ModelError("nobody answers")) is None
    assert [event.text for event in desk.heard if isinstance(event, Noted)] == ["api: nobody answers"]


def test_a_run_out_of_budget_stops_here_too(desk: Desk) -> None:
    with pytest.raises(OutOfBudget):
        desk.find(RIGHT, minutes=0)


def test_a_project_without_pytest_is_left_as_it_is(desk: Desk) -> None:
    assert desk.find(RIGHT, command="make check") is None
    assert desk.worker.asked == []


def test_only_who_can_write_or_what_can_be_read_makes_it_worth_a_try() -> None:
    templates = FakeWorker("templates")
    assert not testfirst.worth_it((templates,), "it fails")
    assert testfirst.worth_it((templates,), 'File "x.py", line 1, in f')
    assert testfirst.worth_it((templates, FakeWorker("local")), "it fails")
