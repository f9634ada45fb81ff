"""A correction while a run is under way: who hears it, when, and that it is written down."""

import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_running import Running
from gitagent.adapters.git_runs import GitRuns
from gitagent.cli import main
from gitagent.errors import DiffError
from gitagent.events import Event, Noted, Steered
from gitagent.records import Limits, Note
from gitagent.remembering import JournaledSteps
from gitagent.steering import LONGEST, Steering
from tests.fakes import FakeWorker
from tests.test_pipeline import ALMOST, GOOD, TASK, World, world

__all__ = ["world"]
Git = Callable[..., str]


def test_a_correction_is_told_at_the_next_task_boundary_and_written_down(world: World) -> None:
    api = FakeWorker("api", ALMOST, GOOD)
    # Nothing is said before the first question; then something before the second.
    said = iter([[], ["add numbers, and\nonly numbers"]])
    world.workers, world.more = [api], {"steered": lambda: next(said, [])}
    world.planners.append(world.planned())
    assert world.pursue().state == "proven"
    first, second = api.asked
    assert first.state == ()
    (refused, corrected) = second.state
    assert corrected == Note(
        title="Said since by who asked for this", text="add numbers, and\nonly numbers", priority=1
    )
    assert (refused.title, refused.priority) == ("Refused last time", 2)
    (told,) = world.of(Steered)
    assert told == Steered(task="t1", text="add numbers, and\nonly numbers")
    assert '"steered"' in GitRuns(GitRepository(str(world.root))).load("r1")["events.jsonl"]


def test_what_comes_after_the_last_boundary_is_named_as_too_late(world: World) -> None:
    said = iter([[], ["use ints"]])
    world.workers, world.more = [FakeWorker("api", GOOD)], {"steered": lambda: next(said, [])}
    world.planners.append(world.planned())
    report = world.pursue()
    assert report.pull is not None and "a correction came too late: use ints" in report.pull.body


def test_a_correction_that_came_too_late_is_no_reason_why_nothing_came_of_a_run_and_is_said(world: World) -> None:
    said = iter([[], ["use ints"]])
    world.workers, world.more = [FakeWorker("api", DiffError("no hunk fits"))], {"steered": lambda: next(said, [])}
    world.planners.append(world.planned())
    report = world.pursue(limits=Limits(attempts=1))
    assert report.state == "nothing" and report.reason.startswith("task t1 in calc.py: no hunk fits; ")
    assert Noted(level="warning", text="a correction came too late: use ints") in world.heard


def test_a_run_that_is_taken_up_again_hears_its_corrections_where_it_heard_them_first(repo: Path) -> None:
    runs, heard = GitRuns(GitRepository(str(repo))), list[Event]()
    said = iter([[], ["be brief " + "x" * 2 * LONGEST]])
    first = Steering(lambda: next(said, []), heard.append, JournaledSteps(runs, "r1"))
    told = [first.corrected(TASK) for _ in range(3)]
    assert [task == TASK for task in told] == [True, False, False] and len(heard) == 1
    again = Steering(list, heard.append, JournaledSteps(runs, "r1", runs.load("r1")))
    assert [again.corrected(TASK) for _ in range(3)] == told
    assert [len(note.text) for note in told[1].state] == [LONGEST]


def test_another_process_hands_a_correction_to_a_live_run_and_to_no_other(repo: Path) -> None:
    repository = GitRepository(str(repo))
    running = Running(repository)
    GitRuns(repository).save("20260101-r1", {"run.json": "{}"}, "begun")

    def steer(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["steer", "20260101", *words, "--repo", str(repo)])
        return done.exit_code, done.output

    code, said = steer("too early")
    assert code == 2 and "is not under way" in said
    with running.held("20260101-r1", "gitagent/x"):
        assert steer("leave the", "API\x1b as it is")[0] == 0
        assert steer("and be brief")[0] == 0
        assert steer("x" * (LONGEST + 1))[0] == 2
        assert running.steered("20260101-r1") == ["leave the API as it is", "and be brief"]
        assert running.steered("20260101-r1") == []
        assert steer("never heard")[0] == 0
    assert not (Path(repository.common_directory) / "gitagent").exists()


def test_what_a_killed_run_never_heard_is_swept_away(repo: Path) -> None:
    repository = GitRepository(str(repo))
    folder = Path(repository.common_directory) / "gitagent"
    folder.mkdir()
    (folder / "steer-r1-00000000000000000001").write_text("gone")
    Running(repository).sweep()
    assert not folder.exists()


SCRIPT = """
import sys
from gitagent.cli.steer import Typed

typed = Typed()
typed.start()
print("ready", flush=True)
lines = []
while not lines:
    lines = typed.taken()
typed.close()
print("heard", lines, flush=True)
"""


def test_lines_typed_at_the_terminal_are_heard() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", SCRIPT])
    read = b""
    while b"ready" not in read:
        read += os.read(terminal, 1000)
    os.write(terminal, b"\n  be \xc3\xa9xact  \n")
    while b"']" not in read:
        read += os.read(terminal, 1000)
    os.waitpid(child, 0)
    os.close(terminal)
    assert "heard ['be \u00e9xact']".encode() in read


@pytest.mark.parametrize("end", ["closed", "no terminal"])
def test_listening_ends_with_its_terminal(end: str) -> None:
    from gitagent.cli.steer import Typed

    ours, theirs = os.pipe()
    typed = Typed(ours)
    os.write(theirs, b"words\n")
    if end == "closed":
        os.close(theirs)
    typed.start()
    typed.close()
    assert typed.taken() == []
    os.close(ours)
    if end != "closed":
        os.close(theirs)
