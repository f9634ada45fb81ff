"""Who begins on a task: what is asked of the index for it, and what is said about it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from gitagent.choosing import Chooser
from gitagent.events import Escalated, Event, Routed
from gitagent.progress import Options
from gitagent.records import Action, MicroTask, Place, Plan, Span

OPTIONS = Options(run="r", base_branch="main")
TASK = MicroTask(
    id="t1", path="a.py", first_line=3, excerpt="x\ny\n", instruction="i", answer_tokens=9, symbol="A.f"
)


class Counting:
    """An index that knows how many files use what, and what it was asked."""

    def __init__(self, **used: int) -> None:
        self.used, self.asked = used, list[list[Span]]()

    def places(self, commit: str, text: str, *, most: int = 50) -> tuple[Place, ...]:
        return ()

    def repository_map(self, commit: str, text: str, *, budget_tokens: int, count: Callable[[str], int]) -> str:
        return ""

    def dependents(self, commit: str, spans: Sequence[Span]) -> tuple[int, ...]:
        assert commit == "base"
        self.asked.append(list(spans))
        return tuple(self.used.get(span.path.partition(".")[0], 0) for span in spans)


def plan(*tasks: MicroTask, mode: str = "all") -> Plan:
    return Plan(summary="s", mode=mode, tasks=tasks, planner="p")  # type: ignore[arg-type]


def test_what_many_files_use_begins_with_the_strongest_and_the_index_is_asked_once_for_a_plan() -> None:
    events: list[Event] = []
    index = Counting(a=63, b=1)
    chooser = Chooser(replace(OPTIONS, routing_threshold=0.3), events.append, base="base", index=index)
    other = replace(TASK, id="t2", path="b.py", symbol="", first_line=1)
    made = [replace(TASK, id=f"t{n}", path="n", action=kind) for n, kind in ((3, "add"), (4, "delete"))]  # type: ignore[arg-type]
    whole = plan(TASK, other, *made, mode="any")
    assert [chooser.first(["local", "api"], task, whole) for task in (TASK, other, made[0])] == [
        "api",
        "local",
        "local",
    ]
    assert index.asked == [
        [
            Span(path="a.py", name="A.f", first_line=3, last_line=4),
            Span(path="b.py", name="", first_line=1, last_line=2),
        ]
    ]
    first, second, third = (event for event in events if isinstance(event, Routed))
    assert (first.facts["dependents"], first.parts["dependents"]) == (63.0, 0.35)
    assert (second.facts["dependents"], third.facts["dependents"]) == (1.0, 0.0)
    assert [event.to for event in events if isinstance(event, Escalated)] == ["api"]


def test_every_kind_of_task_in_a_plan_counts_as_a_tool() -> None:
    events: list[Event] = []
    chooser = Chooser(OPTIONS, events.append, base="base")
    others = [replace(TASK, id=kind, path=kind, action=kind) for kind in ("add", "delete")]  # type: ignore[arg-type]
    chooser.first(["local"], TASK, plan(TASK, *others))
    chooser.first(["local"], TASK, plan(TASK, *others, mode="any"))
    whole, alone = (event for event in events if isinstance(event, Routed))
    assert (whole.facts["tools"], whole.parts["tools"], whole.facts["files"]) == (3.0, 0.125, 3.0)
    assert (alone.facts["tools"], alone.facts["files"]) == (1.0, 1.0)


def test_what_a_plan_renames_is_looked_up_under_its_old_path() -> None:
    index = Counting(a=3)
    chooser = Chooser(OPTIONS, lambda event: None, base="base", index=index)
    moved, move = replace(TASK, path="b.py"), replace(TASK, id="t0", action="rename", to="b.py")
    assert chooser.first(["local", "api"], moved, plan(move, moved)) == "local"
    assert [span.path for span in index.asked[0]] == ["a.py"]


@pytest.mark.parametrize(("stated", "asked"), [(0.9, ("api",)), (0.2, ("local", "api"))])
def test_a_cheap_model_is_passed_over_where_no_alternative_is_simple_enough(
    stated: float, asked: tuple[str, ...]
) -> None:
    chooser = Chooser(replace(OPTIONS, complexity=stated), lambda event: None, base="base")
    tasks = (TASK, replace(TASK, id="t2"))
    assert chooser.alternatives(["local", "api"], tasks, plan(*tasks, mode="any")) == asked


def test_what_costs_nothing_begins_whatever_the_complexity_and_the_index_is_not_asked() -> None:
    events: list[Event] = []
    index = Counting(a=63)
    chooser = Chooser(replace(OPTIONS, complexity=1.0), events.append, base="base", index=index)
    chooser.free("templates", [TASK], plan(TASK, mode="any"))
    (routed,) = events
    assert isinstance(routed, Routed)
    assert (routed.worker, routed.reason, index.asked) == ("templates", "it costs nothing and goes first", [])


def test_where_there_is_one_worker_nobody_is_asked_how_many_files_use_what() -> None:
    events: list[Event] = []
    index = Counting(a=63)
    assert Chooser(OPTIONS, events.append, base="base", index=index).first(["api"], TASK, plan(TASK)) == "api"
    (routed,) = events
    assert isinstance(routed, Routed) and (routed.reason, index.asked) == ("there is no other", [])


def test_what_names_no_task_at_all_begins_with_the_cheapest() -> None:
    actions: tuple[Action, ...] = ("rename", "delete")
    tasks = [replace(TASK, id=kind, action=kind) for kind in actions]
    chooser = Chooser(OPTIONS, lambda event: None, base="base", index=Counting(a=63))
    assert {chooser.first(["local", "api"], task, plan(*tasks)) for task in tasks} == {"local"}
    assert chooser.alternatives(["local", "api"], (), plan()) == ("local", "api")
