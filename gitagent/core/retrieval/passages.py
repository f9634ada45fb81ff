"""The functions and classes of a file, ranked by what a request says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitagent.core.retrieval.words import IDENTIFIER, may_have, terms_of
from gitagent.core.texts import lines_of
from gitagent.records import Definition

MEAN_TERMS = 80
CHARACTERS_OF_ONE = 9
"""Characters of code for each word, blanks and signs included."""

MOST_LINES = 40_000
_K1, _B = 1.2, 0.6
_KINDS = "function method class struct union enum interface trait impl module type macro"
STRETCHES = frozenset(_KINDS.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A named stretch of a file, both lines included, and how well it fits; "" is what is outside all of them."""

    name: str
    kind: str
    first_line: int
    last_line: int
    score: float


def passages(
    text: str,
    definitions: Sequence[Definition],
    asked: Mapping[str, float],
    worths: Mapping[str, float],
    names: Mapping[str, float],
) -> tuple[Passage, ...]:
    """A file's passages that hold any asked term, best first.

    `asked` gives each term's weight, `worths` its rarity. What stands in an inner definition counts for it alone.
    """
    lines = lines_of(text)[:MOST_LINES]
    stretches = [one for one in definitions if one.kind in STRETCHES]
    owner = [-1] * (len(lines) + 2)
    for place, one in enumerate(stretches):  # an outer one comes before those inside it
        for line in range(one.first_line, min(one.last_line, len(lines)) + 1):
            owner[line] = place
    counts: dict[int, dict[str, int]] = {}
    lengths: dict[int, float] = {}
    hits: dict[str, tuple[str, ...]] = {}
    may_hold = may_have(asked)
    for number, written in enumerate(lines, 1):
        place = owner[number]
        lengths[place] = lengths.get(place, 0.0) + len(written) / CHARACTERS_OF_ONE
        if not may_hold.search(written.lower()):
            continue
        for word in IDENTIFIER.findall(written):
            own = hits.get(word)
            if own is None:
                own = hits[word] = tuple(term for term in terms_of(word) if term in asked)
            if own:
                held = counts.setdefault(place, {})
                for term in own:
                    held[term] = held.get(term, 0) + 1
    out = []
    for place in counts.keys() | {place for place, one in enumerate(stretches) if one.name in names}:
        norm = _K1 * (1 - _B + _B * lengths.get(place, 1) / MEAN_TERMS)
        score = sum(
            asked[term] * worths.get(term, 1.0) * times * (_K1 + 1) / (times + norm)
            for term, times in counts.get(place, {}).items()
        )
        if place < 0:
            out.append(
                Passage(name="", kind="module", first_line=1, last_line=max(len(lines), 1), score=0.8 * score)
            )
            continue
        one = stretches[place]
        own_terms = set(terms_of(one.name))
        score += sum(0.8 * asked[term] * worths.get(term, 1.0) for term in own_terms if term in asked)
        score += 4.0 * names.get(one.name, 0.0) + 1.5 * names.get(one.parent.rpartition(".")[2], 0.0)
        out.append(
            Passage(
                name=one.dotted, kind=one.kind, first_line=one.first_line, last_line=one.last_line, score=score
            )
        )
    return tuple(sorted(out, key=lambda one: (-one.score, one.first_line)))
