"""What is known of one file by its text alone; the same for every commit that holds the text."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gitagent.core.retrieval.words import IDENTIFIER, is_compound, terms_of
from gitagent.records import Definition

READ_CHARACTERS = 400_000
MOST_TERMS = 6_000
TOP = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A file's definitions, references, imports and words.

    `counts` is keyed by term and holds how often it is in defined names, in docstrings and comments, and anywhere;
    under `=Name` it holds how often exactly this name is defined (first) and written (last). `lengths` are the
    three sums. `called` are names called or made, `imports` modules or files as written.
    """

    counts: dict[str, tuple[int, int, int]]
    lengths: tuple[int, int, int]
    definitions: tuple[Definition, ...]
    called: tuple[str, ...]
    imports: tuple[str, ...]


def facts(
    text: str,
    definitions: Iterable[Definition] = (),
    called: Iterable[str] = (),
    imports: Iterable[str] = (),
    documents: Iterable[str] = (),
) -> Facts:
    """What a text holds; `documents` are its docstrings and comments."""
    own = tuple(definitions)
    names = Counter(one.name for one in own)
    body = Counter(IDENTIFIER.findall(text[:READ_CHARACTERS]))
    docs = Counter(IDENTIFIER.findall("\n".join(documents)))
    in_names, in_docs, anywhere = (_by_term(counted) for counted in (names, docs, body))
    counts = {term: (0, 0, times if times < TOP else TOP) for term, times in anywhere.items()}
    for term in in_names.keys() | in_docs.keys():  # the few that are not in the text alone
        if term in counts:
            counts[term] = (min(in_names.get(term, 0), TOP), min(in_docs.get(term, 0), TOP), counts[term][2])
    if len(counts) > MOST_TERMS:  # data, not code: what stands there once leads nowhere
        best = sorted(counts, key=lambda term: (-counts[term][0], -counts[term][2], term))[:MOST_TERMS]
        counts = {term: counts[term] for term in best}
    lengths = tuple(sum(values) for values in (in_names.values(), in_docs.values(), anywhere.values()))
    used = tuple(dict.fromkeys(called))
    exact = {name for name in body if len(name) > 3 and is_compound(name)} | set(names) | set(used)
    if len(exact) > MOST_TERMS:
        exact = set(sorted(exact, key=lambda name: (-names[name], -body[name], name))[:MOST_TERMS])
    # By `get`, as what a Counter lacks it looks up in Python.
    defined, written = names.get, body.get
    for name in exact:
        counts[f"={name[:200]}"] = (min(defined(name, 0), TOP), 0, min(written(name, 0), TOP))
    return Facts(
        counts=counts,
        lengths=(lengths[0], lengths[1], lengths[2]),
        definitions=own,
        called=used[:2000],
        imports=tuple(dict.fromkeys(imports))[:500],
    )


def _by_term(counted: Counter[str]) -> dict[str, int]:
    out: dict[str, int] = {}
    held = out.get
    for word, times in counted.items():
        for term in terms_of(word):
            out[term] = held(term, 0) + times
    return out
