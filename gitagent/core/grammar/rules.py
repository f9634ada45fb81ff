"""The grammar itself, before it is written for any particular engine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitagent.core.grammar.ground import CONTEXT, FENCE_CLOSE, NO_NEWLINE, Ground
from gitagent.errors import DiffError


@dataclass(frozen=True, slots=True)
class Literal:
    """Text as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """Whatever the rule of this name allows."""

    rule: str


@dataclass(frozen=True, slots=True)
class Added:
    """From one to `most` added lines."""

    most: int


Symbol = Literal | Name | Added
Alternatives = tuple[tuple[Symbol, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """Rules by name, each a choice of sequences. Every one can be reached from `start` and come to an end."""

    start: str
    rules: Mapping[str, Alternatives]
    line_characters: int
    newline: str


def grammar_of(ground: Ground) -> Grammar:
    """All answers about this ground that apply and, but for lines written anew unchanged, change something.

    Raises DiffError if there is none.
    """
    rules = dict(_rules(ground))
    kept = _within(rules, _productive(rules))
    if "start" not in kept:
        raise DiffError(f"{ground.path}: no change is possible: nothing to remove and nothing may be added")
    return Grammar(
        start="start",
        rules=_reachable(kept, "start"),
        line_characters=ground.bounds.line_characters,
        newline=ground.newline,
    )


def _rules(ground: Ground) -> Iterable[tuple[str, Alternatives]]:
    """Per hunk h and line i (the next line of the file):

    from_h_i   a hunk h that starts at line i or later
    lead_h_i   in hunk h, nothing changed yet
    open_h_i   something changed, lines may be added here
    shut_h_i   lines were just added here
    """
    size, bounds = len(ground.lines), ground.bounds
    yield "start", ((Literal(ground.head), Name("from_1_0")),)
    yield "end", ((), (Literal(FENCE_CLOSE),))
    yield "added", ((Added(bounds.added_lines),),) if bounds.added_lines > 0 else ()
    yield "added_last", ((Name("added"),), (Name("added"), Literal(NO_NEWLINE)))
    for h in range(1, bounds.hunks + 1):
        for i in range(size + 1):
            yield f"from_{h}_{i}", _hunk(ground, h, i) + (((Name(f"from_{h}_{i + 1}"),),) if i < size else ())
            added = Name("added_last" if i == size and ground.lacks_newline else "added")
            adding: Alternatives = ((added, Name(f"shut_{h}_{i}")),)
            removing: Alternatives = ()
            if i < size:
                removing = ((Literal(ground.marked("-", i)), Name(f"open_{h}_{i + 1}")),)
            yield f"lead_{h}_{i}", adding + removing + _keeping(ground, "lead", h, i)
            yield f"open_{h}_{i}", (*adding, (Name(f"shut_{h}_{i}"),))
            again: Alternatives = ((Name(f"from_{h + 1}_{i}"),),) if h < bounds.hunks else ()
            yield f"shut_{h}_{i}", ((Name("end"),), *removing, *_keeping(ground, "open", h, i), *again)


def _keeping(ground: Ground, state: str, h: int, i: int) -> Alternatives:
    if i == len(ground.lines):
        return ()
    line = Literal(ground.marked(" ", i))
    if i == len(ground.lines) - 1 and ground.lacks_newline:
        # Nothing can be put after a last line that stays and has no newline.
        return ((line, Name("end")),) if state == "open" else ()
    return ((line, Name(f"{state}_{h}_{i + 1}")),)


def _hunk(ground: Ground, h: int, i: int) -> Alternatives:
    """A hunk that starts at line i: three lines of context, fewer if long; at the excerpt's own beginning any."""
    if i == 0:
        return ((Literal(ground.header(0)), Name(f"lead_{h}_0")),)
    count = _context(ground, i)
    if i + count > len(ground.lines) - ground.lacks_newline:
        return ()
    context = (Literal(ground.marked(" ", at)) for at in range(i, i + count))
    return ((Literal(ground.header(i)), *context, Name(f"lead_{h}_{i + count}")),)


def _context(ground: Ground, i: int) -> int:
    room = ground.bounds.context_characters
    for count, line in enumerate(ground.lines[i : i + CONTEXT]):
        room -= len(line)
        if room < 0:
            return count
    return CONTEXT


def _productive(rules: Mapping[str, Alternatives]) -> set[str]:
    """The rules that can come to an end, found from the back, since rules mostly name later ones."""
    found: set[str] = set()
    while True:
        more = {
            name
            for name, alternatives in rules.items()
            if name not in found and any(_ends(sequence, found) for sequence in alternatives)
        }
        if not more:
            return found
        found |= more


def _ends(sequence: tuple[Symbol, ...], ending: set[str]) -> bool:
    return all(not isinstance(symbol, Name) or symbol.rule in ending for symbol in sequence)


def _within(rules: Mapping[str, Alternatives], ending: set[str]) -> dict[str, Alternatives]:
    return {
        name: tuple(sequence for sequence in alternatives if _ends(sequence, ending))
        for name, alternatives in rules.items()
        if name in ending
    }


def _reachable(rules: Mapping[str, Alternatives], start: str) -> dict[str, Alternatives]:
    seen, waiting = {start}, [start]
    while waiting:
        for sequence in rules[waiting.pop()]:
            for symbol in sequence:
                if isinstance(symbol, Name) and symbol.rule not in seen:
                    seen.add(symbol.rule)
                    waiting.append(symbol.rule)
    return {name: alternatives for name, alternatives in rules.items() if name in seen}
