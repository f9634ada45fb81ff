"""The worker that needs no model: repair patterns on the suspicious lines."""

import re
from collections.abc import Iterator
from itertools import islice

from gitagent.core import diffs
from gitagent.core.templates import repairs
from gitagent.records import Candidate, Diff, MicroTask, Spending

_HUNK = re.compile(r"^@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@", re.MULTILINE)
_CONTEXT = 3


class TemplatesWorker:
    """Proposes pattern edits inside the task's excerpt. Files that are no Python in UTF-8 get none."""

    name = "templates"

    def __init__(self, *, natural: bool = True) -> None:
        self._natural = natural

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
        for repair in islice(found, max(limit, 0)):
            yield Candidate(
                task=task.id,
                worker=self.name,
                diff=_diff(task.path, old, repair.text),
                texts={task.path: repair.text},
                score=repair.score,
                pattern=f"{repair.pattern} (line {repair.line})",
                spending=Spending(worker=self.name),
            )


def _diff(path: str, old: list[str], new_text: str) -> Diff:
    """The diff of one file, compared only where the texts differ: most of a file is the same on both sides."""
    new = diffs.lines_of(new_text)
    same = 0
    for one, two in zip(old, new, strict=False):
        if one != two:
            break
        same += 1
    tail = 0
    most = min(len(old), len(new)) - same
    while tail < most and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    start = max(same - _CONTEXT, 0)
    keep = max(tail - _CONTEXT, 0)
    diff = diffs.between({path: ("".join(old[start : len(old) - keep]), "".join(new[start : len(new) - keep]))})

    def shifted(header: re.Match[str]) -> str:
        source, target = int(header[1]) + start, int(header[3]) + start
        return f"@@ -{source}{header[2] or ''} +{target}{header[4] or ''} @@"

    return Diff(text=_HUNK.sub(shifted, diff.text), paths=diff.paths, added=diff.added, removed=diff.removed)
