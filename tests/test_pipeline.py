"""The whole way with a real repository, and workers, planners and a sandbox in memory."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitagent import pipeline
from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.git_runs import GitRuns
from gitagent.adapters.local_forge import LocalForge
from gitagent.core import intake
from gitagent.errors import DiffError, ModelError, RepositoryError, RequestError, SandboxError
from gitagent.events import (
    CandidateTried,
    Committed,
    Event,
    Noted,
    PullRequestReady,
    Routed,
    RunFailed,
    RunFinished,
    Stream,
    TaskStarted,
    VerdictReached,
    name_of,
)
from gitagent.planners import LocalizerPlanner
from gitagent.ports import Planner, Ports, Worker
from gitagent.records import Limits, MicroTask, Plan, Report
from tests.fakes import FakePlanner, FakeSandbox, FakeWorker, Texts

Git = Callable[..., str]
BASE = "def add(a, b):\n    return a - b\n"
GOOD = BASE.replace("-", "+")
ALMOST = BASE.replace("-", "*")
TASK = MicroTask(id="t1", path="calc.py", first_line=1, excerpt=BASE, instruction="mend add", answer_tokens=64)


class World:
    """A repository with `calc.py`, and everything a run is given."""

    def __init__(self, repo: Path, git: Git) -> None:
        self.root, self.git = repo, git
        (repo / "calc.py").write_text(BASE)
        (repo / ".github").mkdir()
        (repo / ".github/ci.yml").write_text("on: push\n")
        (repo / "link.py").symlink_to("calc.py")
        git(repo, "add", ".")
        git(repo, "commit", "--quiet", "-m", "calc")
        self.base = git(repo, "rev-parse", "HEAD")
        self.heard: list[Event] = []
        self.workers: list[Worker] = []
        self.planners: list[Planner] = [LocalizerPlanner()]
        self.more: dict[str, Any] = {}
        self.sandbox = FakeSandbox(lambda texts: "a + b" in texts["calc.py"])
        self.options = pipeline.Options(run="r1", base_branch="main", test_command="check")

    def ports(self) -> Ports:
        repository = GitRepository(str(self.root))
        return Ports(
            repository=repository,
            branches=GitBranches(repository),
            runs=GitRuns(repository),
            sandbox=self.sandbox,
            forge=LocalForge(repository),
            workers=tuple(self.workers),
            planners=tuple(self.planners),
            stream=Stream(self.heard.append),
            **self.more,
        )

    def pursue(self, text: str = "add in calc.py is wrong", **options: object) -> Report:
        request = intake.request(text, source="text", base=self.base)
        try:
            return pipeline.pursue(request, self.ports(), replace(self.options, **options))  # type: ignore[arg-type]
        finally:
            assert all(workspace.closed for workspace in self.sandbox.opened)

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.heard if isinstance(event, kind)]

    def branches(self) -> list[str]:
        return self.git(self.root, "for-each-ref", "--format=%(refname:short)", "refs/heads/gitagent").split()

    def planned(self, *tasks: MicroTask, mode: str = "all") -> FakePlanner:
        plan = Plan(summary="s", mode=mode, tasks=tasks or (TASK,), planner="chat")  # type: ignore[arg-type]
        return FakePlanner("chat", plan)


@pytest.fixture
def world(repo: Path, git: Git) -> World:
    return World(repo, git)


def test_templates_are_asked_first_and_a_model_not_at_all_if_they_suffice(world: World) -> None:
    api = FakeWorker("api", GOOD)
    world.workers = [FakeWorker("templates", ALMOST, GOOD), api]
    report = world.pursue()
    assert report.state == "proven" and api.asked == []
    assert [commit.oid for commit in report.commits] == [world.git(world.root, "rev-parse", world.branches()[0])]
    assert (name_of(world.heard[0]), name_of(world.heard[-1])) == ("run_started", "run_finished")


def test_the_certificate_is_a_fresh_workspace_with_the_very_tree_that_is_committed(world: World) -> None:
    world.workers = [FakeWorker("templates", ALMOST, GOOD)]
    report = world.pursue()
    assert report.verdict is not None
    (commit,) = report.commits
    assert report.verdict.tip.tree == commit.tree == world.git(world.root, "rev-parse", f"{commit.oid}^{{tree}}")
    assert report.verdict.base.tree == world.git(world.root, "rev-parse", f"{world.base}^{{tree}}")
    searching, *others = world.sandbox.opened
    assert len(searching.judged) > 1
    certificate = next(one for one in others if any(texts["calc.py"] == GOOD for texts in one.judged))
    assert certificate is not searching and all(texts["calc.py"] == GOOD for texts in certificate.judged)


def test_a_survivor_that_a_fresh_run_refuses_is_not_committed(world: World) -> None:
    # Green only where another candidate was tried before: what a warm workspace may fool itself with.
    tried: list[Texts] = []

    def judge(texts: Texts) -> bool:
        tried.append(texts)
        warm = world.sandbox.opened[0].texts == texts
        return "a + b" in texts["calc.py"] or ("a * b" in texts["calc.py"] and warm)

    world.sandbox = FakeSandbox(judge)
    world.workers = [FakeWorker("templates", ALMOST, GOOD)]
    report = world.pursue()
    assert (
        report.state == "proven" and world.git(world.root, "show", f"{world.branches()[0]}:calc.py") == GOOD[:-1]
    )
    assert [event.state for event in world.of(VerdictReached)] == ["failed", "passed"]  # type: ignore[attr-defined]


def test_the_planner_and_its_worker_come_after_templates_have_failed(world: World) -> None:
    templates, api = FakeWorker("templates", ALMOST), FakeWorker("api", GOOD)
    chat = world.planned()
    world.workers, world.planners = [templates, api], [LocalizerPlanner(), chat]
    report = world.pursue()
    assert report.state == "proven" and len(chat.findings) == 1
    started = [event.worker for event in world.of(TaskStarted)]  # type: ignore[attr-defined]
    assert started == ["templates", "api"]
    assert world.of(CandidateTried)[0].state == "failed"  # type: ignore[attr-defined]


def test_a_plan_of_two_tasks_becomes_two_commits_in_its_order(world: World) -> None:
    new = replace(TASK, id="t2", path="notes.txt", excerpt="", instruction="note it", depends_on=("t1",))
    world.workers = [Writing("api", {"calc.py": GOOD, "notes.txt": "noted\n"})]
    world.planners.append(world.planned(new, TASK))
    report = world.pursue()
    assert report.state == "proven" and len(report.commits) == 2
    assert [event.task for event in world.of(Committed)] == ["t1", "t2"]  # type: ignore[attr-defined]


class Writing(FakeWorker):
    """Answers each file's task with that file's text."""

    def __init__(self, name: str, texts: dict[str, str]) -> None:
        super().__init__(name)
        self.texts = texts

    def candidates(self, task: MicroTask, text: str, *, limit: int):  # type: ignore[no-untyped-def]
        self.asked.append(task)
        return FakeWorker(self.name, self.texts[task.path]).candidates(task, text, limit=limit)


def test_a_failed_verdict_is_told_and_the_next_answer_becomes_a_commit_of_its_own(world: World) -> None:
    api = FakeWorker("api", ALMOST, GOOD)
    world.workers = [api]
    world.planners.append(world.planned())
    report = world.pursue()
    assert report.state == "proven" and len(report.commits) == 2
    assert "the tests still fail" in api.asked[1].state[-1].text
    assert [event.state for event in world.of(VerdictReached)] == ["failed", "passed"]  # type: ignore[attr-defined]


def test_what_cannot_be_proven_is_published_as_such(world: World) -> None:
    world.workers = [FakeWorker("api", ALMOST)]
    world.planners.append(world.planned())
    report = world.pursue(limits=Limits(attempts=2))
    assert report.state == "unproven" and report.pull is not None and report.pull.title.startswith("[unproven]")
    assert len(report.commits) == 1 and world.branches()


def test_an_endpoint_lost_after_the_first_task_leaves_that_one_published_and_the_loss_told(world: World) -> None:
    second = replace(TASK, id="t2", path="notes.txt", excerpt="", depends_on=("t1",))
    world.workers = [FakeWorker("api", GOOD, ModelError("nobody answers any more"))]
    world.planners.append(world.planned(TASK, second))
    report = world.pursue()
    assert report.state == "unproven" and len(report.commits) == 1
    assert report.reason == "chat: nobody answers any more"
    assert report.pull is not None and "- `chat: nobody answers any more" in report.pull.body


def test_a_limit_in_the_middle_leaves_what_was_committed_and_names_the_limit(world: World) -> None:
    second = replace(TASK, id="t2", path="notes.txt", excerpt="", depends_on=("t1",))
    world.workers = [FakeWorker("api", GOOD)]
    world.planners.append(world.planned(TASK, second))
    report = world.pursue(limits=Limits(candidates=1))
    assert report.state == "unproven" and report.reason == "the limit run.candidates = 1 was reached"


@pytest.mark.parametrize(
    ("path", "reason"), [(".github/ci.yml", "is protected"), ("link.py", "is no regular file")]
)
def test_a_task_on_what_may_not_be_changed_is_left_out_and_said(world: World, path: str, reason: str) -> None:
    refused = replace(TASK, id="t2", path=path, excerpt="")
    api = FakeWorker("api", GOOD)
    world.workers = [api]
    world.planners.append(world.planned(refused, TASK))
    report = world.pursue()
    assert report.state == "proven" and {task.path for task in api.asked} == {"calc.py"}
    assert report.pull is not None and f"- `{path} {reason} and was left alone`" in report.pull.body
    assert report.plan is not None and [task.id for task in report.plan.tasks] == ["t1"]


def test_a_plan_of_nothing_but_protected_files_is_an_error(world: World) -> None:
    world.workers = [FakeWorker("api", GOOD)]
    world.planners.append(world.planned(replace(TASK, path=".github/ci.yml", excerpt="")))
    with pytest.raises(RequestError, match="the plan by chat changes nothing that may be changed"):
        world.pursue("the weather")
    assert world.branches() == []


def test_of_alternatives_without_red_tests_only_the_first_is_written(world: World) -> None:
    world.sandbox = FakeSandbox(lambda texts: True)
    world.workers = [FakeWorker("local", "# add\n" + BASE)]
    (world.root / "addition.py").write_text("def add():\n    pass\n")
    world.planners = [
        FakePlanner("localizer", replace(world.planned(TASK, replace(TASK, id="t2"))._plan, mode="any"))
    ]  # type: ignore[type-var]
    report = world.pursue()
    assert report.state == "unproven" and len(report.commits) == 1


def test_without_a_model_and_without_a_red_test_there_is_nothing_to_go_by(world: World) -> None:
    world.sandbox = FakeSandbox(lambda texts: True)
    world.workers = [FakeWorker("templates")]
    with pytest.raises(RequestError, match="no test fails on base"):
        world.pursue()
    (failed,) = world.of(RunFailed)
    assert failed.exit_code == 2 and world.branches() == []  # type: ignore[attr-defined]


def test_a_template_plan_in_vain_says_so_and_leaves_no_branch(world: World) -> None:
    world.workers = [FakeWorker("templates", ALMOST)]
    report = world.pursue()
    assert (report.state, report.reason) == (
        "nothing",
        "no candidate turned the red tests green; 1 candidates tried",
    )
    assert world.branches() == [] and world.of(PullRequestReady) == []
    saved = json.loads(GitRuns(GitRepository(str(world.root))).load("r1")["report.json"])
    assert saved["state"] == "nothing" and saved["tried"] == 1


def test_a_planner_that_finds_no_plan_gives_way_to_the_next(world: World) -> None:
    world.workers = [FakeWorker("api", GOOD)]
    world.planners = [FakePlanner("localizer", RequestError("nothing was found")), world.planned()]
    assert world.pursue().state == "proven"
    assert any(event.text == "nothing was found" for event in world.of(Noted))  # type: ignore[attr-defined]
    world.planners = [FakePlanner("localizer", RequestError("nothing was found"))]
    with pytest.raises(RequestError, match="nothing was found"):
        world.pursue(run="r2", again=True)


def test_an_interrupt_ends_a_run_with_its_commits_and_its_sandboxes_closed(world: World) -> None:
    second = replace(TASK, id="t2", path="notes.txt", excerpt="", depends_on=("t1",))

    class Interrupted(Writing):
        def candidates(self, task: MicroTask, text: str, *, limit: int):  # type: ignore[no-untyped-def]
            if task.id == "t2":
                raise KeyboardInterrupt
            return super().candidates(task, text, limit=limit)

    world.workers = [Interrupted("api", {"calc.py": GOOD})]
    world.planners.append(world.planned(TASK, second))
    report = world.pursue()
    assert report.state == "interrupted" and len(report.commits) == 1 and world.branches()
    (finished,) = world.of(RunFinished)
    assert finished.branch == world.branches()[0]  # type: ignore[attr-defined]


def test_a_sandbox_that_breaks_after_a_commit_says_where_that_is_kept(world: World) -> None:
    second = replace(TASK, id="t2", path="notes.txt", excerpt="", depends_on=("t1",))
    world.workers = [FakeWorker("api", GOOD, SandboxError("the engine went away"))]
    world.planners.append(world.planned(TASK, second))
    with pytest.raises(SandboxError, match="the engine went away"):
        world.pursue()
    (branch,) = world.branches()
    assert any(event.text == f"1 commit is kept on {branch}" for event in world.of(Noted))  # type: ignore[attr-defined]
    assert world.of(RunFailed)[0].exit_code == 6  # type: ignore[attr-defined]


def test_a_record_that_cannot_be_written_is_a_warning(world: World) -> None:
    lock = world.root / ".git/refs/gitagent/runs/r1.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    world.workers = [FakeWorker("templates", GOOD)]
    assert world.pursue().state == "proven"
    assert any("the run is not written down" in event.text for event in world.of(Noted))  # type: ignore[attr-defined]


def test_a_dry_run_beside_the_branch_of_an_earlier_one_leaves_that_alone(world: World) -> None:
    world.workers = [FakeWorker("templates", GOOD)]
    assert world.pursue().state == "proven"
    before = world.git(world.root, "for-each-ref", "refs/heads", "refs/gitagent/pulls")
    report = world.pursue(run="r2", dry_run=True)
    assert report.state == "proven" and report.pull is None and report.commits
    assert world.git(world.root, "for-each-ref", "refs/heads", "refs/gitagent/pulls") == before
    with pytest.raises(RepositoryError, match="already exists"):
        world.pursue(run="r3")


def test_a_scratch_branch_that_cannot_be_dropped_is_named(world: World, git: Git) -> None:
    class Locking(FakeWorker):
        def candidates(self, task: MicroTask, text: str, *, limit: int):  # type: ignore[no-untyped-def]
            (world.root / f".git/refs/heads/{world.branches()[0]}.lock").touch()
            raise DiffError("no")
            yield

    world.workers = [Locking("api")]
    world.planners.append(world.planned())
    assert world.pursue(limits=Limits(attempts=1)).state == "nothing"
    assert any("the scratch branch is left behind" in event.text for event in world.of(Noted))  # type: ignore[attr-defined]


def test_an_answer_that_was_not_enough_by_itself_may_be_a_part_of_what_is_planned(world: World) -> None:
    (world.root / "other.py").write_text("TWO = 1\n")
    world.git(world.root, "add", ".")
    world.git(world.root, "commit", "--quiet", "-m", "other")
    world.base = world.git(world.root, "rev-parse", "HEAD")
    world.sandbox = FakeSandbox(lambda texts: "a + b" in texts["calc.py"] and "TWO = 2" in texts["other.py"])
    texts = {"calc.py": GOOD, "other.py": "TWO = 2\n"}
    world.workers = [Writing("local", texts), Writing("api", texts)]
    other = MicroTask(id="t2", path="other.py", first_line=1, excerpt="TWO = 1\n", instruction="be two",
                      answer_tokens=64, depends_on=("t1",))  # fmt: skip
    world.planners.append(world.planned(TASK, other))
    report = world.pursue()
    assert world.of(CandidateTried)[0].state == "failed"  # type: ignore[attr-defined]
    assert report.state == "proven" and len(report.commits) == 2


def test_a_stronger_worker_is_asked_after_two_verdicts_against_a_task_and_the_choice_is_explained(
    repo: Path, git: Git
) -> None:
    world = World(repo, git)
    wrong = [BASE.replace("-", sign) for sign in ("*", "//", "%", "**", "|")]
    local, api = FakeWorker("local", *wrong), FakeWorker("api", GOOD)
    world.workers = [local, api]
    plan = Plan(summary="mend it", mode="all", planner="chat", tasks=(TASK,))
    world.planners = [LocalizerPlanner(), FakePlanner("chat", plan)]
    report = world.pursue()
    assert report.state == "proven" and (len(local.asked), len(api.asked)) == (2 + 2, 1)
    routed = [event for event in world.heard if isinstance(event, Routed)]
    assert [event.worker for event in routed[-3:]] == ["local", "local", "api"]
    assert routed[-1].reason == "2 verdicts on answers of local failed"
    assert [round(event.parts["errors"], 2) for event in routed[-3:]] == [0.0, 0.23, 0.47]
