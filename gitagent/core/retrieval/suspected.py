"""What failing tests show, as evidence for files and functions beside the words of a request."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gitagent.core.retrieval.corpus import Corpus
from gitagent.core.retrieval.features import Evidence
from gitagent.core.retrieval.passages import STRETCHES, Passage
from gitagent.records import Definition, Span, Suspect

LEAST = 0.5
"""What is left of a suspicion in a function that a request does not fit at all."""

PACKAGES = ("__init__.py", "mod.rs", "index.js", "index.ts")


def from_tests(
    evidence: Evidence, corpus: Corpus, suspects: Iterable[Suspect], heard: Mapping[str, float]
) -> None:
    """Add to each file of the tree the suspicion of its most suspicious line, and how well the tests' words fit it.

    `heard` are scores by path, of which only their share of the best one counts.
    """
    worst = by_file(suspects)
    most = max(heard.values(), default=0.0)
    for path in corpus.numbers.keys() & (worst.keys() | heard.keys()):
        if path not in evidence.rows:  # not one word of the request is in it
            evidence.add(path, "length", math.log1p(corpus.lengths[corpus.numbers[path]][2]))
            evidence.add(path, "package", float(path.rpartition("/")[2] in PACKAGES))
        evidence.add(path, "suspected", worst.get(path, 0.0))
        evidence.add(path, "heard", max(heard.get(path, 0.0), 0.0) / most if most > 0 else 0.0)


def by_file(suspects: Iterable[Suspect]) -> dict[str, float]:
    """The highest score of each file's lines."""
    found: dict[str, float] = {}
    for one in suspects:
        found[one.path] = max(found.get(one.path, 0.0), one.score)
    return found


def rescored(suspects: Iterable[Suspect], symbols: Sequence[tuple[Span, float]]) -> tuple[Suspect, ...]:
    """Lines under suspicion, best first again, those in functions that fit a request worse for down to half as much.

    `symbols` are functions and classes with their scores, best first.
    """
    most = symbols[0][1] if symbols else 0.0
    if most <= 0:
        return tuple(suspects)
    by_path: dict[str, list[tuple[Span, float]]] = {}
    for span, score in symbols:
        by_path.setdefault(span.path, []).append((span, score / most))

    def share(suspect: Suspect) -> float:
        around = [
            one for one in by_path.get(suspect.path, ()) if one[0].first_line <= suspect.line <= one[0].last_line
        ]
        return max(around, key=lambda one: (one[0].first_line, -one[0].last_line))[1] if around else 0.0

    found = [replace(one, score=round(one.score * (LEAST + (1 - LEAST) * share(one)), 4)) for one in suspects]
    return tuple(sorted(found, key=lambda one: (-one.score, one.path, one.line)))


def by_passage(
    passages: Sequence[Passage], definitions: Sequence[Definition], suspects: Iterable[Suspect]
) -> tuple[tuple[Passage, float], ...]:
    """A file's passages, each with the highest score of its own lines, those of an inner one left to that.

    With them are the definitions that no word led to but that hold a suspicious line.
    """
    known = {(one.name, one.first_line): one for one in passages if one.name}
    for one in definitions:
        if one.kind in STRETCHES and (one.dotted, one.first_line) not in known:
            known[one.dotted, one.first_line] = Passage(
                name=one.dotted, kind=one.kind, first_line=one.first_line, last_line=one.last_line, score=0.0
            )
    worst: dict[tuple[str, int], float] = {}
    for suspect in suspects:
        around = [key for key, one in known.items() if one.first_line <= suspect.line <= one.last_line]
        if around:
            inner = max(around, key=lambda key: (key[1], -known[key].last_line))
            worst[inner] = max(worst.get(inner, 0.0), suspect.score)
    return tuple((one, worst.get(key, 0.0)) for key, one in known.items() if one.score or key in worst)
