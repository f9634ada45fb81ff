"""Repair patterns for Python: from suspicious lines to whole new texts, no model asked.

The families come from the program-repair literature (GenProg, PAR, Nopol, TBar, SequenceR, mutation testing);
docs/templates.md lists them. None is written for one bug. An edit touches its own span and leaves every other
byte as it was.
"""

import heapq
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gitagent.core.naturalness import Elsewhere, changed, tokens
from gitagent.core.templates import calls, conditions, names, operators, statements, values
from gitagent.core.templates.source import Edit, Site, Source
from gitagent.records import Suspect

Family = Callable[[Source, Site], Iterator[Edit]]

# How often a family mends a real bug, as far as the literature and our own real bugs tell.
FAMILIES: dict[str, tuple[Family, float]] = {
    "comparison operator": (operators.comparison, 0.9),
    "boolean connective": (operators.connective, 0.5),
    "arithmetic operator": (operators.arithmetic, 0.7),
    "assignment operator": (operators.assignment, 0.5),
    "swapped operands or arguments": (operators.swapped, 0.6),
    "negated condition": (operators.negation, 0.5),
    "off by one": (operators.bounds, 0.8),
    "constant": (values.constants, 0.8),
    "string constant": (values.strings, 0.6),
    "regular expression": (values.regexes, 0.7),
    "conversion": (values.conversions, 0.55),
    "copied collection": (values.copies, 0.4),
    "wrong variable": (names.variables, 0.75),
    "wrong attribute": (names.attributes, 0.6),
    "returned value": (names.returns, 0.65),
    "borrowed expression": (names.donors, 0.5),
    "wrong call": (calls.wrong_call, 0.75),
    "method added or dropped": (calls.unwrapped, 0.5),
    "argument added or dropped": (calls.arguments, 0.55),
    "keyword argument": (calls.keywords, 0.6),
    "lookup with a default": (calls.lookups, 0.6),
    "await or yield": (calls.awaits, 0.6),
    "inherited method": (calls.supers, 0.45),
    "dropped condition": (conditions.dropped_conjunct, 0.75),
    "added condition": (conditions.added_conjunct, 0.65),
    "early way out": (conditions.guards, 0.65),
    "statement under a condition": (conditions.wrapped, 0.5),
    "None or empty": (conditions.none_checks, 0.75),
    "type asked for": (conditions.types, 0.7),
    "branch": (conditions.branches, 0.5),
    "removed statement": (statements.removed, 0.6),
    "moved statement": (statements.moved, 0.55),
    "borrowed statement": (statements.borrowed, 0.45),
    "exception type": (statements.exceptions, 0.65),
    "tried statement": (statements.tried, 0.4),
    "loop control": (statements.loops, 0.6),
    "missing result": (statements.results, 0.6),
    "parameter default": (statements.defaults, 0.55),
    "first value": (statements.initialised, 0.45),
}

# What a red test's message says about the kind of mistake: (expression, factor, families).
_HINTS: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    (r"\bIndexError\b", 1.4,
     ("off by one", "early way out", "added condition", "comparison operator", "exception type")),
    (r"\bKeyError\b", 1.4,
     ("lookup with a default", "early way out", "string constant", "exception type", "added condition")),
    (r"NoneType", 1.4,
     ("early way out", "None or empty", "missing result", "returned value", "added condition")),
    (r"\bAttributeError\b", 1.3,
     ("wrong attribute", "wrong call", "type asked for", "wrong variable", "conversion")),
    (r"unexpected keyword|required positional|positional argument|multiple values", 1.5,
     ("keyword argument", "argument added or dropped", "parameter default", "inherited method")),
    (r"unhashable|can only concatenate|must be|expected|not supported between|unsupported operand|not iterable",
     1.3,
     ("conversion", "type asked for", "method added or dropped", "wrong variable", "keyword argument")),
    (r"\bNameError\b|UnboundLocalError", 1.5,
     ("wrong variable", "first value", "moved statement", "wrong attribute")),
    (r"ZeroDivisionError", 1.4,
     ("early way out", "added condition", "off by one", "comparison operator")),
    (r"RecursionError", 1.3,
     ("early way out", "wrong call", "comparison operator", "wrong attribute", "inherited method")),
    (r"DID NOT RAISE|did not raise|not raised", 1.3,
     ("early way out", "comparison operator", "exception type", "added condition", "dropped condition",
      "negated condition")),
    (r"\b(ValueError|UnicodeDecodeError|UnicodeEncodeError|OverflowError)\b", 1.2,
     ("exception type", "conversion", "early way out", "tried statement", "constant")),
    (r"StopIteration", 1.4,
     ("exception type", "lookup with a default", "tried statement", "early way out")),
    (r"coroutine|was never awaited", 2.0, ("await or yield",)),
    (r"changed size during iteration|mutated", 2.0, ("copied collection",)),
    (r"\bre\.error\b|\b(match|regex|pattern)\b", 1.2, ("regular expression",)),
    (r"assert None|None ==|== None|is None", 1.15, ("missing result", "returned value", "early way out")),
    (r"Warning\b", 1.15, ("keyword argument", "regular expression", "string constant", "removed statement")),
)  # fmt: skip

