"""The evidence for each file, one number per kind, and how it is weighed into one score."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitagent.core.retrieval.asking import Asked
from gitagent.core.retrieval.corpus import NUMBER, Corpus, by_fields, by_names, by_paths

NAMES = (
    "body",
    "names",
    "docs",
    "share",
    "defines",
    "writes",
    "hints",
    "path",
    "component",
    "mentioned",
    "traced",
    "passage",
    "told",
    "often",
    "together",
    "calls",
    "linked",
    "twin",
    "length",
    "package",
    "suspected",
    "heard",
)
"""The kinds of evidence, in the order of a file's numbers."""

_IMPORTED = re.compile(r"\w+")
FIRST_LOOK = 60
"""Files looked at more closely after the first round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found for each file of a tree, by path, raw numbers in the order of NAMES."""

    rows: dict[str, list[float]] = field(default_factory=dict)

    def add(self, path: str, kind: str, value: float) -> None:
        """Set one number of one file."""
        row = self.rows.get(path)
        if row is None:
            row = self.rows[path] = [0.0] * len(NAMES)
        row[_PLACE[kind]] = value

    def scaled(self) -> dict[str, list[float]]:
        """The numbers against the largest of their kind, so that requests of any length compare.

        Where all of a kind are small, none of them becomes large by it: `_MUCH` says what is.
        """
        largest = [max((row[place] for row in self.rows.values()), default=0.0) for place in range(len(NAMES))]
        largest = [max(most, _MUCH.get(name, 0.0)) for most, name in zip(largest, NAMES, strict=True)]
        return {
            path: [value / most if most > 0 else 0.0 for value, most in zip(row, largest, strict=True)]
            for path, row in self.rows.items()
        }


_MUCH = {
    "names": 4.0,
    "docs": 4.0,
    "defines": 4.0,
    "writes": 4.0,
    "hints": 3.0,
    "path": 8.0,
    "component": 4.0,
    "mentioned": 1.0,
    "traced": 1.0,
    "told": 2.0,
    "together": 0.3,
    "calls": 1.0,
    "linked": 1.0,
    "twin": 1.0,
    "suspected": 1.0,
    "heard": 1.0,
}
_SURE = 0.5
_PLACE = {name: place for place, name in enumerate(NAMES)}


def at_first(corpus: Corpus, asked: Asked) -> Evidence:
    """What words, names, paths and tracebacks say, without opening a file."""
    evidence = Evidence()
    words = by_fields(corpus, asked.terms)
    exact = by_names(corpus, {name: worth for name, worth in asked.names.items() if worth > _SURE})
    hinted = by_names(corpus, {name: worth for name, worth in asked.names.items() if worth <= _SURE})
    fitting = by_paths(corpus.numbers.keys(), asked.terms)
    within = by_paths(corpus.numbers.keys(), dict.fromkeys(asked.component, 1.0)) if asked.component else {}
    spoken = mentioned(asked, list(corpus.numbers))
    traced = in_frames(asked, list(corpus.numbers))
    for path, number in corpus.numbers.items():
        values = words.get(number)
        own = exact.get(number)
        if values is None and own is None and path not in fitting and path not in spoken and path not in traced:
            continue
        names, docs, body, share = values or (0.0, 0.0, 0.0, 0.0)
        evidence.add(path, "body", body)
        evidence.add(path, "names", names)
        evidence.add(path, "docs", docs)
        evidence.add(path, "share", share)
        if own:
            evidence.add(path, "defines", own[0])
            evidence.add(path, "writes", own[1])
        if number in hinted:
            evidence.add(path, "hints", hinted[number][0])
        evidence.add(path, "path", fitting.get(path, 0.0))
        evidence.add(path, "component", within.get(path, 0.0))
        evidence.add(path, "mentioned", spoken.get(path, 0.0))
        evidence.add(path, "traced", traced.get(path, 0.0))
        evidence.add(path, "length", math.log1p(corpus.lengths[number][2]))
        evidence.add(
            path, "package", float(path.rpartition("/")[2] in ("__init__.py", "mod.rs", "index.js", "index.ts"))
        )
    return evidence


