"""Which worker is asked: the cheapest that may succeed, and a stronger one only when the tests say so.

The complexity score is 1 minus the product of what each fact leaves of simplicity:

    score = 1 - (1 - 0.6 f)(1 - 0.4 s)(1 - 0.35 d)(1 - 0.25 t)(1 - 0.7 e)(1 - c)

    f = min((files - 1) / 4, 1)                files to change
    s = min(span_lines / 200, 1)               lines of the stretches to change
    d = min(log2(1 + dependents) / 6, 1)       files that use what is changed, 63 is full
    t = min((tools - 1) / 4, 1)                kinds of tools it takes: changing, adding, deleting, renaming files
    e = min(errors / 3, 1)                     verdicts that failed on the work so far
    c = stated                                 complexity that the command's file states, 0 to 1

No fact can make it more than 1, none can hide another, and each one alone only raises it.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gitagent.core.texts import lines_of
from gitagent.records import MicroTask, Plan, State, Verdict

THRESHOLD = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the score is made of; see the module's first lines."""

    files: int = 1
    span_lines: int = 0
    dependents: int = 0
    tools: int = 1
    errors: int = 0
    stated: float = 0.0


def parts(facts: Facts) -> dict[str, float]:
    """What each fact takes of simplicity, 0 to 1, by the fact's name."""
    return {
        "files": 0.60 * _share((facts.files - 1) / 4),
        "span_lines": 0.40 * _share(facts.span_lines / 200),
        "dependents": 0.35 * _share(math.log2(1 + max(facts.dependents, 0)) / 6),
        "tools": 0.25 * _share((facts.tools - 1) / 4),
        "errors": 0.70 * _share(facts.errors / 3),
        "stated": _share(facts.stated),
    }


def score(facts: Facts) -> float:
    """How complex the work is, from 0 (one line of one file) to 1."""
    return 1 - math.prod(1 - part for part in parts(facts).values())


def facts_of(work: Plan | MicroTask, *, dependents: int = 0, tools: int = 1, errors: int = 0) -> Facts:
    """The facts of a plan or a task. Alternatives (mode "any") count as the largest of them."""
    tasks = (work,) if isinstance(work, MicroTask) else work.tasks
    spans = [len(lines_of(task.excerpt)) for task in tasks] or [0]
    apart = isinstance(work, Plan) and work.mode == "any"
    return Facts(
        files=1 if apart else len({task.path for task in tasks}),
        span_lines=max(spans) if apart else sum(spans),
        dependents=dependents,
        tools=tools,
        errors=errors,
    )


def first_worker(workers: Sequence[str], complexity: float, *, threshold: float = THRESHOLD) -> str:
    """Who is asked first: the cheapest, or the strongest for work at or over the threshold.

    `workers` go from the cheapest to the strongest.
    """
    return workers[-1] if complexity >= threshold else workers[0]


def next_worker(
    workers: Sequence[str],
    current: str,
    verdicts: Sequence[State | Verdict],
    *,
    down: Collection[str] = (),
    patience: int = 1,
) -> str | None:
    """Who is asked next after these verdicts on the current worker's candidates, oldest first; None to stop.

    A verdict that passed ends the work. The current worker goes on until `patience` of its candidates failed;
    verdicts that could not tell are no evidence against it, but three of them move on too, so that work ends.
    A worker that is `down` is passed over; where the current one is down and none stronger is left, the strongest
    cheaper one stands in for it.
    """
    states = [verdict if isinstance(verdict, str) else verdict.state for verdict in verdicts]
    if "passed" in states:
        return None
    failed, unclear = states.count("failed"), states.count("inconclusive")
    if current not in down and failed < patience and unclear < 3:
        return current
    place = workers.index(current)
    stronger = [worker for worker in workers[place + 1 :] if worker not in down]
    if stronger:
        return stronger[0]
    cheaper = [worker for worker in workers[:place] if worker not in down]
    return cheaper[-1] if current in down and cheaper else None


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)
