"""Deciding: which of the ways to lay the hunks on a file is meant, or none with certainty."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gitagent.core.diffs.align import Alignment, Item, Path, Step, Target, elides, items_of
from gitagent.core.diffs.keys import UNSEEN, bare, ending, indent_of, key
from gitagent.core.diffs.lines import lines_of
from gitagent.core.diffs.read import Hunk
from gitagent.core.diffs.refusals import Refused, shown
from gitagent.core.diffs.transport import Drift, carried, foreign, measured

_MARGIN, _DEAREST, _AGREES, _DONE, _INTERRUPTED = 2.0, 12, 3.0, 3.0, 4.0
_SAMPLE = 100  # fits of one cost, enough to speak for those not looked at
_MOST_FITS = 24  # outcomes compared byte by byte; more are as ambiguous as can be
_NO_NEWLINE = "whether the file should end in a newline is not certain"
_ENDINGS = "which line ending the added lines should have is not certain"


@dataclass(frozen=True, slots=True)
class Edit:
    """`lines[first:last]` become `new`, newlines included."""

    first: int
    last: int
    new: tuple[str, ...]


@dataclass(slots=True)
class Fit:
    """One place and reading of a hunk: what it costs, what it does, where the hunk would begin (from 0)."""

    cost: float
    path: Path
    drift: Drift
    begin: int
    end: int
    edits: tuple[Edit, ...] = ()
    doubt: str = ""
    weak: bool = False  # too much of the hunk differs from the file for what agrees


@dataclass(slots=True)
class Part:
    """A hunk, or what lies between two elisions in it."""

    hunk: Hunk
    items: list[Item]
    number: int
    section: str
    start: int | None
    sizes: tuple[int, int] | None
    fits: list[Fit] = field(default_factory=list)
    crowded: bool = False
    chosen: Fit | None = None


@dataclass(slots=True)
class File:
    """A file's text taken apart once."""

    path: str
    text: str
    lines: list[str]
    target: Target
    endings: set[str]


def taken_apart(path: str, text: str) -> File:
    lines = lines_of(text)
    return File(
        path,
        text,
        lines,
        Target([bare(line) for line in lines], path=path),
        {ending(line) for line in lines} - {""},
    )


def exactly(text: str, hunks: Sequence[Hunk]) -> str | None:
    """The text with hunks that are right to the byte, the number and the count applied, else None."""
    lines, out, at = lines_of(text), list[str](), 0
    for hunk in hunks:
        sides = _sides(hunk)
        if sides is None or hunk.start is None:
            return None
        old, new = sides
        start = hunk.start - 1 if old else hunk.start
        if start < at or (not old and lines) or lines[start : start + len(old)] != old:
            return None
        out += lines[at:start] + new
        at = start + len(old)
        if hunk.lines[-1][:1] != " " and at < len(lines):
            return None  # as in git, a hunk that ends without context ends the file
        ends_bare = bool(new) and not new[-1].endswith("\n")
        if ends_bare and at < len(lines):
            return None
    return "".join(out + lines[at:])


def _sides(hunk: Hunk) -> tuple[list[str], list[str]] | None:
    old: list[str] = []
    new: list[str] = []
    last = ""
    for line in hunk.lines:
        mark = line[:1]
        if mark == "\\":
            for side in (old, new):
                if side and last and (side is old) >= (last == "-") and (side is new) >= (last == "+"):
                    side[-1] = side[-1].removesuffix("\n")
            continue
        if mark not in (" ", "-", "+") or not mark:
            return None
        if mark != "+":
            old.append(line[1:] + "\n")
        if mark != "-":
            new.append(line[1:] + "\n")
        last = mark
    whole = all(line.endswith("\n") for side in (old, new) for line in side[:-1])
    return (old, new) if whole and hunk.sizes == (len(old), len(new)) else None


