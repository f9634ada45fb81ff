"""Deciding: which of the ways to lay the hunks on a file is meant, or none with certainty."""

import re
from collections.abc import Sequence

from gitagent.core.diffs.align import Target, elides, items_of
from gitagent.core.diffs.edits import Edit, File, edited, taken_apart
from gitagent.core.diffs.fits import Fit, Part, fits_of, spell
from gitagent.core.diffs.keys import UNSEEN, indent_of
from gitagent.core.diffs.read import Hunk
from gitagent.core.diffs.refusals import Refused, shown
from gitagent.core.diffs.transport import Drift, foreign
from gitagent.core.texts import lines_of

# Hunks and files beyond this are applied only where they are right to the byte.
_LONGEST_HUNKS, _LARGEST_HUNKS, _LONGEST_FILE, _LARGEST_FILE = 10_000, 200_000, 60_000, 4_000_000
_MOST_HUNKS, _FARTHEST_ABOVE = 200, 40


def exactly(text: str, hunks: Sequence[Hunk]) -> str | None:
    """The text with hunks that are right to the byte, the number and the count applied, else None."""
    lines, out, at = lines_of(text), list[str](), 0
    for hunk in hunks:
        sides = _sides(hunk)
        if sides is None or hunk.start is None:
            return None
        old, new = sides
        start = hunk.start - 1 if old else hunk.start
        if start < at or (not old and lines) or lines[start : start + len(old)] != old:
            return None
        out += lines[at:start] + new
        at = start + len(old)
        if hunk.lines[-1][:1] != " " and at < len(lines):
            return None  # as in git, a hunk that ends without context ends the file
        ends_bare = bool(new) and not new[-1].endswith("\n")
        if ends_bare and at < len(lines):
            return None
    return "".join(out + lines[at:])


def _sides(hunk: Hunk) -> tuple[list[str], list[str]] | None:
    old: list[str] = []
    new: list[str] = []
    last = ""
    for line in hunk.lines:
        mark = line[:1]
        if mark == "\\":
            for side in (old, new):
                if side and last and (side is old) >= (last == "-") and (side is new) >= (last == "+"):
                    side[-1] = side[-1].removesuffix("\n")
            continue
        if mark not in (" ", "-", "+") or not mark:
            return None
        if mark != "+":
            old.append(line[1:] + "\n")
        if mark != "-":
            new.append(line[1:] + "\n")
        last = mark
    whole = all(line.endswith("\n") for side in (old, new) for line in side[:-1])
    return (old, new) if whole and hunk.sizes == (len(old), len(new)) else None


def patched(path: str, text: str, hunks: Sequence[Hunk]) -> str:
    """The text with every hunk applied. Raises Refused if one cannot be, with certainty."""
    exact = exactly(text, hunks)
    if exact is not None:
        _check_foreign(path, text, hunks, [line[1:] for hunk in hunks for line in hunk.lines if line[:1] == "+"])
        return exact
    _check_size(path, text, hunks)
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    file = taken_apart(path, text[len(mark) :])
    parts = _parts(hunks, file)
    _choose(parts, file)
    _spelled(parts, file)
    edits, late = _together(parts)
    _check_foreign(path, text, hunks, [line for edit in edits for line in edit.new])
    new = edited(file.lines, edits)
    for part in late:
        new = _applied_late(part, path, new, file, any_edits=bool(edits))
    return mark + new


def _check_size(path: str, text: str, hunks: Sequence[Hunk]) -> None:
    """Refuse what would take long to align."""
    lines = sum(len(hunk.lines) for hunk in hunks)
    if lines > _LONGEST_HUNKS or sum(len(line) for hunk in hunks for line in hunk.lines) > _LARGEST_HUNKS:
        what = f"{lines} lines of hunks are too many to place"
    elif len(hunks) > _MOST_HUNKS:
        what = f"{len(hunks)} hunks for one file are too many to place"
    elif text.count("\n") > _LONGEST_FILE or len(text) > _LARGEST_FILE:
        what = "the file is too large to search"
    else:
        return
    message = f"{what}, and as numbered and counted the hunks do not fit"
    raise Refused("too large", path, message, line=hunks[0].line)


