"""Which tests a change can break, from what each test ran on base."""

import re
from collections.abc import Collection, Mapping, Sequence

from gitagent.records import Coverage

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+")


def changed_lines(diff: str) -> dict[str, set[int]]:
    """The lines of base that a unified diff touches, by path: those removed, and those beside what is added."""
    found: dict[str, set[int]] = {}
    path, line, left = "", 0, 0
    for text in diff.split("\n"):
        if left <= 0 and text.startswith("--- "):
            path = text[4:].split("\t")[0].removeprefix("a/")
        elif hunk := _HUNK.match(text):
            line = int(hunk[1]) + (hunk[2] == "0")
            left = int(hunk[2] or 1) or 1
        elif text.startswith("-"):
            found.setdefault(path, set()).add(line)
            line, left = line + 1, left - 1
        elif text.startswith("+"):
            # What is added runs with the lines around it.
            found.setdefault(path, set()).update(number for number in (line - 1, line) if number > 0)
        elif text.startswith(" "):
            line, left = line + 1, left - 1
    return found


def impacted(
    coverage: Sequence[Coverage], changed: Mapping[str, Collection[int]], *, besides: Collection[str] = ()
) -> tuple[str, ...]:
    """Tests that passed on base and ran a changed line, those that ran least first: they say most about it.

    A line that ran when its module was imported may matter to whatever test ran anything of that file.
    """
    imported = {
        path
        for one in coverage
        if not one.test
        for path, lines in changed.items()
        if not one.lines.get(path, frozenset()).isdisjoint(lines)
    }
    found = []
    for one in coverage:
        if not one.test or one.outcome != "passed" or one.test in besides:
            continue
        if any(
            path in one.lines and (path in imported or not one.lines[path].isdisjoint(lines))
            for path, lines in changed.items()
        ):
            found.append((sum(map(len, one.lines.values())), one.test))
    return tuple(test for _, test in sorted(found))


def moved_lines(diff: str) -> int:
    """How many lines a diff only moves: removed in one place, added in another."""
    removed: dict[str, int] = {}
    moved = 0
    lines = [line for line in diff.split("\n") if line[:1] in ("-", "+") and line[:3] not in ("---", "+++")]
    for line in lines:
        if line[0] == "-" and line[1:].strip():
            removed[line[1:].strip()] = removed.get(line[1:].strip(), 0) + 1
    for line in lines:
        if line[0] == "+" and removed.get(line[1:].strip(), 0):
            removed[line[1:].strip()] -= 1
            moved += 1
    return moved
