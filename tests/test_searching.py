"""Candidates, tests and a budget over both, with workers and workspaces in memory."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent import searching
from gitagent.core.microtasks import TooLargeError
from gitagent.core.testing import WHOLE_SUITE
from gitagent.errors import DiffError, ModelError
from gitagent.events import CandidateProposed, CandidateTried, Event, ModelReplied, Noted, Stream
from gitagent.records import (
    Candidate,
    Limits,
    MicroTask,
    Plan,
    Spending,
    TestCommand,
    TestResult,
)
from tests.fakes import FakeWorker, FakeWorkspace

COMMAND = TestCommand(runner="custom", argv=("check",), select=None, reader="exit")
BASE = "one\ntwo\nthree\n"
TASK = MicroTask(id="t1", path="a.txt", first_line=1, excerpt=BASE, instruction="mend", answer_tokens=64)
PLAN = Plan(summary="s", mode="any", tasks=(TASK,), planner="localizer")


class Trying:
    """A search in which a text passes that holds GOOD."""

    def __init__(self, *, limits: Limits | None = None, wanted: int = 3, red: bool = True) -> None:
        self.heard: list[Event] = []
        self.budget = searching.Budget(limits or Limits())
        self.workspace = FakeWorkspace({"a.txt": BASE}, lambda texts: "GOOD" in texts["a.txt"])
        self.search = searching.Search(
            workspace=self.workspace,
            command=COMMAND,
            red=[TestResult(id=WHOLE_SUITE, outcome="failed")] if red else [],
            read={"a.txt": BASE}.get,
            budget=self.budget,
            stream=Stream(self.heard.append, self.budget.heard),
            wanted={"local": wanted, "api": wanted},
            timeout_seconds=9,
        )

    def templates(self, *answers: str, limit: int = 100) -> list[Candidate]:
        return list(self.search.templates(FakeWorker("templates", *answers), PLAN, limit))

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.heard if isinstance(event, kind)]


def test_a_survivor_of_one_changed_line_is_handed_over_before_the_rest_is_tried() -> None:
    trying = Trying()
    worker = FakeWorker("templates", "bad\n" + BASE, BASE.replace("two", "GOOD"), BASE.replace("one", "GOOD"))
    survivor = next(trying.search.templates(worker, PLAN, 100))
    assert survivor.pattern == "answer 2" and len(trying.of(CandidateTried)) == 2


def test_of_larger_survivors_the_smallest_comes_first() -> None:
    large, small = "GOOD\n1\n2\n3\n" + BASE, "GOOD\n1\n2\n" + BASE
    assert [one.texts["a.txt"] for one in Trying().templates(large, small)] == [small, large]


def test_the_same_resulting_text_is_tried_once() -> None:
    trying = Trying()
    trying.templates("bad\n" + BASE, "bad\n" + BASE, "worse\n" + BASE)
    assert len(trying.of(CandidateProposed)) == len(trying.of(CandidateTried)) == 2
    assert trying.workspace.texts == {"a.txt": BASE}


def test_the_limit_of_candidates_stops_proposals_and_what_was_proposed_is_tried() -> None:
    trying = Trying(limits=Limits(candidates=3))
    with pytest.raises(searching.OutOfBudget, match=r"the limit run\.candidates = 3 was reached"):
        trying.templates(*[f"{n}\n{BASE}" for n in range(9)])
    assert len(trying.of(CandidateProposed)) == len(trying.of(CandidateTried)) == 3


def test_a_diff_over_the_limit_of_lines_is_refused_and_the_model_is_told_so() -> None:
    trying = Trying(limits=Limits(diff_lines=3))
    worker = FakeWorker("local", "1\n2\n3\n4\n" + BASE, "GOOD\n" + BASE)
    chosen, said = trying.search.best(TASK, [worker])
    assert chosen is not None and chosen.texts["a.txt"].startswith("GOOD") and said.startswith("passed")
    assert "the diff changes 4 lines, at most 3 are allowed" in worker.asked[1].state[-1].text
    assert [task.attempt for task in worker.asked] == [1, 2]


def test_a_model_is_told_why_it_was_refused_and_what_the_tests_say() -> None:
    trying = Trying()
    worker = FakeWorker("local", DiffError("no hunk fits"), "bad\n" + BASE, "GOOD\n" + BASE)
    survivor = next(iter(trying.search.model(worker, PLAN)))
    assert survivor.texts["a.txt"] == "GOOD\n" + BASE
    assert worker.asked[1].state[-1].text.startswith("no hunk fits")
    assert "the change applies, but the tests still fail" in worker.asked[2].state[-1].text
    assert [note.title for note in worker.asked[2].state] == ["Refused before that", "Refused last time"]


def test_a_survivor_the_whole_suite_refused_is_told_and_asked_again() -> None:
    worker = FakeWorker("local", "GOOD\n" + BASE, "GOOD 2\n" + BASE)
    survivors = list(Trying(limits=Limits(attempts=2)).search.model(worker, PLAN))
    assert len(survivors) == 2 and "others that passed before now fail" in worker.asked[1].state[-1].text


def test_the_next_worker_is_asked_only_after_the_one_before_gave_nothing_usable_so_often() -> None:
    trying = Trying(limits=Limits(attempts=2))
    local, api = FakeWorker("local", DiffError("no")), FakeWorker("api", "GOOD\n" + BASE)
    chosen, _ = trying.search.best(TASK, [local, api])
    assert chosen is not None and chosen.worker == "api"
    assert (len(local.asked), len(api.asked)) == (2, 1) and api.asked[0].state[-1].text.startswith("no")


def test_a_worker_out_of_reach_is_passed_over_and_told_only_if_no_other_helps() -> None:
    gone = FakeWorker("local", ModelError("nobody answers"))
    chosen, _ = Trying().search.best(TASK, [gone, FakeWorker("api", "GOOD\n" + BASE)])
    assert chosen is not None and len(gone.asked) == 1
    with pytest.raises(ModelError, match="nobody answers"):
        Trying().search.best(
            TASK, [FakeWorker("local", DiffError("no")), FakeWorker("api", ModelError("nobody answers"))]
        )
    assert Trying().search.best(TASK, []) == (None, "no worker is set up")
    assert Trying().search.best(TASK, [FakeWorker("api", DiffError("no"))]) == (None, "no")


class Narrow(FakeWorker):
    """A worker into whose window no more than two lines go."""

    def candidates(self, task: MicroTask, text: str, *, limit: int):  # type: ignore[no-untyped-def]
        if task.excerpt.count("\n") > 2:
            raise TooLargeError(f"{task.path}: too large")
        return super().candidates(task, text, limit=limit)


def test_a_task_too_large_for_a_window_is_split_until_its_parts_fit() -> None:
    trying = Trying()
    worker = Narrow("local", "bad\n" + BASE, "GOOD\n" + BASE)
    long = replace(TASK, excerpt="".join(f"line {n}\n" for n in range(8)))
    chosen, _ = trying.search.best(long, [worker])
    assert chosen is not None and chosen.texts["a.txt"].startswith(("bad", "GOOD"))
    assert all(task.excerpt.count("\n") <= 2 for task in worker.asked)
    assert any("split into" in event.text for event in trying.of(Noted))  # type: ignore[attr-defined]
    with pytest.raises(TooLargeError):
        Trying().search.best(replace(TASK, excerpt="endless " * 99), [Never("local", "x")])


class Never(FakeWorker):
    """A worker for which everything is too large."""

    def candidates(self, task: MicroTask, text: str, *, limit: int):  # type: ignore[no-untyped-def]
        raise TooLargeError(f"{task.path}: too large")


def test_without_red_tests_an_answer_is_taken_untried() -> None:
    trying = Trying(red=False)
    chosen, said = trying.search.best(TASK, [FakeWorker("api", "x\n" + BASE)])
    assert chosen is not None and said == "inconclusive (0 of 0 red tests pass)"
    assert trying.workspace.judged == []


def test_what_was_accepted_is_part_of_the_tree_for_the_next_task() -> None:
    trying = Trying()
    chosen, _ = trying.search.best(TASK, [FakeWorker("api", "bad\n" + BASE)])
    assert chosen is not None
    trying.search.accept(chosen)
    assert trying.workspace.texts == {"a.txt": "bad\n" + BASE}


# -- the budget ------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1), st.booleans()), max_size=12), st.integers(1, 200))
def test_a_budget_ends_exactly_when_a_limit_is_reached(spent: list[tuple[int, float, bool]], tokens: int) -> None:
    budget = searching.Budget(Limits(tokens=tokens, dollars=2.0, candidates=5))
    proposed = CandidateProposed(number=1, task="t", worker="w", path="p", pattern="", diff="")
    for count, dollars, candidate in spent:
        budget.heard(ModelReplied(spending=Spending(worker="api", calls=1, answer_tokens=count, dollars=dollars)))
        if candidate:
            budget.heard(proposed)
    total = sum(count for count, _, _ in spent)
    paid = sum(spending.dollars for spending in budget.ledger)
    over = total >= tokens or paid >= 2.0 or sum(candidate for _, _, candidate in spent) >= 5
    with pytest.raises(searching.OutOfBudget, match=r"the limit run\.") if over else contextlib.nullcontext():
        budget.check()
    assert sum(spending.calls for spending in budget.ledger) == len(spent)


def test_no_time_left_is_a_limit_too_and_caps_what_is_still_begun() -> None:
    budget = searching.Budget(Limits(minutes=0))
    assert budget.cap(300) == 1.0
    with pytest.raises(searching.OutOfBudget, match=r"run\.minutes = 0"):
        budget.check()
    assert searching.Budget(Limits(minutes=1, dollars=0)).cap(300) <= 60


# -- plain functions -------------------------------------------------------------------------------------