def _check_foreign(path: str, text: str, hunks: Sequence[Hunk], added: Sequence[str]) -> None:
    old = [line[1:] for hunk in hunks for line in hunk.lines if line[:1] in ("-", " ")]
    fault = foreign(path, text, old, added)
    if fault:
        raise Refused("ambiguous", path, f"the added lines {fault}. Write them the way the file is written")


def _seen(lines: list[str], text: str) -> list[str]:
    """A hunk's lines without the invisible characters and hard blanks that its file's lines do not have."""
    old = "".join(line for line in lines if not line.startswith("+"))
    if old.isascii():
        return lines
    gone = {ord(char): None for char in UNSEEN if char in old and char not in text}
    if "\u00a0" in old and "\u00a0" not in text:
        gone[0xA0] = " "  # type: ignore[assignment]
    return [line.translate(gone) for line in lines] if gone else lines


def _parts(hunks: Sequence[Hunk], file: File) -> list[Part]:
    """The hunks with their fits, cut where they say "and so on"."""
    out: list[Part] = []
    for number, hunk in enumerate(hunks, 1):
        lines = _seen(hunk.lines, file.text)
        dots = [at for at, line in enumerate(lines) if elides(line)]
        if len(dots) > _MOST_HUNKS:
            raise Refused("too large", file.path, f"hunk {number} leaves out too much", line=hunk.line)
        # Dots that the file has too may be just a line of it.
        sure = [at for at in dots if not file.target.at(lines[at].strip(), 1)]
        pieces = _pieces(number, hunk, lines, sure, file)
        if dots != sure and not all(part.fits for part in pieces):
            pieces = _pieces(number, hunk, lines, dots, file)
        out += pieces
    return out


def _pieces(number: int, hunk: Hunk, lines: list[str], cuts: list[int], file: File) -> list[Part]:
    out: list[Part] = []
    section = hunk.section
    for first, last in zip([0, *(at + 1 for at in cuts)], [*cuts, len(lines)], strict=True):
        items = items_of(lines[first:last], hunk.line + 1 + first)
        if any(item.kind in ("added", "removed") for item in items):
            start = hunk.start - 1 if hunk.start and first == 0 else None
            part = Part(hunk, items, number, section, start, None if cuts else hunk.sizes)
            part.fits, part.crowded = fits_of(part, file)
            if part.fits and part.fits[0].weak:
                part.fits = []
            if part.crowded and part.start is None and part.fits:
                raise _ambiguous(part, file)
            out.append(part)
        context = [item.text for item in items if item.kind in ("context", "bare")]
        section = context[-1].strip() if context else section
    return out


def _spelled(parts: list[Part], file: File) -> None:
    """Write the added lines the file's way, by what all its hunks show. Raises Refused where that is in doubt."""
    together = Drift()
    for part in parts:
        if part.chosen is not None:
            together.add(part.chosen.drift)
    for part in parts:
        if part.chosen is not None:
            spell(part.chosen, part.chosen.drift.with_others(together), part, file)
            if part.chosen.doubt:
                line = part.items[0].number
                raise Refused("ambiguous", file.path, f"hunk {part.number}: {part.chosen.doubt}", line=line)


def _choose(parts: list[Part], file: File) -> None:
    """Choose a fit for each part: those with one first, then with what they tell about the others."""
    for part in parts:
        if len(part.fits) == 1 and not part.crowded:
            part.chosen = part.fits[0]
    _same_everywhere(parts)
    for part in parts:
        if part.chosen is None and part.fits:
            part.chosen = _told_apart(part, parts, file)
    for part in parts:
        if part.chosen is None and part.fits:
            part.chosen = _by_order(part, parts)
        if part.chosen is None and part.fits:
            raise _ambiguous(part, file)


