"""Which task comes next, and what an attempt is told of the one before."""

import graphlib
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gitagent.core.secrets import redacted
from gitagent.records import Findings, MicroTask, Verdict

# More of a reason is not kept; how much of it a worker is told is a matter of tokens.
TOLD_CHARACTERS = 4_000


def again(task: MicroTask, tried: Sequence[str], number: int) -> MicroTask:
    """The task for the `number`-th attempt (from 0), each with an attempt of its own, so that each is asked anew.

    `tried` says of every attempt before, oldest first, what was wrong with it.
    """
    asked = task
    for reason in tried:
        asked = asked.retried_after(reason)
    return replace(asked, attempt=task.attempt + max(number, 1))


def in_order(tasks: Sequence[MicroTask]) -> Iterator[MicroTask]:
    """Each task after what it depends on; of the ready ones, the lowest priority number first."""
    by_id = {task.id: task for task in tasks}
    order = {task.id: (task.priority, position) for position, task in enumerate(tasks)}
    sorter = graphlib.TopologicalSorter(
        {task.id: [need for need in task.depends_on if need in by_id] for task in tasks}
    )
    sorter.prepare()
    ready: list[tuple[tuple[int, int], str]] = []
    while sorter.is_active():
        for one in sorter.get_ready():
            heapq.heappush(ready, (order[one], one))
        _, name = heapq.heappop(ready)
        yield by_id[name]
        sorter.done(name)


def refreshed(task: MicroTask, text: str | None) -> MicroTask:
    """The task on its file's newest text: its excerpt found again, else the whole file."""
    if text is None or not task.excerpt:
        return task if text is None else replace(task, first_line=1, excerpt=text)
    if text.count(task.excerpt) == 1:
        return replace(task, first_line=text.count("\n", 0, text.index(task.excerpt)) + 1)
    return replace(task, first_line=1, excerpt=text)


def failures(verdict: Verdict) -> str:
    """What a failed verdict tells the next attempt, in a few lines."""
    wrong = set(verdict.fail_to_fail) | set(verdict.pass_to_fail)
    told = [f"{result.id}\n{result.message}" for result in verdict.tip.results if result.id in wrong]
    return short("the tests still fail: " + ("\n".join(told) or verdict.reason))


def named(tasks: Sequence[MicroTask], told: str) -> tuple[MicroTask, ...]:
    """The tasks whose file a failure names, all of them if it names none."""
    return tuple(task for task in tasks if task.path in told) or tuple(tasks)


def is_pointed(findings: Findings) -> bool:
    """Whether the evidence points at one or two files firmly enough to ask a model about them at once."""
    if not findings.suspects or findings.suspects[0].score < 0.5:
        return False
    top = findings.suspects[0].score
    return len({suspect.path for suspect in findings.suspects if suspect.score > 0.9 * top}) <= 2


def short(text: str, most: int = TOLD_CHARACTERS) -> str:
    """The text, or its beginning and end; credentials are taken out before a cut, since half of one is not seen."""
    if len(text) > most:
        text = redacted(text)
    return text if len(text) <= most else f"{text[: most // 3]}\n[…]\n{text[-(most * 2 // 3) :]}"
