"""Cases: hunks that know where they were taken from, and what changes them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Hunk:
    """A hunk: where it begins in old and new (from 1), its section, its lines with markers; None is no header."""

    start: int
    new_start: int
    section: str
    lines: tuple[str, ...]
    header: str | None = ""
    at: int = 0  # where it truly begins in the old file, from 0

    def sizes(self) -> tuple[int, int]:
        old = sum(line[:1] not in "+\\" or not line for line in self.lines)
        new = sum(line[:1] not in "-\\" or not line for line in self.lines)
        return old, new

    def text(self, sizes: tuple[int, int]) -> str:
        header = self.header
        if header == "":
            header = f"@@ -{self.start},{sizes[0]} +{self.new_start},{sizes[1]} @@"
            header += f" {self.section}" if self.section else ""
        return "".join(line + "\n" for line in ([] if header is None else [header]) + list(self.lines))


@dataclass(frozen=True)
class Case:
    """A mangled diff of one file and the one right answer, None if it must be refused."""

    path: str
    old: str
    new: str | None
    hunks: tuple[Hunk, ...]
    sizes: tuple[tuple[int, int], ...]
    kind: str = ""
    names: tuple[str, str] = ("", "")
    wrap: Callable[[str], str] = field(default=lambda text: text)
    clean: tuple[Hunk, ...] = ()

    def reply(self) -> str:
        a, b = self.names if self.names[0] else (f"--- a/{self.path}", f"+++ b/{self.path}")
        body = "".join(hunk.text(size) for hunk, size in zip(self.hunks, self.sizes, strict=True))
        return self.wrap(f"{a}\n{b}\n{body}")

    def mapped(self, change: Callable[[Hunk], Hunk]) -> "Case":
        return replace(self, hunks=tuple(change(hunk) for hunk in self.hunks))

    def resized(self) -> "Case":
        return replace(self, sizes=tuple(hunk.sizes() for hunk in self.hunks))


Flaw = Callable[[Case, random.Random], Case | None]
FLAWS: dict[str, Flaw] = {}
REFUSALS: dict[str, Flaw] = {}


def flaw(function: Flaw) -> Flaw:
    FLAWS[function.__name__.replace("_", " ")] = function
    return function


def refusal(function: Flaw) -> Flaw:
    REFUSALS[function.__name__.replace("_", " ")] = function
    return function


def by_line(case: Case, change: Callable[[str], str | None], marks: str = " +-") -> Case | None:
    """Change each line that has one of the markers; None if nothing changed, a line if it goes."""
    changed = False

    def one(hunk: Hunk) -> Hunk:
        nonlocal changed
        out = []
        for line in hunk.lines:
            new = change(line) if line[:1] and line[:1] in marks else line
            changed = changed or new != line
            if new is not None:
                out.append(new)
        return replace(hunk, lines=tuple(out))

    case = case.mapped(one)
    return case if changed else None


def some_context(
    case: Case, rng: random.Random, where: Callable[[list[str], int], bool]
) -> tuple[int, int] | None:
    spots = [
        (h, at)
        for h, hunk in enumerate(case.hunks)
        for at, line in enumerate(hunk.lines)
        if line[:1] == " " and line.strip() and where(list(hunk.lines), at)
    ]
    return rng.choice(spots) if spots else None


def with_line(case: Case, h: int, at: int, lines: list[str]) -> Case:
    hunks = list(case.hunks)
    old = list(hunks[h].lines)
    hunks[h] = replace(hunks[h], lines=tuple(old[:at] + lines + old[at + 1 :]))
    return replace(case, hunks=tuple(hunks))


def wrapped(case: Case, wrap: Callable[[str], str]) -> Case:
    inner = case.wrap
    return replace(case, wrap=lambda text: wrap(inner(text)))


def with_hunks(old: list[str], hunks: list[Hunk]) -> str:
    """The right answer: the old lines with these hunks in place."""
    out: list[str] = []
    at = 0
    for hunk in hunks:
        out += old[at : hunk.at] + [line[1:] + "\n" for line in hunk.lines if line[0] != "-"]
        at = hunk.at + sum(line[0] != "+" for line in hunk.lines)
    return "".join(out + old[at:])