def _same_everywhere(parts: list[Part]) -> None:
    """As many equal hunks as places for them: which goes where makes no difference."""
    by_text: dict[tuple[str, ...], list[Part]] = {}
    for part in parts:
        if part.chosen is None and part.fits and not part.crowded:
            by_text.setdefault(tuple(item.raw for item in part.items), []).append(part)
    for same in by_text.values():
        fits = same[0].fits
        apart = all(a.end < b.begin for a, b in zip(_by_place(fits), _by_place(fits)[1:], strict=False))
        if len(same) > 1 and len(same) == len(fits) and apart and len({fit.cost for fit in fits}) == 1:
            for part, fit in zip(same, _by_place(fits), strict=True):
                part.chosen = fit


def _by_place(fits: list[Fit]) -> list[Fit]:
    return sorted(fits, key=lambda fit: fit.begin)


def _told_apart(part: Part, parts: list[Part], file: File) -> Fit | None:
    """The one fit that line number or section text point at, unless they point at different ones."""
    shifts = {
        other.chosen.begin - other.start for other in parts if other.chosen is not None and other.start is not None
    }
    numbered: list[Fit] = []
    if part.start is not None and len(shifts) < 2:
        expected = part.start + (next(iter(shifts)) if shifts else 0)
        numbered = [fit for fit in part.fits if fit.begin == expected and not fit.weak]
    inside = [fit for fit in part.fits if _in_section(part.section, fit.begin, file.target)]
    if not inside or len(inside) == len(part.fits):
        inside = []
    if len(numbered) == 1 and (not inside or numbered[0] in inside):
        return numbered[0]
    if len(inside) == 1 and not numbered and not part.crowded:
        return inside[0]
    return None


def _in_section(section: str, at: int, target: Target) -> bool:
    """Whether a line lies in the block that begins with the section's text."""
    if not section:
        return False
    target.spend(8 * min(at, 2000))
    for number in range(min(at, len(target.lines) - 1), max(at - 2000, -1), -1):
        line = target.lines[number]
        head = line.strip()
        if head and (head.startswith(section) or (len(section) > 30 and section.startswith(head))):
            width = len(indent_of(line))
            return not any(
                other[:1] and len(indent_of(other)) <= width and re.match(r"\s*[\w@]", other)
                for other in target.lines[number + 1 : at + 1]
            )
    return False


def _by_order(part: Part, parts: list[Part]) -> Fit | None:
    """The one fit between the neighbours' places, if the hunks are in order as far as is known."""
    if part.crowded:
        return None
    starts = [other.start for other in parts if other.start is not None]
    known = [other for other in parts if other.chosen is not None]
    places = [other.chosen.begin for other in known if other.chosen is not None]
    if not known or starts != sorted(starts) or places != sorted(places):
        return None
    at = next(at for at, other in enumerate(parts) if other is part)
    low = max((o.chosen.end for o in parts[:at] if o.chosen), default=-1)
    high = min((o.chosen.begin for o in parts[at + 1 :] if o.chosen), default=10**9)
    between = [fit for fit in part.fits if low < fit.begin and fit.end < high]
    return between[0] if len(between) == 1 else None


def _ambiguous(part: Part, file: File) -> Refused:
    first, second = part.fits[0], part.fits[1] if len(part.fits) > 1 else part.fits[0]
    if first is second and part.crowded:
        message = f"hunk {part.number} fits in more places than line {_place(first.begin, first.begin, file)}"
        message += ". Add unchanged lines above and below it until it fits only one place"
        return Refused("ambiguous", file.path, message, line=part.items[0].number)
    if first.begin == second.begin:
        unsure = next((item for item in part.items if item.kind in ("bare", "context", "blank")), part.items[0])
        message = (
            f"hunk {part.number} can be read in two ways at line {first.begin + 1}. Begin every line of it with"
            f" a blank, - or +, and copy context exactly"
        )
        return Refused("ambiguous", file.path, message, line=unsure.number)
    a, b = sorted((first.begin, second.begin))
    more = " and elsewhere" if part.crowded or len(part.fits) > 2 else ""
    message = (
        f"hunk {part.number} fits at line {_place(a, b, file)} and at line {_place(b, a, file)}{more}."
        f" Add unchanged lines above and below it until it fits only one place"
    )
    return Refused("ambiguous", file.path, message, line=part.items[0].number)