def patched(path: str, text: str, hunks: Sequence[Hunk]) -> str:
    """The text with every hunk applied. Raises Refused if one cannot be, with certainty."""
    exact = exactly(text, hunks)
    if exact is not None:
        _check_foreign(path, text, hunks, [line[1:] for hunk in hunks for line in hunk.lines if line[:1] == "+"])
        return exact
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    file = taken_apart(path, text[len(mark) :])
    parts = _parts(hunks, file)
    _choose(parts, file)
    _spelled(parts, file)
    edits, late = _together(parts)
    _check_foreign(path, text, hunks, [line for edit in edits for line in edit.new])
    new = _edited(file.lines, edits)
    for part in late:
        new = _applied_late(part, path, new, file, any_edits=bool(edits))
    return mark + new


def _check_foreign(path: str, text: str, hunks: Sequence[Hunk], added: Sequence[str]) -> None:
    old = [line[1:] for hunk in hunks for line in hunk.lines if line[:1] in ("-", " ")]
    fault = foreign(path, text, old, added)
    if fault:
        raise Refused("ambiguous", path, f"the added lines {fault}. Write them the way the file is written")


def _seen(lines: list[str], text: str) -> list[str]:
    """A hunk's lines without the invisible characters and hard blanks that its file's lines do not have."""
    old = "".join(line for line in lines if not line.startswith("+"))
    if old.isascii():
        return lines
    gone = {ord(char): None for char in UNSEEN if char in old and char not in text}
    if "\u00a0" in old and "\u00a0" not in text:
        gone[0xA0] = " "  # type: ignore[assignment]
    return [line.translate(gone) for line in lines] if gone else lines


def _parts(hunks: Sequence[Hunk], file: File) -> list[Part]:
    """The hunks with their fits, cut where they say "and so on"."""
    out: list[Part] = []
    for number, hunk in enumerate(hunks, 1):
        lines = _seen(hunk.lines, file.text)
        dots = [at for at, line in enumerate(lines) if elides(line)]
        # Dots that the file has too may be just a line of it.
        sure = [at for at in dots if not file.target.at(lines[at].strip(), 1)]
        pieces = _pieces(number, hunk, lines, sure, file)
        if dots != sure and not all(part.fits for part in pieces):
            pieces = _pieces(number, hunk, lines, dots, file)
        out += pieces
    return out


def _pieces(number: int, hunk: Hunk, lines: list[str], cuts: list[int], file: File) -> list[Part]:
    out: list[Part] = []
    section = hunk.section
    for first, last in zip([0, *(at + 1 for at in cuts)], [*cuts, len(lines)], strict=True):
        items = items_of(lines[first:last], hunk.line + 1 + first)
        if any(item.kind in ("added", "removed") for item in items):
            start = hunk.start - 1 if hunk.start and first == 0 else None
            part = Part(hunk, items, number, section, start, None if cuts else hunk.sizes)
            part.fits, part.crowded = _fits(part, file)
            if part.fits and part.fits[0].weak:
                part.fits = []
            if part.crowded and part.start is None and part.fits:
                raise _ambiguous(part, file)
            out.append(part)
        context = [item.text for item in items if item.kind in ("context", "bare")]
        section = context[-1].strip() if context else section
    return out


