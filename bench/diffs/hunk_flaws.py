"""Flaws of headers, context and markers."""

import random
import re
from dataclasses import replace

from bench.diffs.cases import Case, Hunk, by_line, flaw, some_context, with_line
from gitagent.core.diffs import lines_of

# Numbers, counts, headers


@flaw
def wrong_numbers(case: Case, rng: random.Random) -> Case:
    shift = [rng.choice([-1, 1]) * rng.randint(4, 400) for _ in case.hunks]
    hunks = zip(case.hunks, shift, strict=True)
    return replace(
        case,
        hunks=tuple(replace(h, start=max(h.start + s, 1), new_start=max(h.new_start + s, 1)) for h, s in hunks),
    )


@flaw
def numbers_a_little_off(case: Case, rng: random.Random) -> Case:
    shift = rng.choice([-3, -2, -1, 1, 2, 3])
    return case.mapped(lambda h: replace(h, start=max(h.start + shift, 1)))


@flaw
def wrong_counts(case: Case, rng: random.Random) -> Case:
    return replace(
        case, sizes=tuple((max(a + rng.randint(-3, 3), 0), max(b + rng.randint(-3, 3), 0)) for a, b in case.sizes)
    )


@flaw
def numbers_all_one(case: Case, rng: random.Random) -> Case:
    return replace(
        case.mapped(lambda h: replace(h, start=1, new_start=1)), sizes=tuple((1, 1) for _ in case.sizes)
    )


@flaw
def bare_header(case: Case, rng: random.Random) -> Case:
    return case.mapped(lambda h: replace(h, header=rng.choice(["@@", "@@ @@", "@@ ... @@"])))


@flaw
def no_header(case: Case, rng: random.Random) -> Case | None:
    return case.mapped(lambda h: replace(h, header=None)) if len(case.hunks) == 1 else None


@flaw
def section_only_header(case: Case, rng: random.Random) -> Case | None:
    if not all(h.section for h in case.hunks):
        return None
    return case.mapped(lambda h: replace(h, header=f"@@ {h.section}"))


@flaw
def wrong_section(case: Case, rng: random.Random) -> Case:
    return case.mapped(lambda h: replace(h, section="def something_else(self):"))


# Context


@flaw
def one_line_of_context(case: Case, rng: random.Random) -> Case:
    return cut_context(case, 1)


@flaw
def two_lines_of_context(case: Case, rng: random.Random) -> Case:
    return cut_context(case, 2)


@flaw
def no_context_after(case: Case, rng: random.Random) -> Case:
    return cut_context(case, 3, after=0)


@flaw
def no_context_before(case: Case, rng: random.Random) -> Case:
    return cut_context(case, 0, after=3)


def cut_context(case: Case, before: int, after: int | None = None) -> Case:
    after = before if after is None else after

    def one(hunk: Hunk) -> Hunk:
        lines = list(hunk.lines)
        first = next(i for i, line in enumerate(lines) if line[:1] in "+-")
        last = max(i for i, line in enumerate(lines) if line[:1] in "+-\\")
        start = max(first - before, 0)
        out = tuple(lines[start : last + 1 + after])
        return replace(
            hunk, lines=out, start=hunk.start + start, new_start=hunk.new_start + start, at=hunk.at + start
        )

    return case.mapped(one).resized()


@flaw
def context_line_missing(case: Case, rng: random.Random) -> Case | None:
    def inner(lines: list[str], at: int) -> bool:
        return 0 < at < len(lines) - 1 and lines[at - 1][:1] == " " and lines[at + 1][:1] == " "

    spot = some_context(case, rng, inner)
    return with_line(case, *spot, []) if spot else None


@flaw
def context_line_made_up(case: Case, rng: random.Random) -> Case | None:
    def inner(lines: list[str], at: int) -> bool:
        return at > 0 and lines[at - 1][:1] == " "

    spot = some_context(case, rng, inner)
    if not spot:
        return None
    line = case.hunks[spot[0]].lines[spot[1]]
    return with_line(case, *spot, [" " * (len(line) - len(line.lstrip())) + "# see the note above", line])