def mentioned(asked: Asked, paths: Sequence[str]) -> dict[str, float]:
    """Files the request names by path, by file name or as a module; a name that several have is worth less."""
    tails: dict[str, list[str]] = {}
    for path in paths if asked.paths or asked.modules else ():
        parts = path.split("/")
        for first in range(len(parts)):
            tails.setdefault("/".join(parts[first:]).lower(), []).append(path)
    found: dict[str, float] = {}

    def note(key: str, worth: float) -> None:
        held = tails.get(key.lower(), ())
        for path in held if len(held) <= 20 else ():
            found[path] = max(found.get(path, 0.0), worth / len(held))

    for written in asked.paths:
        parts = [part for part in written.split("/") if part not in ("", ".", "..")]
        for first in range(len(parts)):
            note("/".join(parts[first:]), 1.0 if len(parts) - first > 1 or first == 0 else 0.6)
    for module in asked.modules:
        parts = module.split(".")
        for first in range(len(parts)):
            for last in range(len(parts), first, -1):
                base = "/".join(parts[first:last])
                worth = 1.0 if first == 0 and last - first > 1 else 0.7 if last - first > 1 else 0.5
                for ending in (".py", "/__init__.py", ".js", ".ts", ".go", ".rs", ".java", ".rb"):
                    note(base + ending, worth)
    return found


def in_frames(asked: Asked, paths: Sequence[str]) -> dict[str, float]:
    """Files the request's tracebacks go through, the deepest most."""
    by_name: dict[str, list[str]] = {}
    for path in paths if asked.frames else ():
        by_name.setdefault(path.rpartition("/")[2], []).append(path)
    found: dict[str, float] = {}
    worth = 1.0
    for printed, _, _ in reversed(asked.frames):
        held = by_name.get(printed.rpartition("/")[2], ())
        fitting = [
            path for path in held if f"/{printed}".endswith(f"/{path}") or f"/{path}".endswith(f"/{printed}")
        ]
        if not fitting:  # installed elsewhere than it lies here: the longest common tail tells
            fitting = _longest_tail(printed, held)
        for path in fitting[:1]:
            if path not in found:
                found[path] = worth
                worth *= 2 / 3
    return found


def _longest_tail(printed: str, paths: Sequence[str]) -> list[str]:
    def common(path: str) -> int:
        pairs = zip(reversed(path.split("/")), reversed(printed.split("/")), strict=False)
        return next((place for place, (a, b) in enumerate(pairs) if a != b), 99)

    best = sorted(paths, key=common, reverse=True)[:1]
    return [path for path in best if common(path) >= 2 or len(paths) == 1]


def from_history(
    evidence: Evidence,
    changes: Sequence[tuple[Sequence[str], Sequence[str]]],
    asked: Asked,
    top: Sequence[str],
    corpus: Corpus,
) -> None:
    """Add what past commits tell: similar messages, how often a file changes, what changes with the best ones.

    `changes` are the terms and paths of commits, newest first.
    """
    holding: dict[str, int] = {}
    for said, _ in changes:
        for term in said:
            if term in asked.terms:
                holding[term] = holding.get(term, 0) + 1
    told: dict[str, float] = {}
    often: dict[str, float] = {}
    beside: dict[str, float] = {}
    best = {path: 1.0 / (place + 1) for place, path in enumerate(top[:3])}
    changed: dict[str, int] = {}
    for age, (said, paths) in enumerate(changes):
        if not paths:
            continue
        likeness = sum(
            asked.terms[term] * math.log(1 + len(changes) / holding[term]) for term in said if term in holding
        ) / math.sqrt(4 + len(said))
        fresh = 1.0 / (1.0 + age / 50)
        near = max((best.get(path, 0.0) for path in paths), default=0.0)
        for path in paths:
            if path not in corpus.numbers:
                continue
            changed[path] = changed.get(path, 0) + 1
            told[path] = told.get(path, 0.0) + likeness**2 / len(paths)
            often[path] = often.get(path, 0.0) + fresh / math.sqrt(len(paths))
            if near and path not in best:
                beside[path] = beside.get(path, 0.0) + near / len(paths)
    for path, value in often.items():
        if path in evidence.rows:
            evidence.add(path, "told", math.sqrt(told[path]))
            evidence.add(path, "often", math.log1p(value))
            evidence.add(path, "together", beside.get(path, 0.0) / (2.0 + changed[path]))


