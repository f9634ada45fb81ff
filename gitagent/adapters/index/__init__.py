"""Finds the files and functions a request is about: the index on disk, joined with what the core makes of it."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

from gitagent.adapters.git import GitRepository
from gitagent.adapters.index import history, updating
from gitagent.adapters.index.store import Damaged, Outline, Store
from gitagent.core import testing
from gitagent.core.retrieval import features, kinds, passages, suspected, users, weights
from gitagent.core.retrieval.asking import Asked, asked
from gitagent.core.retrieval.corpus import NUMBER, Corpus, wanted
from gitagent.core.retrieval.mapping import repository_map
from gitagent.records import Place, Shown, Span

T = TypeVar("T")
MOST_READ = 1_000_000
SYMBOLS_OF_ONE = 8
_CALLERS = 8
_SYMBOL_FILES = 20
_MAPPED = 2_000


class CodeIndex:
    """The code of one repository by what it says; opened, and brought up to date, when it is first asked."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._store: Store | None = None
        self.lacking = 0
        """Files of the commit last asked about whose texts a partial clone does not have."""

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def update(self, commit: str) -> int:
        """Index what is new in a commit; how many files that were."""
        return self._again(lambda: self._updated(commit)[1])

    def places(self, commit: str, text: str, *, most: int = 50, shown: Shown | None = None) -> tuple[Place, ...]:
        """The files of a commit that a request's text is about, best first, the best of them with their functions.

        Scores are between 0 and 1, the first file's at most 1. What failing tests showed is joined with the words.
        """
        return self._again(lambda: self._places(commit, text, most, shown or Shown()))

    def symbols(
        self, commit: str, text: str, *, most: int = 50, shown: Shown | None = None
    ) -> tuple[tuple[Span, float], ...]:
        """The functions and classes a request's text is about, best first, with a score between 0 and 1."""
        return self._again(lambda: self._symbols(commit, text, most, shown or Shown()))

    def repository_map(self, commit: str, text: str, *, budget_tokens: int, count: Callable[[str], int]) -> str:
        """The files of a commit with the signatures in them, those the text is about first, within a budget."""
        return self._again(lambda: self._map(commit, text, budget_tokens, count))

    def dependents(self, commit: str, spans: Sequence[Span]) -> tuple[int, ...]:
        """For each stretch how many other files use what it defines, tests apart; of 500 at most.

        Of a stretch that defines nothing, the whole file counts: those are the files that import it.
        """
        return self._again(lambda: self._dependents(commit, spans))

    def evidence(self, commit: str, text: str) -> features.Evidence:
        """The evidence behind `places`, for whoever fits the weights."""
        return self._again(lambda: self._evidence(self._updated(commit)[0], commit, asked(text))[0])

    # -- inside ------------------------------------------------------------------------------------------

    def _opened(self) -> Store:
        if self._store is None:
            self._store = Store(os.path.join(self._repository.common_directory, "gitagent"))
        return self._store

    def _again(self, ask: Callable[[], T]) -> T:
        """Ask; once more where the file on disk turned out to be damaged and was made anew."""
        for _ in range(2):
            try:
                with self._opened().mended():
                    return ask()
            except Damaged:
                continue
        self._store = Store(None)
        return ask()

    def _updated(self, commit: str) -> tuple[Corpus, int]:
        """The files of a commit, all of them indexed, and how many were not before."""
        store, repository = self._opened(), self._repository
        entries = updating.readable(repository.entries(commit))
        oids = {entry.oid for entry in entries}
        known = store.documents(oids)
        added = updating.update(store, entries, repository.read, repository.directory, known)
        if added:
            known = store.documents(oids)
        numbers = {entry.path: known[entry.oid].number for entry in entries if entry.oid in known}
        self.lacking = len(entries) - len(numbers)
        lengths = {document.number: document.lengths for document in known.values()}
        return Corpus(numbers=numbers, lengths=lengths, postings={}), added

    def _evidence(
        self, corpus: Corpus, commit: str, about: Asked, shown: Shown | None = None
    ) -> tuple[features.Evidence, Corpus, Mapping[str, tuple[passages.Passage, ...]]]:
        """The evidence by file, the corpus with the postings it took, and the passages of the likeliest files."""
        store = self._opened()
        corpus = replace(corpus, postings=store.postings(wanted(about.terms, about.names)))
        evidence = features.at_first(corpus, about)
        if shown is not None:
            suspected.from_tests(evidence, corpus, shown.suspects, self._heard(corpus, shown.words))
        top = _best(features.weighed(evidence, weights.FILES, _factors(evidence)))
        changes = history.changes(self._repository.directory, commit, store)
        features.from_history(evidence, [(one.terms, one.paths) for one in changes], about, top, corpus)
        self._add_calls(evidence, corpus, top)
        near = top[: features.FIRST_LOOK]
        outlines = store.outlines([corpus.numbers[path] for path in near])
        inside = self._passages(corpus, commit, about, near, outlines)
        imports = {
            path: outlines[number].imports if (number := corpus.numbers[path]) in outlines else () for path in near
        }
        features.from_links(evidence, imports, top)
        for path, found in inside.items():
            if found:
                evidence.add(path, "passage", found[0].score)
        return evidence, corpus, inside

    def _heard(self, corpus: Corpus, words: str) -> Mapping[str, float]:
        """How well what failing tests say fits each file."""
        told = replace(asked(words), frames=())
        postings = self._opened().postings(wanted(told.terms, told.names))
        evidence = features.at_first(replace(corpus, postings=postings), told)
        return features.weighed(evidence, weights.FILES, {})

    def _add_calls(self, evidence: features.Evidence, corpus: Corpus, top: Sequence[str]) -> None:
        """Ask the index for the names that the best files call."""
        store = self._opened()
        numbers = [corpus.numbers[path] for path in top[:_CALLERS]]
        outlines = store.outlines(numbers)
        called: Counter[str] = Counter()
        own: dict[str, set[int]] = {}
        for place, number in enumerate(numbers):
            for name in outlines[number].called[:400] if number in outlines else ():
                called[name] += 1 / (place + 1)  # type: ignore[assignment]
                own.setdefault(name, set()).add(number)
        postings = store.postings([f"={name}" for name in called])
        features.from_calls(
            evidence,
            replace(corpus, postings=postings),
            called,
            {name: frozenset(held) for name, held in own.items()},
        )

    def _passages(
        self, corpus: Corpus, commit: str, about: Asked, paths: Sequence[str], outlines: Mapping[int, Outline]
    ) -> dict[str, tuple[passages.Passage, ...]]:
        """The passages of files by path, best first."""
        worths = {
            term: corpus.idf(sum(1 for entry in corpus.postings.get(term, ()) if entry & NUMBER in corpus.lengths))
            for term in about.terms
        }
        oids = {entry.path: entry.oid for entry in self._repository.entries(commit)}
        found = {}
        for path in paths:
            text = self._repository.read(oids[path])[:MOST_READ].decode("utf-8", "replace")
            outline = outlines.get(corpus.numbers[path])
            definitions = outline.definitions if outline else ()
            found[path] = passages.passages(text, definitions, about.terms, worths, about.names)
        return found

    def _dependents(self, commit: str, spans: Sequence[Span]) -> tuple[int, ...]:
        store, (corpus, _) = self._opened(), self._updated(commit)
        tests = {number for path, number in corpus.numbers.items() if testing.is_test_path(path)}
        counted = []
        for span in spans:
            own = corpus.numbers.get(span.path)
            if own is None:
                counted.append(0)
                continue
            outline = store.outlines([own]).get(own) or Outline()
            names, modules = users.names_of(outline.definitions, span), users.modules_of(span.path)
            held = replace(corpus, postings=store.postings(users.keys(names, modules)))
            used = users.Used(names=frozenset(names), sole=users.sole(held, own, names), modules=modules)
            written = users.candidates(held, own, names)
            outlines = store.outlines([number for number in written if number not in tests])
            counted.append(
                sum(used.by(written[number], one.called, one.imports) for number, one in outlines.items())
            )
        return tuple(counted)

    def _looked(self, commit: str, text: str, shown: Shown) -> "_Looked":
        about = asked(text)
        if shown.words:
            told = asked(shown.words)
            about = replace(about if about.terms else told, frames=(*about.frames, *told.frames))
        corpus, _ = self._updated(commit)
        evidence, corpus, inside = self._evidence(corpus, commit, about, shown if shown.words else None)
        factors = _factors(evidence)
        scores = features.weighed(evidence, weights.FILES, factors)
        best = tuple(path for path in _best(scores) if scores[path] > 0)
        return _Looked(corpus=corpus, evidence=evidence, factors=factors, scores=scores, best=best, inside=inside)

    def _places(self, commit: str, text: str, most: int, shown: Shown) -> tuple[Place, ...]:
        looked = self._looked(commit, text, shown)
        scaled = looked.evidence.scaled()
        inside = self._inside(looked, looked.best[:most], shown)
        return tuple(
            Place(
                path=path,
                score=looked.share(path),
                reason=features.reason(scaled[path], weights.FILES),
                symbols=tuple(_span(path, one) for one, _ in inside[path][:SYMBOLS_OF_ONE] if one.name),
            )
            for path in looked.best[:most]
        )

    def _symbols(self, commit: str, text: str, most: int, shown: Shown) -> tuple[tuple[Span, float], ...]:
        looked = self._looked(commit, text, shown)
        tested = weights.SUSPECTED_SYMBOL if shown.suspects else 0.0
        # A function counts by its own words and by its file, as neither alone tells a common name apart.
        scored = [
            (_span(path, one), round(looked.factors[path] * (fits + looked.share(path)) / (2 + tested), 4))
            for path, found in self._inside(looked, looked.best[:_SYMBOL_FILES], shown).items()
            for one, fits in found
            if one.name
        ]
        scored.sort(key=lambda item: (-item[1], item[0].path, item[0].first_line))
        return tuple(scored[:most])

    def _inside(
        self, looked: "_Looked", paths: Sequence[str], shown: Shown
    ) -> dict[str, tuple[tuple[passages.Passage, float], ...]]:
        """The passages of files by path, best first, and how well each fits: by its words against the best one's,
        and by its most suspicious line."""
        held = {path: looked.inside.get(path, ()) for path in paths}
        largest = max((own[0].score for own in held.values() if own), default=0.0) or 1.0
        if not shown.suspects:
            return {path: tuple((one, one.score / largest) for one in own) for path, own in held.items()}
        outlines = self._opened().outlines([looked.corpus.numbers[path] for path in paths])
        found: dict[str, tuple[tuple[passages.Passage, float], ...]] = {}
        for path in paths:
            outline = outlines.get(looked.corpus.numbers[path])
            lines = [suspect for suspect in shown.suspects if suspect.path == path]
            joined = suspected.by_passage(held[path], outline.definitions if outline else (), lines)
            fitting = [(one, one.score / largest + weights.SUSPECTED_SYMBOL * worst) for one, worst in joined]
            found[path] = tuple(sorted(fitting, key=lambda item: (-item[1], item[0].first_line)))
        return found

    def _map(self, commit: str, text: str, budget_tokens: int, count: Callable[[str], int]) -> str:
        looked = self._looked(commit, text, Shown())
        # The best first, then the rest by path, so that a large window sees the whole repository.
        held = set(looked.best)
        rest = sorted(path for path in looked.corpus.numbers if path not in held and kinds.is_code(path))
        paths = [*looked.best, *rest][:_MAPPED]
        outlines = self._opened().outlines([looked.corpus.numbers[path] for path in paths])
        files = []
        for path in paths:
            outline = outlines.get(looked.corpus.numbers[path])
            files.append((path, outline.definitions if outline else ()))
        return repository_map(files, budget_tokens=budget_tokens, count=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What came of one request: scores by path, the paths best first, and what is inside the best of them."""

    corpus: Corpus
    evidence: features.Evidence
    factors: Mapping[str, float]
    scores: Mapping[str, float]
    best: tuple[str, ...]
    inside: Mapping[str, tuple[passages.Passage, ...]]

    def share(self, path: str) -> float:
        """A file's score against the best one's."""
        return round(self.scores[path] / self.scores[self.best[0]], 4)


def _span(path: str, one: passages.Passage) -> Span:
    return Span(path=path, name=one.name, first_line=one.first_line, last_line=one.last_line)


def _factors(evidence: features.Evidence) -> Mapping[str, float]:
    return {path: _factor(path) for path in evidence.rows}


@lru_cache(maxsize=100_000)
def _factor(path: str) -> float:
    return kinds.factor(path, testing.is_test_path(path))


def _best(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda path: (-scores[path], path))
