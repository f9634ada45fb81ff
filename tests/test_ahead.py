"""Independent tasks are asked about side by side, and committed as if they had not been."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitagent.ahead import AskedAhead
from gitagent.errors import DiffError, ModelError
from gitagent.events import Committed, Routed, TaskStarted
from gitagent.records import Candidate, MicroTask
from tests.fakes import FakeWorker
from tests.test_pipeline import GOOD, TASK, World, Writing, world

__all__ = ["world"]
Git = Callable[..., str]
TEXTS = {"calc.py": GOOD, "a.txt": "a\n", "b.txt": "b\n"}
A, B = (replace(TASK, id=name, path=f"{name}.txt", excerpt="", action="add") for name in ("a", "b"))


class Together(Writing):
    """Answers only once so many questions are waiting for it at the same time."""

    def __init__(self, number: int) -> None:
        super().__init__("api", TEXTS)
        self.met = threading.Barrier(number, timeout=30)

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        self.met.wait()
        yield from super().candidates(task, text, limit=limit)


def ahead(world: World, worker: FakeWorker, most: int = 4) -> AskedAhead:
    asked = AskedAhead(worker, most=most)
    world.workers, world.more = [asked], {"ahead": {"api": asked.ask}}
    return asked


def grouped(world: World, worker: FakeWorker) -> list[list[str]]:
    """The ids of the tasks that are asked about together, group by group."""
    groups: list[list[str]] = []
    asked = AskedAhead(worker, most=4)

    def ask(questions: list[tuple[MicroTask, str]]) -> None:
        groups.append([task.id for task, _ in questions])
        asked.ask(questions)

    world.workers, world.more = [asked], {"ahead": {"api": ask}}
    return groups


def test_tasks_that_do_not_touch_each_other_are_asked_about_at_once_and_committed_in_the_plans_order(
    world: World,
) -> None:
    worker = Together(3)
    ahead(world, worker)
    world.planners.append(world.planned(TASK, B, A))
    report = world.pursue()
    assert report.state == "proven" and len(worker.asked) == 3
    assert [event.task for event in world.of(Committed)] == ["t1", "b", "a"]  # type: ignore[attr-defined]
    assert [event.task for event in world.of(TaskStarted)] == ["t1", "b", "a"]  # type: ignore[attr-defined]
    assert [event.task for event in world.of(Routed)] == ["t1", "b", "a"]  # type: ignore[attr-defined]


def test_what_depends_on_another_or_is_about_the_same_file_is_asked_about_after_it(world: World) -> None:
    worker = Writing("api", TEXTS)
    groups = grouped(world, worker)
    world.planners.append(world.planned(TASK, A, replace(B, depends_on=("a",)), replace(A, id="c")))
    world.pursue()
    assert groups[0] == ["t1", "a"] and groups[1] == ["b", "c"]


def test_what_has_to_wait_does_not_hold_up_those_behind_it_and_nothing_is_asked_twice(world: World) -> None:
    names = [f"{letter}.txt" for letter in "cdefghijk"]
    worker = Writing("api", TEXTS | dict.fromkeys(names, "x\n"))
    groups = grouped(world, worker)
    many = [replace(A, id=name[0], path=name) for name in names]
    world.planners.append(world.planned(TASK, A, replace(B, depends_on=("a",)), *many))
    assert world.pursue().state == "proven"
    assert groups == [["t1", "a", "c", "d", "e", "f", "g", "h"], ["b", "i"], ["j", "k"]]
    assert len(worker.asked) == 12


def test_of_two_asked_at_once_one_that_fails_does_not_stop_the_other(world: World) -> None:
    class Half(Writing):
        def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
            if task.path == "a.txt":
                raise ModelError("refuses to speak of a.txt")
            yield from super().candidates(task, text, limit=limit)

    ahead(world, Half("api", TEXTS))
    world.planners.append(world.planned(A, TASK))
    report = world.pursue()
    assert [event.task for event in world.of(Committed)] == ["t1"]  # type: ignore[attr-defined]
    assert report.reason == "chat: refuses to speak of a.txt"


def test_another_question_than_was_asked_ahead_is_asked_anew(tmp_path: Path) -> None:
    worker = FakeWorker("api", "x = 1\n", "x = 2\n", DiffError("no diff"), "x = 4\n")
    asked = AskedAhead(worker, most=1)
    asked.ask([(TASK, ""), (A, "")])
    assert worker.asked == []  # one at a time is no side by side
    asked = AskedAhead(worker, most=2)
    asked.ask([(TASK, "")])
    assert worker.asked == []

    def text_of(task: MicroTask, limit: int = 1) -> list[str | None]:
        return [candidate.texts[task.path] for candidate in asked.candidates(task, "", limit=limit)]

    serial = AskedAhead(worker, most=2)
    serial.ask([(TASK, ""), (TASK, "")])
    assert len(worker.asked) == 2
    with pytest.raises(DiffError, match="no diff"):
        text_of(A)
    assert text_of(A, limit=2) == ["x = 4\n"]
    assert len(worker.asked) == 4
