"""What was paid for is kept in the journal, and answered from there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_runs import GitRuns
from gitagent.errors import DiffError
from gitagent.events import Event, ModelReplied, Stream
from gitagent.records import Candidate, Coverage, Diff, Message, MicroTask, Spending
from gitagent.remembering import (
    CLOCK,
    JournaledSteps,
    RememberingModel,
    RememberingWorker,
    coverage_of,
    coverage_to,
)
from tests.fakes import FakeModel

TASK = MicroTask(id="t1", path="a.py", first_line=1, excerpt="caf\udce9\n", instruction="mend", answer_tokens=9)
DIFF = Diff(text="d", paths=("a.py",), added=1, removed=1)
SPENT = Spending(worker="local", calls=1, answer_tokens=3)


@pytest.fixture
def runs(repo: Path) -> GitRuns:
    return GitRuns(GitRepository(str(repo)))


def taken_up(runs: GitRuns) -> JournaledSteps:
    return JournaledSteps(runs, "r1", runs.load("r1"))


def test_a_reply_is_paid_for_once_and_another_question_is_another(runs: GitRuns) -> None:
    model = FakeModel(["one", "two"])
    first = RememberingModel(model, JournaledSteps(runs, "r1")).reply(
        [Message(role="user", content="?")], answer_tokens=9
    )
    again = RememberingModel(model, taken_up(runs))
    assert again.reply([Message(role="user", content="?")], answer_tokens=9) == first
    assert len(model.asked) == 1
    assert again.reply([Message(role="user", content="?")], answer_tokens=9, seed=1).text == "two"
    assert again.count([]) == model.count([]) and again.window == model.window


def test_what_may_wait_is_written_with_the_next_that_may_not(runs: GitRuns) -> None:
    steps = JournaledSteps(runs, "r1")
    steps.keep("trial", 1, answer="kept", soon=True)
    assert runs.ids() == () and steps.known("trial", 1) == "kept"
    steps.keep("reply", 2, answer=[1])
    known = taken_up(runs)
    assert (known.known("trial", 1), known.known("reply", 2), known.known("reply", 1)) == ("kept", [1], None)
    assert known.seconds > 0


def test_files_that_make_no_sense_are_as_if_they_were_not_there(runs: GitRuns) -> None:
    steps = JournaledSteps(runs, "r1")
    steps.keep("reply", 2, answer=1)
    files = dict.fromkeys(runs.load("r1"), "[" * 100_000)
    assert JournaledSteps(runs, "r1", files).known("reply", 2) is None
    assert JournaledSteps(runs, "r1", {CLOCK: '{"seconds": -5}'}).seconds == 0.0


class Local:
    """A worker that answers twice and then refuses."""

    name = "local"

    def __init__(self, stream: Stream) -> None:
        self.made, self._stream = 0, stream

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        for number in range(2):
            self.made += 1
            self._stream(ModelReplied(spending=SPENT))
            yield Candidate(
                task=task.id, worker="local", diff=DIFF, texts={"a.py": f"caf\udce9 {number}"}, spending=SPENT
            )
        raise DiffError("no more")


def test_candidates_come_back_with_what_they_cost_and_the_refusal_at_their_end(runs: GitRuns) -> None:
    told: list[Event] = []
    stream = Stream(told.append)
    local = Local(stream)

    def asked(worker: RememberingWorker) -> list[Candidate]:
        answers = worker.candidates(TASK, "text", limit=4)
        found = [next(answers), next(answers)]
        with pytest.raises(DiffError, match="no more"):
            next(answers)
        return found

    first = asked(RememberingWorker(local, JournaledSteps(runs, "r1"), stream))
    assert len(first) == local.made == len(told) == 2
    assert asked(RememberingWorker(local, taken_up(runs), stream)) == first
    assert local.made == 2 and told[2:] == told[:2]


def test_a_question_cut_short_between_two_candidates_goes_on_with_the_second(runs: GitRuns) -> None:
    stream = Stream()
    first = next(
        RememberingWorker(Local(stream), JournaledSteps(runs, "r1"), stream).candidates(TASK, "", limit=2)
    )
    both = list(RememberingWorker(Local(stream), taken_up(runs), stream).candidates(replace(TASK), "", limit=1))
    assert both[0] == first  # another limit is another question
    again = RememberingWorker(Local(stream), taken_up(runs), stream).candidates(TASK, "", limit=2)
    assert next(again) == first and next(again).texts == {"a.py": "caf\udce9 1"}


def test_coverage_is_the_same_after_json() -> None:
    one = Coverage(test="t", outcome="passed", lines={"a.py": frozenset({1, 3})})
    assert coverage_of(coverage_to([one])) == (one,)