def _place(at: int, other: int, file: File) -> str:
    """A line's number and text, and the nearest line above it that tells it from the other place."""
    lines = file.target.lines
    if at >= len(lines):
        return f"{at + 1} (the end of the file)"
    text = f'{at + 1} ("{shown(lines[at].strip(), 60)}"'
    for up in range(1, _FARTHEST_ABOVE):
        if at < up:
            return text + (", at the top of the file)" if up == 1 else f", {up - 1} below the top of the file)")
        above = lines[at - up].strip()
        if other < up or above != lines[other - up].strip():
            return text + (f', {up} below "{shown(above, 60)}")' if above else f", {up} below a blank line)")
    return text + ")"


def _together(parts: list[Part]) -> tuple[list[Edit], list[Part]]:
    """The edits of all parts that go with one another, in order, and the parts that must come after."""
    edits: list[Edit] = []
    late: list[Part] = []
    for part in parts:
        if part.chosen is None or any(_clash(e, o) for e in part.chosen.edits for o in edits):
            late.append(part)
            continue
        edits += [edit for edit in part.chosen.edits if edit not in edits]
    return sorted(edits, key=lambda edit: (edit.first, edit.last)), late


def _clash(one: Edit, other: Edit) -> bool:
    if one == other:
        return False
    if one.first == one.last or other.first == other.last:
        inside = one.first < other.first < one.last or other.first < one.first < other.last
        return inside or (one.first == other.first and one.last == other.last)
    return one.first < other.last and other.first < one.last


def _applied_late(part: Part, path: str, text: str, file: File, *, any_edits: bool) -> str:
    """Apply a hunk that was written for the file as the other hunks leave it."""
    if not any_edits:
        raise _not_found(part, file)
    changed = taken_apart(path, text)
    fits, crowded = fits_of(part, changed)
    if len(fits) == 1 and not crowded and not fits[0].weak:
        part.chosen = fits[0]
        _spelled([part], changed)
        return edited(changed.lines, fits[0].edits)
    if part.chosen is not None:
        message = f"hunk {part.number} changes lines that another hunk changes too. Write one hunk for them"
        raise Refused("conflict", path, message, line=part.items[0].number)
    raise _not_found(part, file)


def _not_found(part: Part, file: File) -> Refused:
    target = file.target
    old = [item for item in part.items if item.kind in ("removed", "context", "bare") and item.text.strip()]
    if not old:
        message = f"hunk {part.number} has no unchanged lines around the added ones, so its place is not known"
        return Refused("not found", file.path, message, line=part.items[0].number)
    missing = [item for item in old if not target.at(item.text, 2)]
    item = next((item for item in missing if item.kind == "removed"), missing[0] if missing else None)
    if item is None:
        message = (
            f"the lines of hunk {part.number} are in the file, but not next to one another. Copy them from it"
        )
        return Refused("not found", file.path, message, line=old[0].number)
    what = "removes" if item.kind == "removed" else "has"
    message = f'hunk {part.number} {what} "{shown(item.text.strip(), 100)}", but no such line is in the file'
    nearest = _nearest(item.text, target.lines)
    if nearest is not None:
        message += f'. The nearest is line {nearest + 1}: "{shown(target.lines[nearest].strip(), 100)}"'
    return Refused("not found", file.path, message, line=item.number)


def _nearest(text: str, lines: list[str]) -> int | None:
    words = set(re.findall(r"\w+", text))
    best, most = None, max(len(words) // 2, 1)
    for number, line in enumerate(lines[:20000]):
        if len(line) < 500:
            shared = len(words.intersection(re.findall(r"\w+", line)))
            if shared >= most and (best is None or shared > most):
                best, most = number, shared
    return best
