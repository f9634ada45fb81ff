"""From a path through a hunk to the edit it makes of the file: new lines, line endings, the file's end."""

from collections.abc import Sequence
from dataclasses import dataclass

from gitagent.core.diffs.align import Item, Path, Target
from gitagent.core.diffs.keys import bare, ending
from gitagent.core.texts import lines_of

_NO_NEWLINE = "whether the file should end in a newline is not certain"
_ENDINGS = "which line ending the added lines should have is not certain"


@dataclass(frozen=True, slots=True)
class Edit:
    """`lines[first:last]` become `new`, newlines included."""

    first: int
    last: int
    new: tuple[str, ...]


@dataclass(slots=True)
class File:
    """A file's text taken apart once."""

    path: str
    text: str
    lines: list[str]
    target: Target
    endings: set[str]


def taken_apart(path: str, text: str) -> File:
    lines = lines_of(text)
    without = text.split("\n")
    if not without[-1]:
        without.pop()
    endings = {"\n"} if "\n" in text else set()
    if "\r" in text:
        without = [bare(line) for line in without]
        endings = {ending(line) for line in lines} - {""}
    return File(path, text, lines, Target(without, path=path), endings)


def edits_of(path: Path, items: list[Item], file: File, texts: dict[int, str]) -> tuple[tuple[Edit, ...], str]:
    """What the path does to the file's lines, with their newlines, and a doubt about those."""
    out: list[Edit] = []
    doubt = ""
    steps = path.steps
    explicit = _explicit_endings(path, items, file.lines)
    at = 0
    while at < len(steps):
        if steps[at].use not in ("removed", "inserted"):
            at += 1
            continue
        end = at
        while end < len(steps) and steps[end].use in ("removed", "inserted"):
            end += 1
        block = steps[at:end]
        removed = [step.at for step in block if step.use == "removed"]
        numbers = [step.item for step in block if step.use == "inserted" and step.item is not None]
        first = removed[0] if removed else block[0].at
        last = removed[-1] + 1 if removed else first
        new: list[str] = []
        for place, number in enumerate(numbers):
            if explicit:
                newline = "\r\n" if items[number].carriage else "\n"
            else:
                newline, unsure = _newline(file, first, last, place)
                doubt = doubt or unsure
            new.append(texts[number] + newline)
        out.append(Edit(first, last, tuple(new)))
        at = end
    if out and out[-1].last == len(file.lines) and file.lines:
        out[-1], unsure = _at_the_end(out[-1], items, steps, file)
        doubt = doubt or unsure
    return tuple(out), doubt


def _explicit_endings(path: Path, items: list[Item], lines: list[str]) -> bool:
    """Whether the hunk itself shows which lines end in `\\r\\n`, and rightly so."""
    pairs = [
        (items[step.item].carriage, lines[step.at].endswith("\r\n"))
        for step in path.steps
        if step.use in ("kept", "removed") and step.item is not None
    ]
    return any(mine for mine, _ in pairs) and all(mine == their for mine, their in pairs)


def _newline(file: File, first: int, last: int, place: int) -> tuple[str, str]:
    """The newline for the `place`-th line put where `lines[first:last]` were, and a doubt."""
    if len(file.endings) < 2:
        return (next(iter(file.endings)) if file.endings else "\n"), ""
    if last > first:
        near = {ending(line) for line in file.lines[first:last]} - {""}
        if len(near) == 1:
            return near.pop(), ""
        if place < last - first and ending(file.lines[first + place]):
            return ending(file.lines[first + place]), ""
    around = {ending(line) for line in file.lines[max(first - 1, 0) : last + 1]} - {""}
    return (around.pop(), "") if len(around) == 1 else ("\n", _ENDINGS)


def _at_the_end(edit: Edit, items: list[Item], steps: Sequence[object], file: File) -> tuple[Edit, str]:
    """The edit that reaches the file's end, with the right end of the last line."""
    had_newline = file.lines[-1].endswith("\n")
    marks = [item for item in items if item.no_newline]
    added = [item for item in items if item.kind == "added"]
    if not edit.new:
        # Unless the diff says that the removed end was bare, the line above may be meant to be bare in its place.
        return edit, "" if had_newline or marks or not edit.first else _NO_NEWLINE
    marked = bool(added) and added[-1].no_newline
    if had_newline:
        return edit, _NO_NEWLINE if marked else ""
    new = list(edit.new)
    if marked or not marks:
        new[-1] = bare(new[-1])
    if edit.first == len(file.lines):
        # The last line had no newline and now has something after it.
        newline = next(iter(file.endings)) if len(file.endings) == 1 else "\n"
        return Edit(edit.first - 1, edit.last, (file.lines[-1] + newline, *new)), ""
    return Edit(edit.first, edit.last, tuple(new)), ""


def same_outcome(one: tuple[Edit, ...], other: tuple[Edit, ...], lines: list[str]) -> bool:
    if one == other:
        return True
    if sum(len(e.new) - e.last + e.first for e in one) != sum(len(e.new) - e.last + e.first for e in other):
        return False
    if not one or not other:
        return False
    first = min(one[0].first, other[0].first)
    last = max(one[-1].last, other[-1].last)
    return _stretch(one, lines, first, last) == _stretch(other, lines, first, last)


def _stretch(edits: tuple[Edit, ...], lines: list[str], first: int, last: int) -> str:
    out: list[str] = []
    for edit in edits:
        out += lines[first : edit.first]
        out += edit.new
        first = edit.last
    return "".join(out + lines[first:last])


def edited(lines: list[str], edits: Sequence[Edit]) -> str:
    return _stretch(tuple(edits), lines, 0, len(lines))