@flaw
def context_line_misspelt(case: Case, rng: random.Random) -> Case | None:
    spot = some_context(case, rng, lambda lines, at: len(lines[at].strip()) > 10)
    if not spot:
        return None
    line = case.hunks[spot[0]].lines[spot[1]]
    at = rng.randrange(len(line) - len(line.lstrip()) + 2, len(line))
    return with_line(case, *spot, [line[:at] + line[at + 1 :]])


@flaw
def context_comment_reworded(case: Case, rng: random.Random) -> Case | None:
    spot = some_context(case, rng, lambda lines, at: lines[at].strip()[:1] == "#" and len(lines[at].split()) > 4)
    if not spot:
        return None
    words = case.hunks[spot[0]].lines[spot[1]].rsplit(" ", 2)
    return with_line(case, *spot, [words[0] + " the rest"])


@flaw
def much_context(case: Case, rng: random.Random) -> Case:
    old = lines_of(case.old)

    def one(hunk: Hunk) -> Hunk:
        more = min(hunk.at, 12)
        before = [" " + line.rstrip("\r\n") for line in old[hunk.at - more : hunk.at]]
        return replace(
            hunk,
            lines=tuple(before) + hunk.lines,
            start=hunk.start - more,
            new_start=hunk.new_start - more,
            at=hunk.at - more,
        )

    return case.mapped(one).resized()


@flaw
def elided_context(case: Case, rng: random.Random) -> Case | None:
    """The function's head, dots, then the hunk."""
    old = lines_of(case.old)
    done = False

    def one(hunk: Hunk) -> Hunk:
        nonlocal done
        for at in range(hunk.at - 2, max(hunk.at - 40, 0), -1):
            if re.match(r"\s*(def|class|function) ", old[at]):
                done = True
                return replace(hunk, lines=(" " + old[at].rstrip("\r\n"), " ...", *hunk.lines))
        return hunk

    case = case.mapped(one)
    return case if done else None


@flaw
def elided_between_changes(case: Case, rng: random.Random) -> Case | None:
    if len(case.hunks) < 2:
        return None
    lines: list[str] = []
    for hunk in case.hunks:
        lines += ([rng.choice(["...", " ...", "# ... existing code ...", " // ..."])] if lines else []) + list(
            hunk.lines
        )
    return replace(case, hunks=(replace(case.hunks[0], lines=tuple(lines)),), sizes=case.sizes[:1])


@flaw
def hunks_joined(case: Case, rng: random.Random) -> Case | None:
    """Two hunks under the first one's header, what lies between left out."""
    if len(case.hunks) != 2:
        return None
    lines = (*case.hunks[0].lines, "@@", *case.hunks[1].lines)
    return replace(case, hunks=(replace(case.hunks[0], lines=lines),), sizes=case.sizes[:1])


# Markers


@flaw
def blank_context_without_marker(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: "" if line == " " else line, " ")


@flaw
def blank_added_without_marker(case: Case, rng: random.Random) -> Case | None:
    done = False

    def one(hunk: Hunk) -> Hunk:
        nonlocal done
        lines = list(hunk.lines)
        for at in range(1, len(lines) - 1):
            if lines[at] == "+" and lines[at - 1][:1] == lines[at + 1][:1] == "+":
                lines[at] = ""
                done = True
        return replace(hunk, lines=tuple(lines))

    case = case.mapped(one)
    return case if done else None


@flaw
def context_without_marker(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: line[1:] if line[1:2] not in "+-\\@" else line, " ")


@flaw
def some_context_without_marker(case: Case, rng: random.Random) -> Case | None:
    return by_line(
        case, lambda line: line[1:] if line[1:2] not in ("+", "-", "\\", "@") and rng.random() < 0.4 else line, " "
    )


@flaw
def context_with_a_blank_too_many(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: " " + line if line.strip() else line, " ")


@flaw
def a_blank_after_every_marker(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: line[:1] + " " + line[1:] if line[1:].strip() else line)
