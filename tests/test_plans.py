"""Plans as a queue: what is moved and deleted, what waits for what, and what a failure stops."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitagent.errors import ModelError, RequestError
from gitagent.events import Planned
from gitagent.records import Candidate, MicroTask, Plan
from tests.fakes import FakeWorker
from tests.test_pipeline import GOOD, TASK, World, Writing

Git = Callable[..., str]


@pytest.fixture
def world(repo: Path, git: Git) -> World:
    (repo / "old.sh").write_text("echo old\n")
    (repo / "old.sh").chmod(0o755)
    (repo / "dead.py").write_text("x = 1\n")
    return World(repo, git)


def gone(name: str, path: str, to: str = "", **more: object) -> MicroTask:
    action = "rename" if to else "delete"
    task = replace(TASK, id=name, path=path, excerpt="", action=action, to=to, answer_tokens=0)
    return replace(task, **more)  # type: ignore[arg-type]


class Only(FakeWorker):
    """Answers the tasks of some files, is out of reach for others, and says nothing usable of the rest."""

    def __init__(self, texts: dict[str, str], lost: tuple[str, ...] = ()) -> None:
        super().__init__("api")
        self.texts, self.lost = texts, lost

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        self.asked.append(task)
        if task.path in self.lost:
            raise ModelError(f"refuses to speak of {task.path}")
        answer = self.texts.get(task.path, text)  # the same text again is no change
        yield from FakeWorker("api", answer).candidates(task, text, limit=limit)


def test_a_new_file_a_rename_and_a_deletion_become_commits_with_the_files_mode(world: World) -> None:
    new = replace(TASK, id="t4", path="notes.txt", excerpt="", action="add", depends_on=("t3",))
    world.workers = [Writing("api", {"calc.py": GOOD, "notes.txt": "noted\n"})]
    world.planners.append(world.planned(TASK, gone("t2", "old.sh", "bin/new.sh"), gone("t3", "dead.py"), new))
    report = world.pursue()
    assert report.state == "proven" and len(report.commits) == 4
    shown = world.git(world.root, "log", "-3", "--format=%s", world.branches()[0]).split("\n")
    assert {"new: rename old.sh to bin/new.sh", "dead: delete dead.py"} < set(shown)
    tree = world.git(world.root, "ls-tree", "-r", world.branches()[0])
    assert "100755" in next(line for line in tree.split("\n") if line.endswith("bin/new.sh"))
    assert "dead.py" not in tree and "old.sh" not in tree.replace("bin/new.sh", "") and "notes.txt" in tree


def test_what_is_renamed_is_changed_at_its_new_path(world: World) -> None:
    moved = replace(TASK, id="t3", path="sums.py", excerpt="x = 1\n", depends_on=("t2",))
    world.workers = [Writing("api", {"calc.py": GOOD, "sums.py": "x = 2\n"})]
    world.planners.append(world.planned(TASK, gone("t2", "dead.py", "sums.py"), moved))
    assert world.pursue().state == "proven"
    assert world.git(world.root, "show", f"{world.branches()[0]}:sums.py") == "x = 2"


def test_what_something_is_in_the_way_of_is_left_out_with_what_depends_on_it(world: World) -> None:
    (world.root / "bin").mkdir()
    (world.root / "bin/a.sh").write_text("echo a\n")
    (world.root / "spare.py").write_text("y = 1\n")
    world.git(world.root, "add", ".")
    world.git(world.root, "commit", "--quiet", "-m", "bin")
    world.base = world.git(world.root, "rev-parse", "HEAD")
    onto_folder = gone("t2", "dead.py", "bin")
    clash, too_early = (
        replace(TASK, id=path, path=path, excerpt="", action="add") for path in ("CALC.py", "OLD.sh")
    )
    after = gone("t4", "old.sh", "new.sh", depends_on=("t2",))
    world.workers = [Writing("api", {"calc.py": GOOD, "OLD.sh": "x\n"})]
    taken = gone("t5", "spare.py", "calc.py")
    world.planners.append(world.planned(TASK, onto_folder, clash, too_early, after, taken))
    report = world.pursue()
    assert report.state == "proven" and len(report.commits) == 1 and report.pull is not None
    for line in ("bin is a folder, so nothing was put there", "CALC.py differs from calc.py in case alone",
                 "task OLD.sh in OLD.sh: OLD.sh: differs only in case from old.sh, which is there",
                 "task t4 in old.sh: it depends on t2, which came to nothing",
                 "task t5 in spare.py: calc.py exists"):  # fmt: skip
        assert line in report.pull.body


def test_a_failed_task_stops_only_what_depends_on_it(world: World) -> None:
    second = replace(TASK, id="t2", path="a.txt", excerpt="", depends_on=("t1",))
    third = replace(TASK, id="t3", path="b.txt", excerpt="", depends_on=("t2",))
    api = Only({"a.txt": "a\n", "b.txt": "b\n", "dead.py": "x = 2\n"})
    world.workers = [api]
    world.planners.append(world.planned(TASK, second, third, replace(TASK, id="t4", path="dead.py")))
    report = world.pursue()
    assert [task.path for task in api.asked if task.id in ("t2", "t3")] == []
    assert len(report.commits) == 1 and report.pull is not None
    for line in ("task t1 in calc.py", "task t2 in a.txt: it depends on t1", "task t3 in b.txt: it depends on t2"):
        assert line in report.pull.body


def test_a_model_that_refuses_one_task_is_asked_about_those_that_do_not_depend_on_it(world: World) -> None:
    world.workers = [Only({"calc.py": GOOD}, lost=("dead.py",))]
    world.planners.append(world.planned(replace(TASK, id="t0", path="dead.py"), TASK))
    report = world.pursue()
    assert len(report.commits) == 1 and report.reason == "chat: refuses to speak of dead.py"


def test_a_deletion_of_what_is_gone_already_and_of_what_judges_the_work_is_no_commit(world: World) -> None:
    (world.root / "test_calc.py").write_text("def test_add():\n    assert True\n")
    world.git(world.root, "add", ".")
    world.git(world.root, "commit", "--quiet", "-m", "test")
    world.base = world.git(world.root, "rev-parse", "HEAD")
    world.workers = [Writing("api", {"calc.py": GOOD})]
    world.planners.append(world.planned(TASK, gone("t2", "nowhere.py"), gone("t3", "test_calc.py")))
    report = world.pursue()
    assert len(report.commits) == 1
    assert report.pull is not None and "task t3 in test_calc.py" in report.pull.body


def test_nothing_is_written_of_a_plan_that_is_not_approved(world: World) -> None:
    asked: list[Plan] = []

    def refuse(plan: Plan) -> bool:
        asked.append(plan)
        return False

    api = FakeWorker("api", GOOD)
    world.workers, world.more = [api], {"approves": refuse}
    world.planners.append(world.planned())
    for planned, hint in ((False, "--out plan.toml"), (True, "edit the plan's file")):
        with pytest.raises(RequestError, match="the plan was not approved") as caught:
            world.pursue(planned=planned)
        assert hint in caught.value.hint
    assert api.asked == [] and len(asked) == 2 and world.branches() == []
    world.more = {"approves": lambda plan: True}
    assert world.pursue(run="r2").state == "proven"


def test_with_a_plan_of_their_own_people_get_no_search_before_it(world: World) -> None:
    templates, api = FakeWorker("templates", GOOD), FakeWorker("api", GOOD)
    world.workers = [templates, api]
    world.planners.append(world.planned())
    assert world.pursue(planned=True).state == "proven"
    assert templates.asked == [] and len(world.of(Planned)) == 1
