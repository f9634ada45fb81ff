"""Who uses what a stretch of a file defines: the other files that write its names and import it, or call them."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gitagent.core.retrieval.corpus import NUMBER, Corpus
from gitagent.core.retrieval.words import terms_of
from gitagent.records import Definition, Span

MOST_NAMES = 20
MOST_FILES = 500
"""So many files that may use a name are looked at."""

_WORD = re.compile(r"\w+")
_INDEXES = frozenset(("__init__", "index", "mod", "lib"))


def names_of(definitions: Sequence[Definition], span: Span) -> tuple[str, ...]:
    """The names a stretch of a file defines: of its symbol, else what lies within its lines, or around them.

    Nobody writes `__init__` to use it, so a class stands for its special methods.
    """
    if span.name:
        parts = span.name.split(".")
        found = [(parts[-1], parts[-2] if len(parts) > 1 else "")]
    else:
        over = [
            one for one in definitions if one.first_line <= span.last_line and span.first_line <= one.last_line
        ]
        chosen = [
            one
            for one in over
            if (span.first_line <= one.first_line and one.last_line <= span.last_line)
            or not any(other.parent == one.dotted for other in over)
        ]
        found = [(one.name, one.parent.rpartition(".")[2]) for one in chosen]
    names = (parent if name.startswith("__") else name for name, parent in found)
    return tuple(dict.fromkeys(name for name in names if name))[:MOST_NAMES]


def modules_of(path: str) -> frozenset[str]:
    """The words that an import of this file may be known by: its name, or its folder's where that stands for it."""
    folder, _, name = path.rpartition("/")
    stem, _, ending = name.partition(".")
    last = folder.rpartition("/")[2]
    return frozenset(filter(None, (last if stem in _INDEXES else stem, last if ending == "go" else "")))


def keys(names: Collection[str], modules: Collection[str]) -> list[str]:
    """The postings it takes to find who may use these names, or these modules where there is no name."""
    exact = [f"={name}" for name in names]
    return [*exact, *dict.fromkeys(term for word in names or modules for term in terms_of(word))]


def candidates(corpus: Corpus, own: int, names: Collection[str]) -> dict[int, frozenset[str]]:
    """Which of these names other documents write, by document number, those that do first.

    `corpus` has the postings of `keys`.
    """
    found: dict[int, set[str]] = {}
    for key, entries in corpus.postings.items():
        name = key.removeprefix("=")
        for entry in entries:
            number = entry & NUMBER
            if number != own and number in corpus.lengths:
                found.setdefault(number, set()).update({name} & {*names} if key != name else ())
    best = sorted(found.items(), key=lambda item: (not item[1], item[0]))
    return {number: frozenset(written) for number, written in best[:MOST_FILES]}


def sole(corpus: Corpus, own: int, names: Collection[str]) -> frozenset[str]:
    """Those of the names that no other document defines."""
    return frozenset(
        name
        for name in names
        if not any(
            entry >> 32 & 0xFF and entry & NUMBER != own and entry & NUMBER in corpus.lengths
            for entry in corpus.postings.get(f"={name}", ())
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What somebody may use: the names of a stretch, those that are its alone, and the modules it can be had of."""

    names: frozenset[str]
    sole: frozenset[str]
    modules: frozenset[str]

    def by(self, written: Collection[str], called: Collection[str], imports: Iterable[str]) -> bool:
        """Whether a file that writes these of the names, calls and imports so much, uses it.

        It imports a name; or it writes one and imports the module; or it calls one that nobody else defines. Where
        there is no name, whoever imports the module uses it.
        """
        words = frozenset(word for one in imports for word in _WORD.findall(one))
        if not self.names:
            return bool(words & self.modules)
        if words & self.names or (written and words & self.modules):
            return True
        return bool({*called} & {*written} & self.sole)
