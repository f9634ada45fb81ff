"""Aligning a hunk with a file by content, at the lowest cost.

A hunk is a little graph: from before its first line to after its last, every line offers ways on, each with
a cost: a context line may match a line of the file (0), stand for one it differs from, or be left out; a
blank line may be context or an added line that lost its `+`; a group of removed and added lines may stand in
the file as it was, or be applied already. Lines of the file may be passed over between two lines of the hunk.

All places of the file are followed at once: the set of lines of the file that can be reached after i lines
of the hunk at cost c is one integer, a bit per line (Wu and Manber, Fast Text Searching Allowing Errors,
1992, with the file as the bits). So the time depends on hunk length times cost bound, in steps of some
microseconds, not on how often a line occurs in the file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from gitagent.core.diffs.keys import key, keys_of
from gitagent.core.diffs.refusals import Refused

ItemKind = Literal["context", "removed", "added", "blank", "bare"]
Use = Literal["kept", "differs", "dropped", "removed", "inserted", "gone", "present", "passed"]

_DIFFERS, _EXTRA, _BARE_EXTRA, _PASSED, _PASSED_BLANK, _NEVER = 3, 5, 5, 3, 1, 99
_APPLIED, _APPLIED_REMOVAL = 3, 5
_MOST_STEPS, _MOST_PATHS, _MOST_ENDS, _MOST_NEAR = 8000, 200, 120, 9
# In machine words touched, about, for one file: what takes an eighth of a second in the worst case.
_MOST_WORK = 4_000_000
_LONGEST_ELISION = 120


@dataclass(slots=True)
class Item:
    """One line of a hunk. `text` is without marker and newline, `raw` with marker; `bare` has none.

    `added_cost` is the price of reading it as an added line that lost its marker.
    """

    kind: ItemKind
    text: str
    raw: str
    number: int
    no_newline: bool = False
    carriage: bool = False
    added_cost: int = _NEVER
    dropped_cost: int = _EXTRA


@dataclass(slots=True)
class Step:
    """What became of one line of the hunk (`item`, None for a line passed over) at `at` in the file, from 0."""

    use: Use
    item: int | None
    at: int


@dataclass(slots=True)
class Path:
    """One way to lay a hunk on the file."""

    cost: int
    steps: list[Step]

    def effect(self) -> tuple[tuple[str, int, int], ...]:
        """What it does to the file, nothing else."""
        return tuple(
            (step.use, step.at, step.item if step.use == "inserted" and step.item is not None else -1)
            for step in self.steps
            if step.use in ("removed", "inserted")
        )

    def counts(self) -> tuple[int, int]:
        """How many lines of the hunk it takes as old and as new ones."""
        old = sum(step.use in ("kept", "differs", "removed", "gone") for step in self.steps)
        new = sum(step.use in ("kept", "differs", "inserted", "present") for step in self.steps)
        return old, new


@dataclass(slots=True)
class Target:
    """A file's lines (without newlines) with what was computed about them, view by view."""

    lines: list[str]
    places: dict[int, tuple[dict[str, int], dict[str, list[int]]]] = field(default_factory=dict)
    sets: dict[tuple[int, str], int] = field(default_factory=dict)
    path: str = ""
    work: int = _MOST_WORK

    def spend(self, work: int) -> None:
        """Count work done on this file. Raises Refused when it was too much."""
        self.work -= work
        if self.work < 0:
            raise Refused(
                "too large", "", "the hunks are too long, or the file too repetitive, to be sure of them"
            )

    def at(self, text: str, view: int) -> list[int]:
        """Where in the file a line stands, in a view."""
        if view not in self.places:
            first: dict[str, int] = {}
            again: dict[str, list[int]] = {}
            for number, line in enumerate(keys_of(self.lines, view)):
                earlier = first.setdefault(line, number)
                if earlier != number:
                    again.setdefault(line, [earlier]).append(number)
            self.places[view] = first, again
        first, again = self.places[view]
        name = key(text, view)
        return again[name] if name in again else [first[name]] if name in first else []

    def bits(self, text: str, view: int) -> int:
        """The same as one integer."""
        name = (view, text)
        if name not in self.sets:
            self.sets[name] = _bits(self.at(text, view), len(self.lines))
        return self.sets[name]

    def blank_bits(self) -> int:
        """The lines that hold nothing but blanks."""
        return self.bits("", 1)


