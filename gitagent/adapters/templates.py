"""The worker that needs no model: repair patterns on the suspicious lines."""

import math
import platform
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from gitagent import __version__
from gitagent.core import diffs
from gitagent.core.templates import Repair, repairs
from gitagent.errors import ModelError
from gitagent.records import Candidate, Diff, MicroTask, Spending

_HUNK = re.compile(r"^@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@", re.MULTILINE)
_CONTEXT = 3
_JUDGED = 64
_BEFORE_CHARACTERS = 1_500
_AFTER_CHARACTERS = 300
_DOUBT = 0.2  # how much each nat by which the new lines are less likely than the old ones tells against them

Judge = Callable[[str, Sequence[str]], Sequence[float]]
"""The log-probabilities of texts after a beginning, as a model that is at hand sees them."""
BUILD = f"gitagent {__version__}, Python {platform.python_version()}"


class TemplatesWorker:
    """Proposes pattern edits inside the task's excerpt. Files that are no Python in UTF-8 get none."""

    name = "templates"

    def __init__(self, *, natural: bool = True, judge: Judge | None = None) -> None:
        """With a `judge` the best candidates of a task are put in another order: those it finds likely first."""
        self._natural, self._judge = natural, judge

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        """At most `limit` candidates, best first, lazily. The task's notes are read for hints."""
        if not task.path.endswith((".py", ".pyi", ".pyw")) or not task.excerpt.strip():
            return
        last_line = task.first_line + len(diffs.lines_of(task.excerpt)) - 1
        suspects = [suspect for suspect in task.suspects if suspect.path == task.path]
        hints = [note.text for note in task.notes]
        old = diffs.lines_of(text)
        found = repairs(
            text,
            suspects,
            first_line=task.first_line,
            last_line=last_line,
            hints=hints,
            natural=self._natural,
        )
        if self._judge is not None:
            found = _judged(self._judge, old, found)
        for repair in islice(found, max(limit, 0)):
            yield Candidate(
                task=task.id,
                worker=self.name,
                diff=_diff(task.path, old, repair.text),
                texts={task.path: repair.text},
                score=repair.score,
                pattern=f"{repair.pattern} (line {repair.line})",
                spending=Spending(worker=self.name),
                build=BUILD,
            )


def _diff(path: str, old: list[str], new_text: str) -> Diff:
    """The diff of one file, compared only where the texts differ: most of a file is the same on both sides."""
    new = diffs.lines_of(new_text)
    same, tail = _alike(old, new)
    start = max(same - _CONTEXT, 0)
    keep = max(tail - _CONTEXT, 0)
    diff = diffs.between({path: ("".join(old[start : len(old) - keep]), "".join(new[start : len(new) - keep]))})

    def shifted(header: re.Match[str]) -> str:
        source, target = int(header[1]) + start, int(header[3]) + start
        return f"@@ -{source}{header[2] or ''} +{target}{header[4] or ''} @@"

    return Diff(text=_HUNK.sub(shifted, diff.text), paths=diff.paths, added=diff.added, removed=diff.removed)


def _alike(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many lines two files have in common at the beginning, and of the rest at the end."""
    same = 0
    for one, two in zip(old, new, strict=False):
        if one != two:
            break
        same += 1
    tail = 0
    most = min(len(old), len(new)) - same
    while tail < most and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return same, tail


def _judged(judge: Judge, old: Sequence[str], found: Iterator[Repair]) -> Iterator[Repair]:
    """The same repairs; the first many of them ordered by their worth and the model's opinion together.

    Edits that begin at one line are judged in one batch, beside the line as it is. The scores stay in descending
    order, so that streams of several tasks can still be merged.
    """
    first = list(islice(found, _JUDGED))
    places: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for number, repair in enumerate(first):
        new = diffs.lines_of(repair.text)
        same, tail = _alike(old, new)
        # One line further, so that a line put in, or taken out, is weighed with what follows it.
        places[same].append((number, "".join(new[same : len(new) - tail + 1])[:_AFTER_CHARACTERS]))
    worth = [repair.score for repair in first]
    for same, asked in places.items():
        before = "".join(old[max(same - 60, 0) : same])[-_BEFORE_CHARACTERS:]
        own = "".join(old[same : same + 2])[:_AFTER_CHARACTERS]
        try:
            as_is, *likely = judge(before, [own, *(text for _, text in asked)])
        except ModelError:  # it cannot tell here, and the order is good without it
            continue
        for (number, _), chance in zip(asked, likely, strict=True):
            worth[number] /= 1.0 + math.exp(min(_DOUBT * (as_is - chance), 50.0))
    order = sorted(range(len(first)), key=lambda number: -worth[number])
    for rank, number in enumerate(order):
        yield replace(first[number], score=first[rank].score)
    yield from found