def from_calls(
    evidence: Evidence, corpus: Corpus, called: Mapping[str, float], own: Mapping[str, frozenset[int]]
) -> None:
    """Add what the best files call: files that define it, the more the fewer define the name.

    `called` weighs names by the files that call them, `own` says which documents call a name.
    """
    gained: dict[int, float] = {}
    for name, weight in called.items():
        defining = [
            entry & NUMBER
            for entry in corpus.postings.get(f"={name}", ())
            if entry & NUMBER in corpus.lengths and entry >> 32 & 0xFF
        ]
        if 0 < len(defining) <= 3:
            for number in defining:
                if number not in own.get(name, frozenset()):
                    gained[number] = gained.get(number, 0.0) + weight / len(defining)
    for path, number in corpus.numbers.items():
        if number in gained and path in evidence.rows:
            evidence.add(path, "calls", math.log1p(gained[number]))


def from_links(evidence: Evidence, imports: Mapping[str, Sequence[str]], top: Sequence[str]) -> None:
    """Add what imports and names tell: files that the best ones import or that import them, and namesakes of them.

    `imports` are what files import, as written, by path.
    """
    words = {path: frozenset(_IMPORTED.findall(" ".join(written))) for path, written in imports.items()}
    best = {path: 1.0 / (place + 1) for place, path in enumerate(top[:5])}
    for path in imports:
        linked = twin = 0.0
        for other, worth in best.items():
            if other == path or other not in words:
                continue
            if _module_name(path) in words[other]:
                linked += worth
            if _module_name(other) in words[path]:
                linked += worth / 2
            if path.rpartition("/")[2] == other.rpartition("/")[2] and not path.endswith("__init__.py"):
                twin = max(twin, worth)
        evidence.add(path, "linked", linked)
        evidence.add(path, "twin", twin)


def _module_name(path: str) -> str:
    folder, _, name = path.rpartition("/")
    stem = name.partition(".")[0]
    return folder.rpartition("/")[2] if stem in ("__init__", "index", "mod") else stem


def weighed(evidence: Evidence, weights: Mapping[str, float], factors: Mapping[str, float]) -> dict[str, float]:
    """One score by path: the scaled numbers under the weights, times what kind of file it is."""
    order = [weights.get(name, 0.0) for name in NAMES]
    return {
        path: factors.get(path, 1.0) * sum(weight * value for weight, value in zip(order, row, strict=True))
        for path, row in evidence.scaled().items()
    }


_SAID = {
    "suspected": "failing tests ran it",
    "heard": "failing tests speak of it",
    "traced": "in a traceback",
    "mentioned": "named in the request",
    "defines": "defines a name of the request",
    "writes": "uses a name of the request",
    "hints": "defines a word of the request",
    "path": "its path fits",
    "component": "in the part the title names",
    "passage": "a function's words fit",
    "names": "its names fit",
    "docs": "its documents fit",
    "body": "its words fit",
    "told": "changed for similar messages",
    "together": "changes with the best files",
    "often": "changes often",
    "calls": "is called by the best files",
    "linked": "imports the best files or is imported there",
    "twin": "is called like one of the best files",
}


def reason(row: Sequence[float], weights: Mapping[str, float]) -> str:
    """The evidence that counts most for a file, in words; `row` as it is scaled."""
    parts = {name: weights.get(name, 0.0) * row[_PLACE[name]] for name in _SAID}
    best = sorted((name for name in parts if parts[name] > 0.05), key=lambda name: -parts[name])[:3]
    return ", ".join(_SAID[name] for name in best)