_FADE = 0.12  # the n-th further edit of one family on one statement counts 1 / (1 + n x this)
_HOPED = 0.8  # what the best edit of a family is hoped to be worth before it is known
_SURPRISE = 0.15  # how much each bit of surprise that an edit adds tells against it
_FLOOR = 0.08  # statements beside a suspect keep this share of the top suspicion
_PAIRED = 60  # so many of the best edits are also tried two at once
_PAIR = 0.01  # how seldom two edits are the answer beside one
_TOLD = 1.5  # an edit that brings in a name of the failure's message looks that much more natural
_NAME = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A whole new text that parses, the family it came from, the line changed, and its worth."""

    text: str
    pattern: str
    line: int
    score: float


def repairs(
    text: str,
    suspects: Sequence[Suspect],
    *,
    first_line: int,
    last_line: int,
    hints: Sequence[str] = (),
    natural: bool = True,
) -> Iterator[Repair]:
    """New texts, best first, lazily: suspicion x how often the family helps x how natural the edit looks.

    Only statements whose own lines lie within `first_line` to `last_line` change. `suspects` are lines of this
    file; without any, all statements are equal. `hints` are the red tests' messages. A text that does not parse
    as Python yields nothing. No new text comes twice. Without `natural` nothing is asked of the n-gram model of
    the file, to see what it is good for.
    """
    mark = text[:1] if text.startswith("\ufeff") else ""
    try:
        src = _source(text[len(mark) :])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    said = _complaint("\n".join(hints))
    src.told(said)
    told = frozenset(_NAME.findall(said))
    queue = _Queue(src, told, natural)
    for site, suspicion in _suspicion(src, suspects, first_line, last_line):
        for family, prior in _priors(said).items():
            queue.push(site, family, suspicion * prior)
    bottom, top = src.line_start(first_line), src.line_start(last_line + 1)
    seen = {hash(src.text)}
    for edit, site, family, score in _paired(src, queue):
        if edit.start < bottom or edit.end > top or not src.holds(edit, site):
            continue
        new = src.text[: edit.start] + edit.new + src.text[edit.end :]
        digest = hash(new)
        if digest not in seen:
            seen.add(digest)
            line = src.text.count("\n", 0, edit.start) + 1
            yield Repair(text=mark + new, pattern=family, line=line, score=score)


_Found = tuple[Edit, Site, str, float]


def _paired(src: Source, singles: Iterable[_Found]) -> Iterator[_Found]:
    """The edits, and among them, where they come to be worth as much, the best two at once in one function."""
    best: list[_Found] = []
    pairs: list[_Found] = []
    for found in singles:
        while pairs and pairs[-1][3] > found[3]:
            yield pairs.pop()
        yield found
        if len(best) < _PAIRED:
            best.append(found)
            if len(best) == _PAIRED:
                pairs = _pairs(src, best)
    yield from reversed(pairs or (_pairs(src, best) if len(best) < _PAIRED else []))


def _pairs(src: Source, best: Sequence[_Found]) -> list[_Found]:
    """Two edits at once, the best last."""
    found: list[_Found] = []
    for at, (one, site, family, score) in enumerate(best):
        for two, other, second, worth in best[:at]:
            a, b = (one, two) if one.start < two.start else (two, one)
            if site.function is None or site.function is not other.function or a.end >= b.start:
                continue
            both = Edit(a.start, b.end, a.new + src.text[a.end : b.start] + b.new)
            name = family if family == second else f"{family}, {second}"
            found.append((both, site if a is one else other, f"two edits: {name}", score * worth * _PAIR))
    return sorted(found, key=lambda pair: pair[3])


@lru_cache(maxsize=4)
def _source(text: str) -> Source:
    """A file is asked about in several stretches, and read once."""
    return Source(text)


def _complaint(said: str) -> str:
    """What went wrong in a test's words: of a pytest report the lines marked `E`, else all of it."""
    said = said[:200_000]
    marked = [line for line in said.split("\n") if line.startswith("E ")]
    return "\n".join(marked) if marked else said