def _fits(part: Part, file: File) -> tuple[list[Fit], bool]:
    """Every reading of the part whose cost is within the margin of the best, best first."""
    items, target = part.items, file.target
    old = [item for item in items if item.kind != "added"]
    if not any(item.text.strip() for item in old) and file.text:
        return [], False
    target.spend(len(old) * (len(file.lines) // 64 + 8))
    near = None if part.start is None else part.start + len(old)
    if old and items[0].kind != "added" and items[-1].kind != "added":
        exact = Alignment(items, target, 0, 0)
        if exact.best() == 0:
            paths, crowded = exact.paths(0, near)
            return _distinct([fit for path in paths if (fit := _fit(path, part, file, 0))], part, file), crowded
    evidence = sum(_weight(item.text) for item in old)
    limit = min(_DEAREST, evidence) + 2
    fits: list[Fit] = []
    levels: list[float] = []
    sets: list[list[int]] = []
    for view in (0, 1, 2):
        seen = [target.bits(item.text, view) for item in items]
        if seen in sets:
            continue
        sets.append(seen)
        alignment = Alignment(items, target, view, limit)
        best = alignment.best()
        if best is None:
            continue
        lowest = min((fit.cost for fit in fits), default=99.0)
        for cost in range(best, min(best + 5, limit + 1)):
            if cost >= lowest + _MARGIN + _AGREES:
                break
            paths, more = alignment.paths(cost, near)
            found = [fit for path in paths if (fit := _fit(path, part, file, view)) is not None]
            fits += found
            if more:
                sure = [fit.cost for fit in found] if len(found) > _SAMPLE else []
                levels.append(min(sure, default=float(cost)))
            lowest = min([lowest, *(fit.cost for fit in found)])
    if whole := _applied_whole(part, file):
        fits.append(whole)
    lowest = min((fit.cost for fit in fits), default=0.0)
    crowded = any(level < lowest + _MARGIN for level in levels)
    return _distinct([fit for fit in fits if fit.cost < lowest + _MARGIN], part, file), crowded


def _weight(text: str) -> int:
    """How much a line says about its place."""
    letters = sum(char.isalnum() for char in text[:64])
    return 0 if not text.strip() else 1 if letters < 4 else 2 if letters < 12 else 3


def _fit(path: Path, part: Part, file: File, view: int) -> Fit | None:
    """A path with its whole cost, or None if it only looks like a reading."""
    items, steps = part.items, path.steps
    cost = float(path.cost) + (1 if view == 2 else 0)
    done = any(step.use in ("gone", "present") for step in steps)
    if (done and not _done_already(path, items, file)) or _repeats(path, items, file):
        return None
    for step in steps:
        if step.use == "differs" and step.item is not None:
            if key(items[step.item].text, 2) == key(file.target.lines[step.at], 2):
                return None  # the same line mangled, which is another view's to say
            cost += 0 if _similar(items[step.item].text, file.target.lines[step.at]) else 2
    cost += _INTERRUPTED * _interrupted(path)
    drift = measured(items, path, file.target.lines)
    choices = any(
        step.use in ("dropped", "inserted") and step.item is not None and items[step.item].kind != "added"
        for step in steps
    )
    agrees = _AGREES if choices and not done and path.counts() == part.sizes else 0
    cost -= agrees
    matched = [step for step in steps if step.use in ("kept", "removed", "present") and step.item is not None]
    evidence = sum(_weight(items[step.item].text) for step in matched if step.item is not None)
    weak = path.cost - agrees > min(_DEAREST, 0.75 * evidence + 1)
    first = next((step.at for step in steps if step.use != "inserted"), 0)
    last = max((step.at for step in steps), default=0)
    return Fit(cost + drift.cost(), path, drift, first, last, weak=weak)


def _done_already(path: Path, items: list[Item], file: File) -> bool:
    """Whether a reading by which some change is in the file already can be believed.

    Nothing tells of a removal done already but that its neighbours touch, so everything else must fit, and
    the removed lines must not be there.
    """
    steps = path.steps
    if any(step.use in ("differs", "dropped", "passed") for step in steps):
        return False
    for side in (steps, steps[::-1]):
        seen = False
        for step in side:
            if step.use == "gone" and not seen:
                edge = 0 if side is steps else len(file.lines)
                if step.at != edge:
                    return False
            if (
                step.use in ("kept", "present", "removed")
                and step.item is not None
                and items[step.item].text.strip()
            ):
                seen = True
    gone = [step for step in steps if step.use == "gone" and step.item is not None]
    telling = [step for step in gone if step.item is not None and _weight(items[step.item].text) > 1]
    around = set(file.target.lines[max(min(s.at for s in steps) - 60, 0) : max(s.at for s in steps) + 60])
    there = [step for step in telling if step.item is not None and items[step.item].text in around]
    present = any(step.use == "present" for step in steps)
    return present or 2 * len(there) < max(len(telling), 1)


def _interrupted(path: Path) -> bool:
    """Whether lines of the file are passed over in the middle of what is added."""
    before = ""
    for at, step in enumerate(path.steps):
        if step.use == "passed" and before == "inserted":
            after = next((later.use for later in path.steps[at:] if later.use != "passed"), "")
            if after == "inserted":
                return True
        before = before if step.use == "passed" else step.use
    return False


def _repeats(path: Path, items: list[Item], file: File) -> bool:
    """Whether the path passes over just the lines that it adds beside them: they are there already."""
    passed = [file.target.lines[step.at] for step in path.steps if step.use == "passed"]
    if not passed:
        return False
    added = [items[step.item].text for step in path.steps if step.use == "inserted" and step.item is not None]
    return [key(line, 2) for line in passed] == [key(line, 2) for line in added]


def _applied_whole(part: Part, file: File) -> Fit | None:
    """The reading by which the whole hunk is in the file already."""
    items = [replace(item, kind="context") if item.kind == "added" else item for item in part.items]
    items = [item for item in items if item.kind != "removed"]
    if not any(item.text.strip() for item in items):
        return None
    alignment = Alignment(items, file.target, 0, 0)
    if alignment.best() != 0:
        return None
    paths, _ = alignment.paths(0, part.start)
    numbers = [at for at, item in enumerate(part.items) if item.kind != "removed"]
    steps: list[Step] = []
    for at, item in enumerate(part.items):
        if item.kind == "removed":
            steps.append(Step("gone", at, steps[-1].at + 1 if steps else paths[0].steps[0].at))
        else:
            step = paths[0].steps[numbers.index(at)]
            steps.append(Step("present" if item.kind == "added" else "kept", at, step.at))
    path = Path(0, steps)
    if not _done_already(path, part.items, file):
        return None
    # Added lines that all stand there, in place, are no chance; that nothing stands there may be one.
    telling = any(item.kind == "added" and _weight(item.text) > 1 for item in part.items)
    at_edge = (part.items[-1].kind == "added" and steps[-1].at == len(file.lines) - 1) or (
        part.items[0].kind == "added" and steps[0].at == 0
    )
    cost = (-_DONE if at_edge else 0) if telling else _DONE
    return Fit(cost, path, Drift(), steps[0].at, steps[-1].at)


def _similar(one: str, other: str) -> bool:
    """Whether a context line may be a slip of the pen for a line of the file."""
    a, b = re.findall(r"\w+", one), re.findall(r"\w+", other)
    if not a or not b:
        return not a and not b
    shared = len(set(a) & set(b))
    if 2 * shared >= max(len(set(a)), len(set(b))):
        return True
    x, y = one.strip()[:200], other.strip()[:200]
    same = next((at for at in range(min(len(x), len(y))) if x[at] != y[at]), min(len(x), len(y)))
    return 3 * same >= 2 * max(len(x), len(y))


def _edits(path: Path, part: Part, file: File, texts: dict[int, str]) -> tuple[tuple[Edit, ...], str]:
    """What the path does to the file's lines, with their newlines, and a doubt about those."""
    out: list[Edit] = []
    doubt = ""
    steps = path.steps
    explicit = _explicit_endings(path, part.items, file.lines)
    at = 0
    while at < len(steps):
        if steps[at].use not in ("removed", "inserted"):
            at += 1
            continue
        end = at
        while end < len(steps) and steps[end].use in ("removed", "inserted"):
            end += 1
        block = steps[at:end]
        removed = [step.at for step in block if step.use == "removed"]
        numbers = [step.item for step in block if step.use == "inserted" and step.item is not None]
        first = removed[0] if removed else block[0].at
        last = removed[-1] + 1 if removed else first
        new: list[str] = []
        for place, number in enumerate(numbers):
            if explicit:
                newline = "\r\n" if part.items[number].carriage else "\n"
            else:
                newline, unsure = _newline(file, first, last, place)
                doubt = doubt or unsure
            new.append(texts[number] + newline)
        out.append(Edit(first, last, tuple(new)))
        at = end
    if out and out[-1].last == len(file.lines) and file.lines:
        out[-1], unsure = _at_the_end(out[-1], part.items, steps, file)
        doubt = doubt or unsure
    return tuple(out), doubt


def _explicit_endings(path: Path, items: list[Item], lines: list[str]) -> bool:
    """Whether the hunk itself shows which lines end in `\\r\\n`, and rightly so."""
    pairs = [
        (items[step.item].carriage, lines[step.at].endswith("\r\n"))
        for step in path.steps
        if step.use in ("kept", "removed") and step.item is not None
    ]
    return any(mine for mine, _ in pairs) and all(mine == their for mine, their in pairs)


def _newline(file: File, first: int, last: int, place: int) -> tuple[str, str]:
    """The newline for the `place`-th line put where `lines[first:last]` were, and a doubt."""
    if len(file.endings) < 2:
        return (next(iter(file.endings)) if file.endings else "\n"), ""
    if last > first:
        near = {ending(line) for line in file.lines[first:last]} - {""}
        if len(near) == 1:
            return near.pop(), ""
        if place < last - first and ending(file.lines[first + place]):
            return ending(file.lines[first + place]), ""
    around = {ending(line) for line in file.lines[max(first - 1, 0) : last + 1]} - {""}
    return (around.pop(), "") if len(around) == 1 else ("\n", _ENDINGS)


def _at_the_end(edit: Edit, items: list[Item], steps: Sequence[object], file: File) -> tuple[Edit, str]:
    """The edit that reaches the file's end, with the right end of the last line."""
    had_newline = file.lines[-1].endswith("\n")
    marks = [item for item in items if item.no_newline]
    added = [item for item in items if item.kind == "added"]
    if not edit.new:
        return edit, ""
    marked = bool(added) and added[-1].no_newline
    if had_newline:
        return edit, _NO_NEWLINE if marked else ""
    new = list(edit.new)
    if marked or not marks:
        new[-1] = bare(new[-1])
    if edit.first == len(file.lines):
        # The last line had no newline and now has something after it.
        newline = next(iter(file.endings)) if len(file.endings) == 1 else "\n"
        return Edit(edit.first - 1, edit.last, (file.lines[-1] + newline, *new)), ""
    return Edit(edit.first, edit.last, tuple(new)), ""


def _distinct(fits: Sequence[Fit], part: Part, file: File) -> list[Fit]:
    """One fit of each outcome, the cheapest; outcomes are compared by the bytes they leave behind."""
    effects: dict[tuple[tuple[str, int, int], ...], Fit] = {}
    for fit in sorted(fits, key=lambda fit: fit.cost):
        effects.setdefault(fit.path.effect(), fit)
    if len(effects) == 1:
        return list(effects.values())
    out: list[Fit] = []
    for fit in list(effects.values())[:_MOST_FITS]:
        _spell(fit, fit.drift, part, file)
        if not any(_same_outcome(fit.edits, other.edits, file.lines) for other in out):
            out.append(fit)
    return out


def _spell(fit: Fit, drift: Drift, part: Part, file: File) -> None:
    texts, doubt = carried(part.items, fit.path, file.target.lines, drift)
    fit.edits, unsure = _edits(fit.path, part, file, texts)
    fit.doubt = doubt or unsure


def _spelled(parts: list[Part], file: File) -> None:
    """Write the added lines the file's way, by what all its hunks show. Raises Refused where that is in doubt."""
    together = Drift()
    for part in parts:
        if part.chosen is not None:
            together.add(part.chosen.drift)
    for part in parts:
        if part.chosen is not None:
            _spell(part.chosen, part.chosen.drift.with_others(together), part, file)
            if part.chosen.doubt:
                line = part.items[0].number
                raise Refused("ambiguous", file.path, f"hunk {part.number}: {part.chosen.doubt}", line=line)


def _same_outcome(one: tuple[Edit, ...], other: tuple[Edit, ...], lines: list[str]) -> bool:
    if one == other:
        return True
    if sum(len(e.new) - e.last + e.first for e in one) != sum(len(e.new) - e.last + e.first for e in other):
        return False
    if not one or not other:
        return False
    first = min(one[0].first, other[0].first)
    last = max(one[-1].last, other[-1].last)
    return _stretch(one, lines, first, last) == _stretch(other, lines, first, last)


def _stretch(edits: tuple[Edit, ...], lines: list[str], first: int, last: int) -> str:
    out: list[str] = []
    for edit in edits:
        out += lines[first : edit.first]
        out += edit.new
        first = edit.last
    return "".join(out + lines[first:last])


def _edited(lines: list[str], edits: Sequence[Edit]) -> str:
    return _stretch(tuple(edits), lines, 0, len(lines))


def _choose(parts: list[Part], file: File) -> None:
    """Choose a fit for each part: those with one first, then with what they tell about the others."""
    for part in parts:
        if len(part.fits) == 1 and not part.crowded:
            part.chosen = part.fits[0]
    _same_everywhere(parts)
    for part in parts:
        if part.chosen is None and part.fits:
            part.chosen = _told_apart(part, parts, file)
    for part in parts:
        if part.chosen is None and part.fits:
            part.chosen = _by_order(part, parts)
        if part.chosen is None and part.fits:
            raise _ambiguous(part, file)


def _same_everywhere(parts: list[Part]) -> None:
    """As many equal hunks as places for them: which goes where makes no difference."""
    by_text: dict[tuple[str, ...], list[Part]] = {}
    for part in parts:
        if part.chosen is None and part.fits and not part.crowded:
            by_text.setdefault(tuple(item.raw for item in part.items), []).append(part)
    for same in by_text.values():
        fits = same[0].fits
        apart = all(a.end < b.begin for a, b in zip(_by_place(fits), _by_place(fits)[1:], strict=False))
        if len(same) > 1 and len(same) == len(fits) and apart and len({fit.cost for fit in fits}) == 1:
            for part, fit in zip(same, _by_place(fits), strict=True):
                part.chosen = fit


def _by_place(fits: list[Fit]) -> list[Fit]:
    return sorted(fits, key=lambda fit: fit.begin)


def _told_apart(part: Part, parts: list[Part], file: File) -> Fit | None:
    """The one fit that line number or section text point at, unless they point at different ones."""
    shifts = {
        other.chosen.begin - other.start for other in parts if other.chosen is not None and other.start is not None
    }
    numbered: list[Fit] = []
    if part.start is not None and len(shifts) < 2:
        expected = part.start + (next(iter(shifts)) if shifts else 0)
        numbered = [fit for fit in part.fits if fit.begin == expected]
    inside = [fit for fit in part.fits if _in_section(part.section, fit.begin, file.target)]
    if not inside or len(inside) == len(part.fits):
        inside = []
    if len(numbered) == 1 and (not inside or numbered[0] in inside):
        return numbered[0]
    if len(inside) == 1 and not numbered and not part.crowded:
        return inside[0]
    return None


def _in_section(section: str, at: int, target: Target) -> bool:
    """Whether a line lies in the block that begins with the section's text."""
    if not section:
        return False
    for number in range(min(at, len(target.lines) - 1), max(at - 2000, -1), -1):
        line = target.lines[number]
        head = line.strip()
        if head and (head.startswith(section) or (len(section) > 30 and section.startswith(head))):
            width = len(indent_of(line))
            return not any(
                other[:1] and len(indent_of(other)) <= width and re.match(r"\s*[\w@]", other)
                for other in target.lines[number + 1 : at + 1]
            )
    return False


def _by_order(part: Part, parts: list[Part]) -> Fit | None:
    """The one fit between the neighbours' places, if the hunks are in order as far as is known."""
    if part.crowded:
        return None
    starts = [other.start for other in parts if other.start is not None]
    known = [other for other in parts if other.chosen is not None]
    places = [other.chosen.begin for other in known if other.chosen is not None]
    if not known or starts != sorted(starts) or places != sorted(places):
        return None
    at = parts.index(part)
    low = max((o.chosen.end for o in known if o.chosen and parts.index(o) < at), default=-1)
    high = min((o.chosen.begin for o in known if o.chosen and parts.index(o) > at), default=len(part.fits) + 10**9)
    between = [fit for fit in part.fits if low < fit.begin and fit.end < high]
    return between[0] if len(between) == 1 else None


def _ambiguous(part: Part, file: File) -> Refused:
    first, second = part.fits[0], part.fits[1] if len(part.fits) > 1 else part.fits[0]
    if first.begin == second.begin:
        unsure = next((item for item in part.items if item.kind in ("bare", "context", "blank")), part.items[0])
        message = (
            f"hunk {part.number} can be read in two ways at line {first.begin + 1}. Begin every line of it with"
            f" a blank, - or +, and copy context exactly"
        )
        return Refused("ambiguous", file.path, message, line=unsure.number)
    a, b = sorted((first.begin + 1, second.begin + 1))
    message = (
        f"hunk {part.number} fits at line {a} and at line {b}"
        f"{' and elsewhere' if part.crowded or len(part.fits) > 2 else ''}. Add unchanged lines above and below it"
        f" until it fits only one place"
    )
    return Refused("ambiguous", file.path, message, line=part.items[0].number)


def _together(parts: list[Part]) -> tuple[list[Edit], list[Part]]:
    """The edits of all parts that go with one another, in order, and the parts that must come after."""
    edits: list[Edit] = []
    late: list[Part] = []
    for part in parts:
        if part.chosen is None or any(_clash(e, o) for e in part.chosen.edits for o in edits):
            late.append(part)
            continue
        edits += [edit for edit in part.chosen.edits if edit not in edits]
    return sorted(edits, key=lambda edit: (edit.first, edit.last)), late


def _clash(one: Edit, other: Edit) -> bool:
    if one == other:
        return False
    if one.first == one.last or other.first == other.last:
        inside = one.first < other.first < one.last or other.first < one.first < other.last
        return inside or (one.first == other.first and one.last == other.last)
    return one.first < other.last and other.first < one.last


def _applied_late(part: Part, path: str, text: str, file: File, *, any_edits: bool) -> str:
    """Apply a hunk that was written for the file as the other hunks leave it."""
    if not any_edits:
        raise _not_found(part, file)
    changed = taken_apart(path, text)
    fits, crowded = _fits(part, changed)
    if len(fits) == 1 and not crowded and not fits[0].weak:
        part.chosen = fits[0]
        _spelled([part], changed)
        return _edited(changed.lines, fits[0].edits)
    if part.chosen is not None:
        message = f"hunk {part.number} changes lines that another hunk changes too. Write one hunk for them"
        raise Refused("conflict", path, message, line=part.items[0].number)
    raise _not_found(part, file)


def _not_found(part: Part, file: File) -> Refused:
    target = file.target
    old = [item for item in part.items if item.kind in ("removed", "context", "bare") and item.text.strip()]
    if not old:
        message = f"hunk {part.number} has no unchanged lines around the added ones, so its place is not known"
        return Refused("not found", file.path, message, line=part.items[0].number)
    missing = [item for item in old if not target.at(item.text, 2)]
    item = next((item for item in missing if item.kind == "removed"), missing[0] if missing else None)
    if item is None:
        message = (
            f"the lines of hunk {part.number} are in the file, but not next to one another. Copy them from it"
        )
        return Refused("not found", file.path, message, line=old[0].number)
    what = "removes" if item.kind == "removed" else "has"
    message = f'hunk {part.number} {what} "{shown(item.text.strip(), 100)}", but no such line is in the file'
    nearest = _nearest(item.text, target.lines)
    if nearest is not None:
        message += f'. The nearest is line {nearest + 1}: "{shown(target.lines[nearest].strip(), 100)}"'
    return Refused("not found", file.path, message, line=item.number)


def _nearest(text: str, lines: list[str]) -> int | None:
    words = set(re.findall(r"\w+", text))
    best, most = None, max(len(words) // 2, 1)
    for number, line in enumerate(lines[:20000]):
        if len(line) < 500:
            shared = len(words.intersection(re.findall(r"\w+", line)))
            if shared >= most and (best is None or shared > most):
                best, most = number, shared
    return best
