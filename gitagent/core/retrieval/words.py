"""Words of code and of prose brought to one form: identifiers split, endings taken off, the commonest left out.

`MultiDict`, `multi_dict` and "multi dicts" all lead to `multi`, `dict`; the first two to `multidict` too.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

LONGEST = 64
"""Characters of a word that count; longer ones are data."""

IDENTIFIER = re.compile(r"[^\W\d]\w*")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_JOINT = re.compile(r"[^\W_]_+[^\W_]|[a-z0-9][A-Z]")
_COMMONEST = """
    a about after again all also am an and any are as at be because been before being between both but by can cannot
    could did do does doing don down each either else etc even few for from further get gets got had has have having
    he her here him his how however i if in into is it its itself just let like made make makes many may me might more
    most much must my no nor not now of off on once one only or other our out over own per same she should since so
    some such than that the their them then there these they this those though thus to too two under until up upon
    us use used uses using very via was we were what when where whether which while who whom why will with without
    would you your
    def class self cls return import none true false elif try except finally raise yield lambda pass break continue
    assert del global nonlocal async await const var let function new null undefined this public private protected
    static void int str bool float char final end begin
    fix fixed fixes fixing bug bugs issue issues now ref pr thanks
    """
STOP = frozenset(_COMMONEST.split())
"""Words of prose and of programming that lead nowhere."""


def is_compound(identifier: str) -> bool:
    """Whether an identifier is made of several words, so that nobody writes it by chance: `read_file`, `readFile`."""
    return _JOINT.search(identifier) is not None


@lru_cache(maxsize=200_000)
def terms_of(identifier: str) -> tuple[str, ...]:
    """The terms an identifier or a word of prose stands for, stop words left out."""
    parts = [part.lower() for part in _PART.findall(identifier[:LONGEST])]
    out = [stem(part) for part in parts if len(part) > 1 and part not in STOP]
    if len(parts) > 1:
        out.append("".join(parts))
    return tuple(out)


def stem(word: str) -> str:
    """A word without its commonest English endings; short words stay."""
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending, least in (
        ("ational", 8),
        ("ization", 9),
        ("ation", 8),
        ("ing", 6),
        ("ed", 5),
        ("er", 6),
        ("or", 6),
    ):
        if word.endswith(ending) and len(word) >= least:
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def terms(text: str) -> list[str]:
    """All terms of a text in their order."""
    return [term for word in IDENTIFIER.findall(text) for term in terms_of(word)]


def may_have(asked: Iterable[str]) -> re.Pattern[str]:
    """A pattern for lower-case text: where it is not found, none of the terms is; a quick first look."""
    return _may_have(frozenset(term[:2] if term[2:3] == "y" else term[:3] for term in asked))


@lru_cache(maxsize=8)
def _may_have(beginnings: frozenset[str]) -> re.Pattern[str]:
    # A term's first three letters stand in whatever it was made from; a shorter term stands there whole. Parts of
    # a name that a sign divides are joined in a term, so the sign may stand between the letters.
    parts = sorted("_*".join(map(re.escape, one)) for one in beginnings)
    return re.compile("|".join(parts) or r"(?!)")