class _Queue:
    """(statement, family) pairs by the worth of their next edit; a family runs only as far as it is asked."""

    def __init__(self, src: Source, told: frozenset[str], natural: bool) -> None:
        self._src = src
        self._told = told
        self._model = src.natural if natural else None
        self._lines: dict[tuple[int, int], tuple[list[str], Elsewhere]] = {}
        self._heap: list[tuple[float, int, Site, str, float, list[tuple[float, Edit]] | None, int]] = []
        self._order = 0

    def push(self, site: Site, family: str, worth: float) -> None:
        self._put(worth * _HOPED, site, family, worth, None, 0)

    def _put(
        self,
        score: float,
        site: Site,
        family: str,
        worth: float,
        edits: list[tuple[float, Edit]] | None,
        turn: int,
    ) -> None:
        self._order += 1
        heapq.heappush(self._heap, (-score, self._order, site, family, worth, edits, turn))

    def __iter__(self) -> Iterator[_Found]:
        last = math.inf
        while self._heap:
            minus, _, site, family, worth, edits, turn = heapq.heappop(self._heap)
            if edits is None:
                found = [(self._natural(edit), edit) for edit in FAMILIES[family][0](self._src, site)]
                edits, turn = sorted(found, key=lambda pair: -pair[0]), -1
            else:
                last = min(last, -minus)
                yield edits[turn][1], site, family, last
            turn += 1
            if turn < len(edits):
                self._put(
                    worth * min(edits[turn][0], 1.0) / (1.0 + _FADE * turn), site, family, worth, edits, turn
                )

    def _natural(self, edit: Edit) -> float:
        weight = edit.weight
        if self._told and weight < 0.99:
            fresh = set(_NAME.findall(edit.new)) & self._told
            if fresh and not fresh <= set(_NAME.findall(self._src.text[edit.start : edit.end])):
                weight = min(weight * _TOLD, 1.0)
        return weight * self._likely(edit)

    def _likely(self, edit: Edit) -> float:
        """How usual the changed lines look after the edit, beside how they look now, 0 to 1."""
        if self._model is None:
            return 1.0
        text = self._src.text
        start = text.rfind("\n", 0, max(text.rfind("\n", 0, edit.start), 0)) + 1
        end = text.find("\n", edit.end) + 1 or len(text)
        if (start, end) not in self._lines:
            old = tokens(text[start:end])
            self._lines[start, end] = (old, self._model.without(old))
        old, elsewhere = self._lines[start, end]
        new = tokens(text[start : edit.start] + edit.new + text[edit.end : end])
        first, old_end, new_end = changed(old, new)
        before = elsewhere.surprise(old, first, old_end)
        after = elsewhere.surprise(new, first, new_end)
        return float(1.0 / (1.0 + 2.0 ** (_SURPRISE * (after - before))))


def _suspicion(
    src: Source, suspects: Sequence[Suspect], first_line: int, last_line: int
) -> list[tuple[Site, float]]:
    scores: dict[int, float] = {}
    for suspect in suspects:
        scores[suspect.line] = max(scores.get(suspect.line, 0.0), suspect.score)
    inside = [score for line, score in scores.items() if first_line <= line <= last_line]
    floor = max(inside, default=0.0) * _FLOOR
    found = []
    for site in src.sites(first_line, last_line):
        if site.last_line > last_line and not hasattr(site.node, "body"):
            continue
        lines = range(site.first_line, site.last_line + 1)
        top = max((scores.get(line, 0.0) for line in lines), default=0.0)
        found.append((site, max(top, floor) if inside else 0.5))
    return found


def _priors(said: str) -> dict[str, float]:
    priors = {family: prior for family, (_, prior) in FAMILIES.items()}
    for expression, factor, families in _HINTS:
        if re.search(expression, said):
            for family in families:
                priors[family] *= factor
    return priors
