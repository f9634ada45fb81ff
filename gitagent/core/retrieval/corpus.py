"""The files of one tree as the index knows them, and BM25F over their fields."""

import math
from array import array
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gitagent.core.retrieval.words import may_have, terms

Entries: TypeAlias = "array[int]"
NUMBER = 0xFFFFFFFF
K1 = 1.2
# How much of a field's length counts against it.
_B_NAMES, _B_DOCS, _B_BODY, _B_PATH = 0.5, 0.6, 0.75, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """`numbers` are document numbers by path, `lengths` field lengths by number.

    `postings` are entries by term, a document's number in the low 32 bits of each, then how often the term is in
    its names, its documents and anywhere, a byte each; under `=Name` how often exactly this name is defined and
    written.
    """

    numbers: Mapping[str, int]
    lengths: Mapping[int, tuple[int, int, int]]
    postings: Mapping[str, Entries]

    def idf(self, found: int) -> float:
        """How much a term says that `found` documents have."""
        return math.log(1 + (len(self.lengths) - found + 0.5) / (found + 0.5))


def wanted(terms_asked: Iterable[str], names: Iterable[str]) -> list[str]:
    """The keys of postings a request needs."""
    return [*terms_asked, *(f"={name}" for name in names)]


def by_fields(corpus: Corpus, asked: Mapping[str, float]) -> dict[int, tuple[float, float, float, float]]:
    """BM25 by document number: over names, documents, everything, and the share of the asked terms found."""
    lengths = corpus.lengths
    count = max(len(lengths), 1)
    means = [max(sum(one[place] for one in lengths.values()) / count, 1.0) for place in range(3)]
    norms = {
        number: (
            K1 * (1 - _B_NAMES + _B_NAMES * names / means[0]),
            K1 * (1 - _B_DOCS + _B_DOCS * docs / means[1]),
            K1 * (1 - _B_BODY + _B_BODY * body / means[2]),
        )
        for number, (names, docs, body) in lengths.items()
    }
    found: dict[int, list[float]] = {}
    whole = sum(asked.values()) or 1.0
    for term, weight in asked.items():
        entries = [entry for entry in corpus.postings.get(term, ()) if entry & NUMBER in norms]
        worth = weight * corpus.idf(len(entries))
        part = weight / whole
        for entry in entries:
            number = entry & NUMBER
            in_names, in_docs, anywhere = norms[number]
            scores = found.get(number)
            if scores is None:
                scores = found[number] = [0.0, 0.0, 0.0, 0.0]
            times = entry >> 48
            scores[2] += worth * times * (K1 + 1) / (times + anywhere)
            scores[3] += part
            if times := entry >> 32 & 0xFF:
                scores[0] += worth * times * (K1 + 1) / (times + in_names)
            if times := entry >> 40 & 0xFF:
                scores[1] += worth * times * (K1 + 1) / (times + in_docs)
    return {number: (a, b, c, d) for number, (a, b, c, d) in found.items()}


def by_names(corpus: Corpus, names: Mapping[str, float]) -> dict[int, tuple[float, float]]:
    """By document number: what it defines and what it writes of the names asked for, the rarer the more."""
    found: dict[int, list[float]] = {}
    for name, certainty in names.items():
        entries = [entry for entry in corpus.postings.get(f"={name}", ()) if entry & NUMBER in corpus.lengths]
        defining = sum(1 for entry in entries if entry >> 32 & 0xFF)
        defined, written = certainty * corpus.idf(defining), certainty * corpus.idf(len(entries))
        for entry in entries:
            scores = found.setdefault(entry & NUMBER, [0.0, 0.0])
            times = entry >> 48
            scores[1] += written * times / (times + 2.0)
            if entry >> 32 & 0xFF:
                scores[0] += defined
    return {number: (a, b) for number, (a, b) in found.items()}


def by_paths(paths: Collection[str], asked: Mapping[str, float]) -> dict[str, float]:
    """How well paths fit the asked terms, by path; the file's own name counts twice."""
    holding: dict[str, list[str]] = {}
    may_hold = may_have(asked)
    for path in paths:
        if not may_hold.search(path.lower()):
            continue
        for term in set(terms(path)):
            if term in asked:
                holding.setdefault(term, []).append(path)
    scores: dict[str, float] = {}
    for term, found in holding.items():
        worth = asked[term] * math.log(1 + (len(paths) - len(found) + 0.5) / (len(found) + 0.5))
        for path in found:
            stem = path.rpartition("/")[2].partition(".")[0]
            own = terms(stem)
            # A short name that is all about the term says more than a long one that has it too.
            times = 2.0 / (1 + _B_PATH * (len(own) - 1)) if term in own else 0.6
            scores[path] = scores.get(path, 0.0) + worth * times
    return scores
