"""A refused reply goes back to the model with the reason and the excerpt, so often and no more."""

from collections.abc import Sequence

import pytest

from gitagent.errors import ModelError
from gitagent.events import Escalated, Event, ReplyRefused, Stream, TaskStarted
from gitagent.records import Candidate, Limits, MicroTask, Plan
from gitagent.searching import Budget, Search
from gitagent.workers import ModelWorker
from tests.fakes import FakeModel
from tests.proofs import command_of, run_of, workspace

SHELF = """\
def total(items):
    result = 0
    for item in items[1:]:
        result += item
    return result


def product(items):
    result = 1
    for item in items:
        result *= item
    return result
"""
FILES = {
    "shelf.py": SHELF,
    "test_shelf.py": "from shelf import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
}
NAMES = "--- a/shelf.py\n+++ b/shelf.py\n"
STALE = NAMES + "@@ -3 +3 @@\n-    for item in items[2:]:\n+    for item in items:\n"
TWICE = NAMES + "@@\n     return result\n+    # done\n"
RIGHT = NAMES + "@@ -3 +3 @@\n-    for item in items[1:]:\n+    for item in items:\n"


def a_task(name: str) -> MicroTask:
    return MicroTask(
        id=name, path="shelf.py", first_line=1, excerpt=SHELF, instruction="Count every item.", answer_tokens=300
    )


def searched(
    model: FakeModel, *, attempts: int = 3, tasks: Sequence[str] = ("t1",), wanted: int = 1
) -> tuple[list[Candidate], list[Event]]:
    """The survivors of a search with this model alone, and every event of it."""
    events = list[Event]()
    stream = Stream(events.append)
    red = [result for result in run_of(FILES).results if result.outcome == "failed"]
    assert len(red) == 1
    with workspace(FILES) as opened:
        search = Search(
            workspace=opened,
            command=command_of(FILES),
            red=red,
            read=FILES.get,
            budget=Budget(Limits(attempts=attempts)),
            stream=stream,
            wanted={"local": wanted},
            timeout_seconds=60,
        )
        plan = Plan(summary="", planner="test", tasks=tuple(map(a_task, tasks)), mode="any")
        return list(search.model(ModelWorker(model, stream, name="local"), plan)), events


def test_a_refused_reply_is_asked_again_with_the_reason_and_the_excerpt_until_it_fits() -> None:
    model = FakeModel([STALE, TWICE, RIGHT])
    survivors, events = searched(model)
    assert survivors[0].texts == {"shelf.py": SHELF.replace("[1:]", "")}
    first, second, third = (question.text for question in model.asked[:3])
    assert "Refused last time" not in first
    assert 'hunk 1 removes "for item in items[2:]:", but no such line is in the file' in second
    assert 'The nearest is line 3: "for item in items[1:]:"' in second
    assert "fits at line 5 (" in third
    assert "and at line 12 (" in third
    assert third.index("Refused before that: ") < third.index("Refused last time: ")
    for question in (first, second, third):
        assert "for item in items[1:]:\n" in question
        assert "Count every item." in question
    refused = [event.reason for event in events if isinstance(event, ReplyRefused)]
    assert [reason in question for reason, question in zip(refused, (second, third), strict=True)] == [True, True]
    assert len({(question.text, question.temperature, question.seed) for question in model.asked[:3]}) == 3


@pytest.mark.parametrize("attempts", [1, 3])
def test_after_so_many_refusals_the_next_task_is_asked_about(attempts: int) -> None:
    model = FakeModel([STALE])
    survivors, events = searched(model, attempts=attempts, tasks=("t1", "t2"))
    assert survivors == []
    started = [(event.task, event.attempt) for event in events if isinstance(event, TaskStarted)]
    assert started == [(name, number + 1) for name in ("t1", "t2") for number in range(attempts)]
    assert len(model.asked) == 2 * attempts
    # The very same reason again is not asked about in the very same way.
    assert len({(question.text, question.seed) for question in model.asked[:attempts]}) == attempts


def test_a_refused_later_candidate_gives_way_to_the_next_without_ending_the_attempt() -> None:
    wrong = RIGHT.replace("+    for item in items:", "+    for item in items[:1]:")
    model = FakeModel([wrong, STALE, RIGHT])
    survivors, events = searched(model, attempts=1, wanted=3)
    assert [survivor.texts["shelf.py"] for survivor in survivors] == [SHELF.replace("[1:]", "")]
    assert len(model.asked) == 3
    assert not [event for event in events if isinstance(event, ReplyRefused)]


def test_a_worker_that_was_refused_so_often_hands_over_to_the_next_with_the_reason() -> None:
    events = list[Event]()
    stream = Stream(events.append)
    local, api = FakeModel([STALE]), FakeModel([RIGHT])
    with workspace(FILES) as opened:
        search = Search(
            workspace=opened,
            command=command_of(FILES),
            red=(),
            read=FILES.get,
            budget=Budget(Limits(attempts=2)),
            stream=stream,
            wanted={},
            timeout_seconds=60,
        )
        workers = [ModelWorker(local, stream, name="local"), ModelWorker(api, stream, name="api")]
        chosen, _ = search.best(a_task("t1"), workers)
        assert chosen is not None
        assert chosen.worker == "api"
        assert (len(local.asked), len(api.asked)) == (2, 1)
        (handed,) = [event for event in events if isinstance(event, Escalated)]
        assert 'hunk 1 removes "for item in items[2:]:"' in handed.reason
        assert handed.reason in api.asked[0].text

        unreachable = ModelWorker(FakeModel([ModelError("out of reach")]), stream, name="api")
        with pytest.raises(ModelError, match="out of reach"):
            search.best(a_task("t2"), [ModelWorker(local, stream, name="local"), unreachable])


def test_a_cheaper_worker_stands_in_for_the_strongest_that_is_out_of_reach() -> None:
    events = list[Event]()
    stream = Stream(events.append)
    local, api = FakeModel([RIGHT]), FakeModel([ModelError("out of reach")])
    with workspace(FILES) as opened:
        search = Search(workspace=opened, command=command_of(FILES), red=(), read=FILES.get, stream=stream,
                        budget=Budget(Limits(attempts=3)), wanted={}, timeout_seconds=60)  # fmt: skip
        workers = [ModelWorker(local, stream, name="local"), ModelWorker(api, stream, name="api")]
        chosen, _ = search.best(a_task("t1"), workers, "api")
        assert chosen is not None and chosen.worker == "local"
        assert [(event.worker, event.to) for event in events if isinstance(event, Escalated)] == [("api", "local")]
        assert (len(api.asked), len(local.asked)) == (1, 1)


def test_an_answer_that_leaves_no_python_is_refused_and_told() -> None:
    events = list[Event]()
    stream = Stream(events.append)
    broken = NAMES + "@@ -3 +3 @@\n-    for item in items[1:]:\n+    for item in items[1:\n"
    local, api = FakeModel([broken]), FakeModel([RIGHT])
    with workspace(FILES) as opened:
        search = Search(workspace=opened, command=command_of(FILES), red=(), read=FILES.get, stream=stream,
                        budget=Budget(Limits(attempts=3)), wanted={}, timeout_seconds=60)  # fmt: skip
        workers = [ModelWorker(local, stream, name="local"), ModelWorker(api, stream, name="api")]
        chosen, _ = search.best(a_task("t1"), workers)
        assert chosen is not None and chosen.worker == "api"
        assert len(local.asked) == 2  # twice is the patience with a worker while there is another
        assert "shelf.py would be no Python any more" in api.asked[0].text
