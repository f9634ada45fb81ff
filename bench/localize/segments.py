"""Do the questions about real fixes fit a window of 4,096 tokens, given the functions that were changed?

`python -m bench.localize.segments`: for every file a fix changed, the excerpt is cut around the changed lines as a
plan's task would have it, and the whole prompt is counted, with what surrounds the excerpt and room for the answer.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path

from bench.localize.__main__ import CACHE, KINDS, SAID
from bench.localize.cases import Case
from bench.measuring import table
from gitagent.adapters import treesitter
from gitagent.adapters.git import GitRepository
from gitagent.core import microtasks
from gitagent.core.microtasks import outlines
from gitagent.core.texts import lines_of
from gitagent.errors import RequestError
from gitagent.planners import COMFORTABLE, SCAFFOLD, surroundings
from gitagent.records import Message, MicroTask

WINDOW, ANSWER = 4096, 1024


def changed_lines(old: str, new: str) -> list[int]:
    """The lines of the old text that differ, 1-based; beside an addition the line before it."""
    found: list[int] = []
    matcher = difflib.SequenceMatcher(None, lines_of(old), lines_of(new), autojunk=False)
    for tag, first, last, _, _ in matcher.get_opcodes():
        if tag != "equal":
            found += range(first + 1, last + 1) if last > first else [max(first, 1)]
    return found


def stretches(path: str, text: str, lines: list[int]) -> list[list[int]]:
    """The changed lines by the function or class they are in."""
    spans = outlines.outline(path, text)
    by_span: dict[tuple[int, int], list[int]] = {}
    for line in lines:
        around = outlines.enclosing(spans, line)
        place = (around[0].first_line, around[0].last_line) if around else (0, line // 40)
        by_span.setdefault(place, []).append(line)
    return list(by_span.values())


def covered(case: Case, path: str, text: str, lines: list[int], read: dict[str, str]) -> bool:
    """Whether one question that fits the window shows all these lines."""

    def count(words: str) -> int:
        return microtasks.estimate(words)

    room = WINDOW - ANSWER - SCAFFOLD - count(case.request)
    try:
        first, excerpt = microtasks.segment(path, text, lines=lines, count=count, room=room, enough=COMFORTABLE)
        task = MicroTask(
            id="t1",
            path=path,
            first_line=first,
            excerpt=excerpt,
            instruction=case.request,
            answer_tokens=ANSWER,
            notes=surroundings(path, text, first, excerpt, read.get),
        )
        microtasks.prompt(task, count=_count, window=WINDOW)
    except RequestError:
        return False
    return first <= min(lines) and max(lines) < first + len(lines_of(excerpt))


def _count(messages: "tuple[Message, ...] | list[Message]") -> int:
    return sum(microtasks.estimate(message.content) + 4 for message in messages)


def tasks(kind: str, cache: Path) -> Iterator[tuple[Case, bool, int, int]]:
    """For every changed file: whether one question shows all of it, and of how many functions how many fit."""
    for case in KINDS[kind](cache):
        repository = GitRepository(str(case.repository))
        before, after = (
            {entry.path: entry.oid for entry in repository.entries(commit)} for commit in (case.base, case.tip)
        )
        read = {path: repository.read(before[path]).decode("utf-8", "surrogateescape") for path in case.truth}
        for path in case.truth:
            lines = changed_lines(read[path], repository.read(after[path]).decode("utf-8", "surrogateescape"))
            parts = stretches(path, read[path], lines)
            fit = sum(covered(case, path, read[path], part, read) for part in parts)
            yield case, covered(case, path, read[path], lines, read), fit, len(parts)


def main() -> None:
    outlines.read_with(treesitter.spans, treesitter.fields)
    for kind in KINDS:
        found = list(tasks(kind, CACHE))
        single = sum(one for _, one, _, _ in found)
        whole = sum(fit == parts for _, _, fit, parts in found)
        functions, fitting = sum(parts for *_, parts in found), sum(fit for _, _, fit, _ in found)
        rows = (
            ("files, one question each that shows every changed line", single, len(found)),
            ("files, one question for each changed function", whole, len(found)),
            ("changed functions", fitting, functions),
        )
        table(
            f"{SAID[kind]}: questions about the fixes in {WINDOW:,} tokens, {ANSWER:,} of them for the answer",
            ("given the functions that were changed", "fit", "of", "share"),
            [(name, str(part), str(of), f"{part / max(of, 1):.3f}") for name, part, of in rows],
        )


if __name__ == "__main__":
    main()
