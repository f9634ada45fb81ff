"""The question that goes with a grammar: the task, its excerpt with line numbers."""

from dataclasses import replace

from gitagent.core.grammar.ground import Ground
from gitagent.records import MicroTask


def numbered(task: MicroTask, ground: Ground) -> MicroTask:
    """The task with a number before each line of its excerpt: the answer's hunk headers name start lines."""
    width = len(str(ground.first_line + len(ground.lines)))
    lines = (f"{ground.first_line + at:{width}} {line}" for at, line in enumerate(ground.lines))
    return replace(task, excerpt="".join(lines))
