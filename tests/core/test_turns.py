"""Which task comes next, and what an attempt is told of the one before."""

import string
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core import turns
from gitagent.records import Findings, MicroTask, Suspect, TestResult, TestRun, Verdict

BASE = "one\ntwo\nthree\n"
TASK = MicroTask(id="t1", path="a.txt", first_line=1, excerpt=BASE, instruction="mend", answer_tokens=64)


@st.composite
def acyclic(draw: st.DrawFn) -> tuple[MicroTask, ...]:
    count = draw(st.integers(1, 8))
    tasks = []
    for number in range(count):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        priority = draw(st.integers(1, 9))
        tasks.append(
            replace(TASK, id=f"t{number}", depends_on=tuple(f"t{need}" for need in needs), priority=priority)
        )
    return tuple(draw(st.permutations(tasks)))


@given(acyclic())
@settings(max_examples=60)
def test_tasks_come_after_what_they_need_and_else_by_priority(tasks: tuple[MicroTask, ...]) -> None:
    ordered = list(turns.in_order(tasks))
    assert sorted(task.id for task in ordered) == sorted(task.id for task in tasks)
    done: set[str] = set()
    for place, task in enumerate(ordered):
        assert done.issuperset(task.depends_on)
        ready = [other for other in ordered[place:] if done.issuperset(other.depends_on)]
        assert task.priority == min(other.priority for other in ready)
        done.add(task.id)


def test_a_task_that_needs_one_that_was_left_out_is_done_all_the_same() -> None:
    assert next(turns.in_order([replace(TASK, depends_on=("gone",))])).id == "t1"


@given(st.text(string.ascii_letters + "\n", max_size=40))
def test_a_refreshed_task_shows_lines_that_are_there(before: str) -> None:
    task = replace(TASK, excerpt="two\nthree\n", first_line=2)
    text = before + "\n" + BASE
    fresh = turns.refreshed(task, text)
    lines = text.split("\n")
    assert "\n".join(lines[fresh.first_line - 1 :]).startswith(fresh.excerpt)


def test_a_task_whose_lines_are_gone_gets_its_whole_file_and_a_new_file_stays_new() -> None:
    assert turns.refreshed(TASK, "other\n").excerpt == "other\n"
    new = replace(TASK, excerpt="")
    assert turns.refreshed(new, None) == new
    assert turns.refreshed(new, "made since\n").excerpt == "made since\n"


def failed(*messages: tuple[str, str]) -> Verdict:
    results = tuple(TestResult(id=name, outcome="failed", message=said) for name, said in messages)
    run = TestRun(tree="t", sandbox="s", argv=(), state="failed", results=results, exit_code=1, seconds=0)
    return Verdict(
        state="failed", reason="2 failed", base=run, tip=run, fail_to_fail=tuple(n for n, _ in messages)
    )


def test_a_failed_verdict_tells_tests_and_messages_and_names_the_tasks_to_redo() -> None:
    told = turns.failures(failed(("test_a", "a.txt:3: wrong")))
    assert told == "the tests still fail: test_a\na.txt:3: wrong"
    other = replace(TASK, id="t2", path="b.txt")
    assert turns.named((TASK, other), told) == (TASK,)
    assert turns.named((TASK, other), "nothing known") == (TASK, other)
    assert len(turns.failures(failed(("test_a", "x" * 9000)))) < 4100


@pytest.mark.parametrize(
    ("suspects", "pointed"),
    [
        ((), False),
        ((("a", 0.9), ("b", 0.2)), True),
        ((("a", 0.9), ("b", 0.89), ("c", 0.88)), False),
        ((("a", 0.4),), False),
    ],
)
def test_evidence_is_pointed_if_it_is_firm_and_names_one_or_two_files(
    suspects: Sequence[tuple[str, float]], pointed: bool
) -> None:
    found = tuple(Suspect(path=path, line=1, score=score, reason="") for path, score in suspects)
    assert turns.is_pointed(Findings(suspects=found)) == pointed
