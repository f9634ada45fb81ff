"""Every place and reading of a hunk in a file, with its whole price."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gitagent.core.diffs.align import Alignment, Item, Path, Step
from gitagent.core.diffs.edits import Edit, File, edits_of, same_outcome
from gitagent.core.diffs.keys import key
from gitagent.core.diffs.read import Hunk
from gitagent.core.diffs.transport import Drift, carried, measured

MARGIN = 2.0  # what a reading must be cheaper by than any that leads to other bytes
_DEAREST, _AGREES, _DONE, _INTERRUPTED = 12, 3.0, 3.0, 4.0
_SAMPLE = 100  # fits of one cost, enough to speak for those not looked at
_MOST_FITS = 24  # outcomes compared byte by byte; more are as ambiguous as can be


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


def fits_of(part: Part, file: File) -> tuple[list[Fit], bool]:
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
            return _distinct([fit for path in paths if (fit := _fit_of(path, part, file, 0))], part, file), crowded
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
            if cost >= lowest + MARGIN + _AGREES:
                break
            paths, more = alignment.paths(cost, near)
            found = [fit for path in paths if (fit := _fit_of(path, part, file, view)) is not None]
            fits += found
            if more:
                sure = [fit.cost for fit in found] if len(found) > _SAMPLE else []
                levels.append(min(sure, default=float(cost)))
            lowest = min([lowest, *(fit.cost for fit in found)])
    if whole := _applied_whole(part, file):
        fits.append(whole)
    lowest = min((fit.cost for fit in fits), default=0.0)
    crowded = any(level < lowest + MARGIN for level in levels)
    return _distinct([fit for fit in fits if fit.cost < lowest + MARGIN], part, file), crowded


def _distinct(fits: Sequence[Fit], part: Part, file: File) -> list[Fit]:
    """One fit of each outcome, the cheapest; outcomes are compared by the bytes they leave behind."""
    effects: dict[tuple[tuple[str, int, int], ...], Fit] = {}
    for fit in sorted(fits, key=lambda fit: fit.cost):
        effects.setdefault(fit.path.effect(), fit)
    if len(effects) == 1:
        return list(effects.values())
    out: list[Fit] = []
    for fit in list(effects.values())[:_MOST_FITS]:
        spell(fit, fit.drift, part, file)
        if not any(same_outcome(fit.edits, other.edits, file.lines) for other in out):
            out.append(fit)
    return out


def spell(fit: Fit, drift: Drift, part: Part, file: File) -> None:
    texts, doubt = carried(part.items, fit.path, file.target.lines, drift)
    fit.edits, unsure = edits_of(fit.path, part.items, file, texts)
    fit.doubt = doubt or unsure


def _fit_of(path: Path, part: Part, file: File, view: int) -> Fit | None:
    """A path with its whole cost, or None if it only looks like a reading."""
    items, steps = part.items, path.steps
    cost = float(path.cost) + (1 if view == 2 else 0)
    done = any(step.use in ("gone", "present") for step in steps)
    if (done and not _done_already(path, items, file)) or _repeats(path, items, file):
        return None
    if path.cost and _doubles(path, items, file):
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
    if not evidence and file.text:
        return None  # nothing of the hunk is there
    weak = path.cost - agrees > min(_DEAREST, 0.75 * evidence + 1)
    first = next((step.at for step in steps if step.use != "inserted"), 0)
    last = max((step.at for step in steps), default=0)
    return Fit(cost + drift.cost(), path, drift, first, last, weak=weak)


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


def _weight(text: str) -> int:
    """How much a line says about its place."""
    letters = sum(char.isalnum() for char in text[:64])
    return 0 if not text.strip() else 1 if letters < 4 else 2 if letters < 12 else 3


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


def _doubles(path: Path, items: list[Item], file: File) -> bool:
    """Whether something it adds, and replaces nothing by, stands just there already.

    Where the hunk fits without a flaw that may be meant. Else it is more likely to have been applied.
    """
    lines, steps = file.target.lines, path.steps
    for at, step in enumerate(steps):
        if step.use != "inserted" or (at and steps[at - 1].use in ("inserted", "removed")):
            continue
        end = at
        while end < len(steps) and steps[end].use == "inserted":
            end += 1
        if end < len(steps) and steps[end].use == "removed":
            continue
        added = [items[one.item].text for one in steps[at:end] if one.item is not None]
        if not any(_weight(text) > 1 for text in added):
            continue
        size, names = len(added), [key(text, 2) for text in added]
        for near in (lines[step.at : step.at + size], lines[max(step.at - size, 0) : step.at]):
            if [key(text, 2) for text in near] == names:
                return True
    return False


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