def _bits(places: list[int], size: int) -> int:
    if len(places) < 16:
        out = 0
        for at in places:
            out |= 1 << at
        return out
    packed = bytearray(size // 8 + 1)
    for at in places:
        packed[at >> 3] |= 1 << (at & 7)
    return int.from_bytes(packed, "little")


_ELISION = re.compile(r"\s*(?:#|//|/\*|<!--|--|;|%)?\s*[\[(<]?\s*(?:\.{3,}|…)\s*.{0,60}$")
_ONLY_DOTS = re.compile(r"\s*(?:#|//|/\*|<!--|--|;|%)?\s*[\[(<]?\s*(?:\.{3,}|…)\s*[\])>]?\s*(?:\*/|-->)?\s*$")


def elides(line: str) -> bool:
    """Whether a line of a hunk may stand for "and so on"."""
    if line[:1] in ("+", "-", "\\") or ("..." not in line and "…" not in line):
        return False
    line = line.strip()
    if len(line) > _LONGEST_ELISION:
        return False
    if _ONLY_DOTS.match(line):
        return True
    words = r"existing|rest|unchanged|other|remain|same|code|omitted|previous|more"
    return bool(_ELISION.match(line) and re.search(words, line, re.IGNORECASE))


def items_of(lines: list[str], first_number: int) -> list[Item]:
    """The lines of a hunk with their readings priced by their neighbours."""
    items: list[Item] = []
    for number, line in enumerate(lines, first_number):
        carriage = line.endswith("\r")
        raw = line[:-1] if carriage else line
        mark, text = raw[:1], raw[1:]
        if mark == "\\":
            if items:
                items[-1].no_newline = True
            continue
        kind: ItemKind
        if mark == "+":
            kind = "added"
        elif mark == "-":
            kind = "removed"
        elif not raw.strip():
            kind = "blank"
        elif mark == " ":
            kind = "context"
        else:
            kind, text = "bare", raw
        items.append(Item(kind, text, raw, number, carriage=carriage))
    _price(items)
    return items


def _price(items: list[Item]) -> None:
    above, below = _neighbours(items), _neighbours(items[::-1])[::-1]
    before: str
    after: str
    for at, item in enumerate(items):
        if item.kind not in ("blank", "bare", "context"):
            continue
        before, after = above[at], below[at]
        if item.kind == "context":
            before = items[at - 1].kind if at else ""
            after = items[at + 1].kind if at + 1 < len(items) else ""
        sides = (before == "added") + (after == "added")
        edge = not before or not after
        if item.kind == "blank":
            unmarked = not item.raw
            item.added_cost = (_NEVER, 2 if unmarked else 4, 1 if unmarked else 3)[sides]
            item.dropped_cost = ((1 if unmarked else 2) if edge else 3) if sides < 2 else 5
            if sides == 1 and not edge:
                item.dropped_cost = 5
        elif item.kind == "bare":
            item.added_cost = (_NEVER, 4, 2)[sides]
            item.dropped_cost = _BARE_EXTRA
        else:
            item.added_cost = (_NEVER, 5, 4)[sides]


def _neighbours(items: list[Item]) -> list[str]:
    """For each line the kind of the last one before it that has a marker, "" if there is none."""
    out: list[str] = []
    kind: str = ""
    for item in items:
        out.append(kind)
        if item.kind not in ("blank", "bare"):
            kind = item.kind
    return out


def groups_of(items: list[Item]) -> list[tuple[int, int]]:
    """The stretches of removed and added lines, as slices of the items."""
    out, at = [], 0
    while at < len(items):
        end = at
        while end < len(items) and items[end].kind in ("removed", "added"):
            end += 1
        if end > at:
            out.append((at, end))
        at = max(end, at + 1)
    return out


class Alignment:
    """All ways to lay a hunk's items on a file in one view, up to a cost."""

    def __init__(self, items: list[Item], target: Target, view: int, limit: int) -> None:
        self.items, self.target, self.view, self.limit = items, target, view, limit
        self.size = len(target.lines)
        self.groups = groups_of(items)
        self.ends = {end: start for start, end in self.groups}
        inside = {at for start, end in self.groups for at in range(start + 1, end)}
        old = [at for at, item in enumerate(items) if item.kind != "added"]
        first, last = (old[0], old[-1]) if old else (0, -1)
        self.passable = [first < node <= last and node not in inside for node in range(len(items) + 1)]
        self.reach: list[list[int]] = []
        self._sweep()

    def _sweep(self) -> None:
        levels = self.limit + 1
        self.target.spend(len(self.items) * levels * (self.size // 64 + 8))
        all_places = (1 << (self.size + 1)) - 1
        blank = self.target.blank_bits()
        self.reach.append([all_places] + [0] * self.limit)
        for node in range(1, len(self.items) + 1):
            item, source = self.items[node - 1], self.reach[node - 1]
            row = [0] * levels
            if item.kind == "added":
                row = list(source)
            else:
                match = blank if item.kind == "blank" else self.target.bits(item.text, self.view)
                if match:
                    for cost, places in enumerate(source):
                        row[cost] = (places & match) << 1
                if item.kind != "removed":
                    for price, move in self._detours(item):
                        for cost in range(levels - price):
                            row[cost + price] |= (source[cost] << 1) & all_places if move else source[cost]
            if node in self.ends:
                self._applied(row, self.ends[node], node)
            if self.passable[node]:
                for cost in range(levels - _PASSED_BLANK):
                    row[cost + _PASSED_BLANK] |= (row[cost] & blank) << 1
                    if cost + _PASSED < levels:
                        row[cost + _PASSED] |= (row[cost] << 1) & all_places
            self.reach.append(row)

    def _detours(self, item: Item) -> list[tuple[int, bool]]:
        """Ways past a line that needs no match: the price, and whether a line of the file goes with it."""
        out = [(item.dropped_cost, False)]
        if item.added_cost <= self.limit:
            out.append((item.added_cost, False))
        if item.kind != "blank":
            out.append((_DIFFERS, True))
        return [(price, move) for price, move in out if price <= self.limit]

    def _applied_price(self, start: int, end: int) -> int:
        if all(self.items[at].kind == "removed" for at in range(start, end)):
            return _APPLIED_REMOVAL
        if all(self.items[at].kind == "added" for at in range(start, end)) and (
            start == 0 or end == len(self.items)
        ):
            return 1
        return _APPLIED

    def _applied(self, row: list[int], start: int, end: int) -> None:
        price = self._applied_price(start, end)
        for cost in range(self.limit + 1 - price):
            places = self.reach[start][cost]
            for at in range(start, end):
                if places and self.items[at].kind == "added":
                    places = (places & self.target.bits(self.items[at].text, self.view)) << 1
            row[cost + price] |= places

    def best(self) -> int | None:
        """The lowest cost at which the whole hunk fits somewhere."""
        return next((cost for cost, places in enumerate(self.reach[-1]) if places), None)

    def paths(self, cost: int, near: int | None) -> tuple[list[Path], bool]:
        """The ways at exactly this cost, and whether there are more than were looked at.

        `near` is the line of the file (from 0) after which the hunk should end, to look there first.
        """
        places = self.reach[-1][cost]
        ends, crowded = _chosen(places, near)
        out: list[Path] = []
        budget = [_MOST_STEPS]
        for end in ends:
            seen: set[tuple[tuple[tuple[str, int, int], ...], int]] = set()
            for steps in self._walk(len(self.items), end, cost, budget):
                path = Path(cost, steps)
                # What differs costs more once it is looked at, so both ways to one effect are wanted.
                name = path.effect(), sum(step.use == "differs" for step in steps)
                if name not in seen:
                    seen.add(name)
                    out.append(path)
                if len(out) >= _MOST_PATHS:
                    return out, True
            if budget[0] <= 0:
                return out, True
        return out, crowded

    def _walk(self, node: int, at: int, cost: int, budget: list[int]) -> Iterator[list[Step]]:
        """Every way back from a node to the hunk's beginning, as steps in order."""
        stack: list[tuple[int, int, int, tuple[Step, object] | None]] = [(node, at, cost, None)]
        while stack:
            node, at, cost, tail = stack.pop()
            budget[0] -= 1
            if budget[0] <= 0:
                return
            self.target.spend(self.size // 64 + 8)
            if node == 0:
                if cost == 0:
                    yield _unrolled(tail)
                continue
            stack += reversed(list(self._back(node, at, cost, tail)))

    def _has(self, node: int, at: int, cost: int) -> bool:
        return at >= 0 and cost >= 0 and bool(self.reach[node][cost] >> at & 1)

    def _back(
        self, node: int, at: int, cost: int, tail: tuple[Step, object] | None
    ) -> Iterator[tuple[int, int, int, tuple[Step, object] | None]]:
        item, before = self.items[node - 1], node - 1
        if item.kind == "added":
            if self._has(before, at, cost):
                yield before, at, cost, (Step("inserted", before, at), tail)
        else:
            match = self.target.blank_bits() if item.kind == "blank" else self.target.bits(item.text, self.view)
            matches = at > 0 and match >> (at - 1) & 1
            if matches and self._has(before, at - 1, cost):
                use: Use = "removed" if item.kind == "removed" else "kept"
                yield before, at - 1, cost, (Step(use, before, at - 1), tail)
            if item.kind != "removed":
                if not matches and item.kind != "blank" and self._has(before, at - 1, cost - _DIFFERS):
                    yield before, at - 1, cost - _DIFFERS, (Step("differs", before, at - 1), tail)
                if self._has(before, at, cost - item.dropped_cost):
                    yield before, at, cost - item.dropped_cost, (Step("dropped", before, at), tail)
                if self._has(before, at, cost - item.added_cost):
                    yield before, at, cost - item.added_cost, (Step("inserted", before, at), tail)
        if node in self.ends:
            yield from self._back_applied(self.ends[node], node, at, cost, tail)
        if self.passable[node] and at > 0:
            price = _PASSED_BLANK if self.target.blank_bits() >> (at - 1) & 1 else _PASSED
            if self._has(node, at - 1, cost - price):
                yield node, at - 1, cost - price, (Step("passed", None, at - 1), tail)

    def _back_applied(
        self, start: int, end: int, at: int, cost: int, tail: tuple[Step, object] | None
    ) -> Iterator[tuple[int, int, int, tuple[Step, object] | None]]:
        cost -= self._applied_price(start, end)
        for number in range(end - 1, start - 1, -1):
            item = self.items[number]
            if item.kind == "added":
                if at == 0 or not self.target.bits(item.text, self.view) >> (at - 1) & 1:
                    return
                at -= 1
                tail = (Step("present", number, at), tail)
            else:
                tail = (Step("gone", number, at), tail)
        if self._has(start, at, cost):
            yield start, at, cost, tail


def _unrolled(tail: tuple[Step, object] | None) -> list[Step]:
    out: list[Step] = []
    while tail is not None:
        step, rest = tail
        out.append(step)
        tail = rest  # type: ignore[assignment]
    return out


def _chosen(places: int, near: int | None) -> tuple[list[int], bool]:
    """The places in a set, at most some dozens, those nearest to `near` if there are more."""
    count = places.bit_count()
    crowded = count > _MOST_ENDS
    if crowded and near is not None:
        low = max(near - _MOST_NEAR // 2, 0)
        window = places >> low & ((1 << _MOST_NEAR) - 1)
        if window:
            return [low + at for at in _members(window)], True
    out: list[int] = []
    while places and len(out) < _MOST_ENDS:
        lowest = places & -places
        out.append(lowest.bit_length() - 1)
        places ^= lowest
    return out, crowded


def _members(places: int) -> Iterator[int]:
    while places:
        lowest = places & -places
        yield lowest.bit_length() - 1
        places ^= lowest
