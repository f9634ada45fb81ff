"""Chooses the worker a task begins with, by complexity or by failed verdicts, and says why."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace

from gitagent.core import routing
from gitagent.core.texts import lines_of
from gitagent.events import Escalated, Routed
from gitagent.ports import Index, Listener
from gitagent.progress import Options
from gitagent.records import Candidate, MicroTask, Plan, Span, State


class Chooser:
    """Says who begins on a task; docs/models.md has the formula.

    `base` is the commit whose `index` tells how many files use what is to be changed.
    """

    def __init__(self, options: Options, listener: Listener, *, base: str, index: Index | None = None) -> None:
        self._options, self._listener = options, listener
        self._base, self._index = base, index
        self._failed: Counter[tuple[str, str]] = Counter()  # verdicts, by task and worker
        self._dependents: dict[Span, int] = {}

    def blame(self, tasks: Collection[str], answers: Sequence[Candidate]) -> None:
        """Hold a failed verdict against the workers whose answers to these tasks stand, the newest of each."""
        newest = {answer.task: answer.worker for answer in answers}
        self._failed.update((task, newest[task]) for task in tasks if task in newest)

    def alternatives(self, names: Sequence[str], tasks: Sequence[MicroTask], plan: Plan) -> tuple[str, ...]:
        """Who is asked about tasks of which one will do: from the cheapest on that one of them begins with."""
        firsts = {self.first(names, task, plan) for task in tasks}
        return tuple(names[min((names.index(first) for first in firsts), default=0) :])

    def free(self, worker: str, tasks: Sequence[MicroTask], plan: Plan) -> None:
        """Say that a worker that costs nothing begins, whatever the complexity; nobody's users are counted for that."""
        for task in tasks:
            self._explain(task, self._facts(task, plan, counted=False), worker, "it costs nothing and goes first")

    def first(self, names: Sequence[str], task: MicroTask, plan: Plan) -> str:
        """The worker to begin with, which may be up the line; `names` go from the cheapest to the strongest."""
        # With one worker there is nothing to choose, and an index is not read for nothing.
        facts = self._facts(task, plan, counted=len(names) > 1)
        score, threshold = routing.score(facts), self._options.routing_threshold
        first = routing.first_worker(names, score, threshold=threshold)
        reason = f"complexity {score:.2f} is under {threshold:g}: the cheapest begins"
        if len(names) == 1:
            reason = "there is no other"
        elif score >= threshold:
            reason = f"complexity {score:.2f} of {threshold:g}"
        while against := self._failed[task.id, first]:
            verdicts: list[State] = ["failed"] * against
            to = routing.next_worker(names, first, verdicts, patience=self._options.routing_patience)
            if to is None or to == first:
                break
            first, reason = to, f"{against} verdict{'s' if against > 1 else ''} on answers of {first} failed"
        self._explain(task, facts, first, reason)
        if first != names[0]:
            self._listener(Escalated(task=task.id, worker=names[0], to=first, reason=reason))
        return first

    def _facts(self, task: MicroTask, plan: Plan, *, counted: bool = True) -> routing.Facts:
        failed = sum(count for (about, _), count in self._failed.items() if about == task.id)
        facts = routing.facts_of(task, errors=failed, dependents=self._used(task, plan) if counted else 0)
        if plan.mode == "all":
            kinds = len({one.action for one in plan.tasks})
            facts = replace(facts, files=routing.facts_of(plan).files, tools=kinds)
        return replace(facts, stated=self._options.complexity)

    def _used(self, task: MicroTask, plan: Plan) -> int:
        """How many files use what a task changes; the index is asked once for all tasks of a plan."""
        if self._index is None or task.action != "change":
            return 0
        if _span(task, plan) not in self._dependents:
            asked = [_span(one, plan) for one in (task, *plan.tasks) if one.action == "change"]
            asked = [span for span in dict.fromkeys(asked) if span not in self._dependents]
            self._dependents |= zip(asked, self._index.dependents(self._base, asked), strict=True)
        return self._dependents[_span(task, plan)]

    def _explain(self, task: MicroTask, facts: routing.Facts, worker: str, reason: str) -> None:
        self._listener(
            Routed(
                task=task.id,
                score=round(routing.score(facts), 4),
                threshold=self._options.routing_threshold,
                facts={name: float(value) for name, value in asdict(facts).items()},
                parts={name: round(part, 4) for name, part in routing.parts(facts).items()},
                worker=worker,
                reason=reason,
            )
        )


def _span(task: MicroTask, plan: Plan) -> Span:
    """The stretch of base a task is about; what the plan renames is looked up under its old path."""
    path = next((one.path for one in plan.tasks if one.to == task.path), task.path)
    last = task.first_line + max(len(lines_of(task.excerpt)), 1) - 1
    return Span(path=path, name=task.symbol, first_line=task.first_line, last_line=last)
