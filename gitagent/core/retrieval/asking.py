"""What a request says that can lead to code: its words, names, paths, modules and tracebacks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitagent.core.retrieval.words import IDENTIFIER, STOP, is_compound, terms, terms_of

MOST_CHARACTERS = 50_000
MOST_TERMS = 120
MOST_NAMES = 80
# How much more the words of a title count than those of the text, and of a first line that is no title.
_TITLES_WORDS, _FIRST_LINES_WORDS = 2.0, 1.25

# What is written as code: `so`, ``so``, :role:`so`, so(), a.b.c, and what stands in a code block.
_QUOTED = re.compile(r"`{1,3}([^`\n]{1,200})`{1,3}")
_CALLED = re.compile(r"(?<![\w.])([A-Za-z_][\w.]*)\(")
_DOTTED = re.compile(r"(?<![\w./-])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)")
_PATH = re.compile(r"(?<![\w.])((?:[\w.+-]+/)*[\w+-]+\.[A-Za-z]\w{0,5})\b")
_FOLDERS = re.compile(r"(?<![\w./:])((?:[\w.+-]+/)+[\w.+-]*\w)")
_LINK = re.compile(r"https?://\S+")
_ROLE = re.compile(r":(?:\w+:)*(?:issue|gh|pr|pull|user|ghuser|ghissue|ticket|bug|commit|cve|pep|rfc)s?:`[^`]*`")
_REFERENCE = re.compile(r"(?<![\w/])(?:[\w-]+/[\w.-]+)?#\d+|\{(?:issue|pr|user)\}`[^`]*`|@[\w-]+\b(?!\s*\()")
# People who are thanked are not what it is about.
_THANKS = re.compile(
    r"\b(?:patch(?:es)?|thanks|thank you|reported|contributed|fixed|pull request|courtesy|co-authored)"
    r"(?:-by:|:? (?:to|by|courtesy|courtesy of|goes to))? (?=[@A-Z])[^.\n]{2,80}\.?"
)
# What a title is about, as in "parser: …", "net/http, url: …", "fix(parser): …" and "[parser] …".
_TITLE = re.compile(r"^\s*(?:\[(?P<tag>[^\]\n]{2,40})\]|(?P<part>[\w/.,()+ -]{2,50}?):(?=\s))")
_FRAME = re.compile(
    r"^\s*File \"(?P<file>[^\"\n]{1,400})\", line (?P<line>\d{1,9})(?:, in (?P<name>[^\n]+))?"
    r"|^\s*(?:at )?(?:[^\s(]+ \()?(?P<path>[\w./\\+-]+\.[A-Za-z]{1,5}):(?P<at>\d{1,9})(?::\d+)?\)?",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request taken apart.

    `terms` are stemmed words with their weight; `names` exact identifiers with how surely they are code, 0 to 1;
    `paths` file names and paths as written; `modules` dotted names as written; `frames` (path, line, function)
    of tracebacks, outermost first. `component` are the terms of the part of the project that the title names before a
    colon or in brackets.
    """

    terms: Mapping[str, float] = field(default_factory=dict, hash=False)
    names: Mapping[str, float] = field(default_factory=dict, hash=False)
    paths: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    frames: tuple[tuple[str, int, str], ...] = ()
    component: frozenset[str] = frozenset()


def asked(text: str) -> Asked:
    """Take a request apart; what is beyond its first 50,000 characters is not read."""
    text = text[:MOST_CHARACTERS]
    frames = tuple(_frames(text))
    plain = _LINK.sub(" ", text)
    for pattern in (_ROLE, _REFERENCE, _THANKS):
        plain = pattern.sub(" ", plain)
    code = [match for pattern in (_QUOTED, _CALLED, _DOTTED) for match in pattern.findall(plain)]
    names: dict[str, float] = {}
    weights: dict[str, float] = {}
    sure = {word for piece in code for word in IDENTIFIER.findall(piece)}
    for word in IDENTIFIER.findall(plain):
        certainty = 1.0 if is_compound(word) else 0.8 if word in sure else 0.5 if word[:1].isupper() else 0.3
        if len(word) > 2 and (certainty > 0.5 or word.lower() not in STOP):
            names[word] = max(names.get(word, 0.0), certainty)
        for term in terms_of(word):
            weights[term] = weights.get(term, 0.0) + (1.3 if word in sure else 1.0)
    title, _, rest = plain.strip().partition("\n")
    first = set(terms(title))
    is_title = bool(rest) and not rest.partition("\n")[0].strip()
    more = _TITLES_WORDS if is_title else _FIRST_LINES_WORDS
    saturated = {
        term: (more if term in first else 1.0) * weight * 2.0 / (weight + 1.0) for term, weight in weights.items()
    }
    best = sorted(saturated.items(), key=lambda item: (-item[1], item[0]))[:MOST_TERMS]
    surest = sorted(names.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMES]
    paths = [match.strip("./") for pattern in (_PATH, _FOLDERS) for match in pattern.findall(plain)]
    return Asked(
        terms=dict(best),
        names=dict(surest),
        paths=tuple(dict.fromkeys(path for path in paths if len(path) > 2))[:50],
        modules=tuple(dict.fromkeys(_DOTTED.findall(plain)))[:50],
        frames=frames,
        component=_component(plain),
    )


def _component(plain: str) -> frozenset[str]:
    found = _TITLE.match(plain)
    said = (found["tag"] or found["part"]) if found else ""
    return frozenset(terms(said))


def _frames(text: str) -> list[tuple[str, int, str]]:
    found = []
    for match in _FRAME.finditer(text):
        path = (match["file"] or match["path"]).replace("\\", "/")
        found.append((path, int(match["line"] or match["at"]), (match["name"] or "").strip()))
    return found[:200]
