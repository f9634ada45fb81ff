"""The smallest part of a change that still does it: delta debugging over its hunks, then over its lines.

After Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (2002), with the tries of each round
handed over together, so that they can share what they cost.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TypeVar

from gitagent.core.texts import lines_of

Piece = TypeVar("Piece")
# Of several tries, the position of the first that holds; None if none does.
FirstHolding = Callable[[Sequence[Sequence[Piece]]], int | None]


def ddmin(pieces: Sequence[Piece], first_holding: FirstHolding[Piece]) -> tuple[Piece, ...]:
    """A part of the pieces that holds, and none of which can be taken out alone; all of them are known to hold.

    Their order is kept. Nothing at all is never tried.
    """
    kept = tuple(pieces)
    count = 2
    while len(kept) > 1:
        chunks = _split(kept, min(count, len(kept)))
        rests = [tuple(one for other in chunks if other is not chunk for one in other) for chunk in chunks]
        tries = [*chunks, *(rests if len(chunks) > 2 else [])]
        found = first_holding(tries)
        if found is not None:
            count = 2 if found < len(chunks) else max(count - 1, 2)
            kept = tuple(tries[found])
        elif count >= len(kept):
            break
        else:
            count = min(2 * count, len(kept))
    return kept


def _split(pieces: Sequence[Piece], count: int) -> list[tuple[Piece, ...]]:
    size, more = divmod(len(pieces), count)
    ends = [size * (at + 1) + min(at + 1, more) for at in range(count)]
    starts = [0, *ends[:-1]]
    return [tuple(pieces[start:end]) for start, end in zip(starts, ends, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LineEdit:
    """One line of a change: `number` is its position among all kept, taken out and added lines of the file."""

    path: str
    number: int


Hunk = tuple[LineEdit, ...]


class Change:
    """Whole new texts as single edits of lines, any part of which can be made into texts again.

    A file that comes or goes is one piece: part of a file that was not there is nobody's change.
    """

    def __init__(self, before: Mapping[str, str | None], after: Mapping[str, str | None]) -> None:
        self._before, self._after = before, after
        self._lines: dict[str, list[tuple[str, str]]] = {}
        self.hunks: list[Hunk] = []
        for path, new in after.items():
            old = before.get(path)
            if old == new:
                continue
            if old is None or new is None:
                self.hunks.append((LineEdit(path=path, number=-1),))
            else:
                self._lines[path] = _edits(lines_of(old), lines_of(new))
                self.hunks += _runs(path, self._lines[path])

    def texts(self, edits: Sequence[LineEdit]) -> dict[str, str | None]:
        """The texts with these edits alone, of the files in which they change anything."""
        chosen = set(edits)
        found: dict[str, str | None] = {}
        for path in dict.fromkeys(edit.path for edit in edits):
            if path not in self._lines:
                found[path] = self._after[path]
                continue
            text = "".join(
                line
                for number, (sign, line) in enumerate(self._lines[path])
                if sign == " " or (sign == "+") == (LineEdit(path=path, number=number) in chosen)
            )
            if text != self._before[path]:
                found[path] = text
        return found


def _edits(old: list[str], new: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for tag, a, b, c, d in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [(" ", line) for line in old[a:b]]
        else:
            found += [("-", line) for line in old[a:b]] + [("+", line) for line in new[c:d]]
    return found


def _runs(path: str, lines: Sequence[tuple[str, str]]) -> list[Hunk]:
    runs: list[list[LineEdit]] = []
    joined = False
    for number, (sign, _) in enumerate(lines):
        if sign == " ":
            joined = False
            continue
        if not joined:
            runs.append([])
        runs[-1].append(LineEdit(path=path, number=number))
        joined = True
    return [tuple(run) for run in runs]


def touched(before: str, after: str) -> tuple[tuple[int, int], ...]:
    """The stretches of the new text that are new, as first and last line counted from 1."""
    codes = SequenceMatcher(a=lines_of(before), b=lines_of(after), autojunk=False).get_opcodes()
    return tuple((c + 1, d) for tag, _, _, c, d in codes if tag != "equal" and d > c)
