"""What failing tests show, as evidence for files and functions beside the words of a request."""

import math
from collections.abc import Iterable, Mapping, Sequence

from gitagent.core.retrieval.corpus import Corpus
from gitagent.core.retrieval.features import Evidence
from gitagent.core.retrieval.passages import STRETCHES, Passage
from gitagent.records import Definition, Suspect

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
