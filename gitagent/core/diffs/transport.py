"""Carrying added lines from the hunk's spelling into the file's.

Where a hunk's context and removed lines differ from the file in blanks, tabs or quotes only, the added lines
next to them are mangled the same way. The differences are measured on the lines that both sides have and
undone on those that only the hunk has. Where two ways to undo them lead to different lines, that is said.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from gitagent.core.diffs.align import Item, Path
from gitagent.core.diffs.keys import TYPOGRAPHIC, indent_of, plain

_INDENTED, _UNEVEN, _TRAILING, _INSIDE, _SIGNS, _MARKER = 3, 3, 1, 2, 2, 1
_TOKEN = re.compile(r"(\S)(\s*)")
_CODE_QUOTE = re.compile(r"[(\[{=,]\s*[“”‘’„][^\s“”‘’„]")
_LONGEST_LINE = 400
_PROSE = (".md", ".rst", ".txt", ".html", ".htm", ".tex", ".adoc", ".po", ".json", ".csv", ".xml", "")


@dataclass(slots=True)
class Carried:
    """The inserted lines in the file's spelling, by item; what the mangling cost; what is in doubt, if anything."""

    texts: dict[int, str]
    cost: int = 0
    doubt: str = ""


@dataclass(slots=True)
class _Drift:
    pairs: list[tuple[str, str]] = field(default_factory=list)  # hunk's and file's indentation
    removed_pairs: list[tuple[str, str]] = field(default_factory=list)
    signs: dict[str, str] = field(default_factory=dict)  # hunk's character to the file's
    unsure: set[str] = field(default_factory=set)  # ASCII characters that stand for others in the file
    marker_pairs: list[tuple[str, str]] = field(default_factory=list)  # marker lost, or a blank too many
    squeezed: bool = False  # runs of blanks inside lines were made one
    padded: int = 0  # lines with blanks at the end that the file has not
    unpadded: int = 0
    stripped: bool = False
    inside: bool = False


def carried(items: list[Item], path: Path, lines: list[str]) -> Carried:
    """The path's inserted lines as they belong into the file. `lines` are the file's, without newlines."""
    inserted = {
        step.item: items[step.item] for step in path.steps if step.use == "inserted" and step.item is not None
    }
    as_written = {
        number: item.text if item.kind in ("added", "bare", "context") else "" for number, item in inserted.items()
    }
    pairs = [
        (items[step.item], lines[step.at])
        for step in path.steps
        if step.use in ("kept", "removed") and step.item is not None
    ]
    if all(item.text == line or (not item.text.strip() and not line.strip()) for item, line in pairs):
        return Carried(as_written)
    drift = _measured(pairs)
    out = Carried({}, cost=_cost(drift))
    spots = [step.at for step in path.steps]
    indents = {indent_of(line) for line in lines[max(min(spots) - 200, 0) : max(spots) + 200] if line.strip()}
    for number, text in as_written.items():
        if not text.strip():
            out.texts[number] = "" if drift.padded and not drift.unpadded else text
            continue
        indent = _indented(indent_of(text), drift, indents)
        if indent is None:
            out.doubt = out.doubt or "how far to indent the added lines is not certain"
            indent = indent_of(text)
        body, doubt = _body(text.lstrip(), number, items, path, lines, drift)
        out.doubt = out.doubt or doubt
        out.texts[number] = indent + body
    return out


def _measured(pairs: list[tuple[Item, str]]) -> _Drift:
    drift = _Drift()
    for item, line in pairs:
        if not line.strip():
            continue
        text = item.text
        pair = (indent_of(text), indent_of(line))
        if item.kind == "removed":
            drift.removed_pairs.append(pair)
        elif pair[0] != pair[1] and pair[1] in (indent_of(item.raw), pair[0][1:]):
            drift.marker_pairs.append(pair)
        else:
            drift.pairs.append(pair)
        _measure_end(text, line, drift)
        if text.strip() != line.strip():
            _measure_body(text.strip(), line.strip(), drift)
    return drift


def _measure_end(text: str, line: str, drift: _Drift) -> None:
    ours, theirs = len(text) > len(text.rstrip()), len(line) > len(line.rstrip())
    drift.padded += ours and not theirs
    drift.unpadded += not ours
    drift.stripped = drift.stripped or (theirs and text[len(text.rstrip()) :] != line[len(line.rstrip()) :])


def _measure_body(text: str, line: str, drift: _Drift) -> None:
    ours, theirs = _tokens(text), _tokens(line)
    for mine, their in zip(ours, theirs, strict=False):
        if mine[0] != their[0]:
            if mine[0].isascii():
                drift.unsure.add(mine[0])
            else:
                drift.signs[mine[0]] = their[0]
        if mine[1] != their[1]:
            drift.inside = True
            drift.squeezed = drift.squeezed or len(mine[1]) < len(their[1])
            if "\u00a0" in mine[1]:
                drift.signs["\u00a0"] = " "
    if len(ours) != len(theirs):
        drift.inside = True


def _cost(drift: _Drift) -> int:
    evidence = drift.removed_pairs + drift.pairs
    cost = 0
    if any(mine != their for mine, their in evidence):
        table = dict(evidence)
        uneven = any(table[mine] != their for mine, their in evidence)
        cost += _INDENTED + (_UNEVEN if uneven else 0)
    elif drift.marker_pairs:
        cost += _MARKER
    cost += _TRAILING if drift.padded or drift.stripped else 0
    cost += _INSIDE if drift.inside else 0
    return cost + (_SIGNS if drift.signs or drift.unsure else 0)


def _indented(indent: str, drift: _Drift, indents: set[str]) -> str | None:
    """The file's indentation for an added line, None if the evidence allows several."""
    if "\u00a0" in indent and any("\u00a0" not in their for _, their in drift.pairs + drift.removed_pairs):
        indent = indent.replace("\u00a0", " ")
    evidence = drift.removed_pairs or drift.pairs or drift.marker_pairs
    if all(mine == their for mine, their in evidence):
        return indent
    outs: set[str] = set()
    if evidence is drift.marker_pairs:
        outs.add(indent)  # only the context may be off
    else:
        known = {their for mine, their in evidence if mine == indent}
        if len(known) == 1:
            return known.pop()
    for model in _models(evidence):
        out = model(indent)
        if out is not None:
            outs.add(out)
    if len(outs) > 1:
        units = {len(other) for other in indents if other and other.strip(" ") == ""}
        step = min(units, default=0)
        likely = {out for out in outs if out in indents}
        if not likely and step > 1:
            likely = {out for out in outs if out.strip(" ") == "" and len(out) % step == 0}
        outs = likely
    return outs.pop() if len(outs) == 1 else None


def _models(evidence: list[tuple[str, str]]) -> list[Callable[[str], str | None]]:
    """The rules that explain every pair of indentations."""
    out: list[Callable[[str], str | None]] = []
    mine, their = evidence[0]
    if their.endswith(mine):
        prefix = their[: len(their) - len(mine)]
        if all(b == prefix + a for a, b in evidence):
            out.append(lambda indent: prefix + indent)
    if mine.endswith(their):
        extra = mine[: len(mine) - len(their)]
        if extra and all(a == extra + b for a, b in evidence):
            out.append(lambda indent: indent[len(extra) :] if indent.startswith(extra) else None)
    deep = [(a, b) for a, b in evidence if a and b]
    if deep and all(bool(a) == bool(b) for a, b in evidence):
        for one, other in {(a[0], b[0]) for a, b in deep}:
            out += _scales(one, other, evidence)
    return out


def _scales(one: str, other: str, evidence: list[tuple[str, str]]) -> list[Callable[[str], str | None]]:
    """Rules of the kind "n of these are m of those"."""
    out: list[Callable[[str], str | None]] = []
    for n, m in ((1, 1), (1, 2), (1, 4), (1, 8), (1, 3), (2, 1), (4, 1), (8, 1), (3, 1), (4, 2), (2, 4), (8, 4), (4, 8),
                 (2, 3), (3, 2), (3, 4), (4, 3)):  # fmt: skip
        if one == other and n == m:
            continue

        def rule(indent: str, n: int = n, m: int = m) -> str | None:
            if indent.strip(one) or len(indent) % n:
                return None
            return other * (len(indent) // n * m)

        if all(rule(a) == b for a, b in evidence):
            out.append(rule)
    return out


def _body(
    text: str, number: int, items: list[Item], path: Path, lines: list[str], drift: _Drift
) -> tuple[str, str]:
    """An added line without indentation, in the file's spelling, and a doubt."""
    trailing = text[len(text.rstrip()) :]
    if trailing and drift.padded and not drift.unpadded:
        text = text.rstrip()
    if not (drift.signs or drift.unsure or drift.inside or drift.stripped):
        return text, ""
    tokens = _tokens(text)
    fresh = [True] * len(tokens)
    model = _model_line(tokens, number, items, path, lines)
    if model is not None:
        ours, theirs = model
        matcher = SequenceMatcher(None, [token[0] for token in ours], [token[0] for token in tokens], False)
        for tag, i, j, k, _ in matcher.get_opcodes():
            if tag == "equal":
                for at in range(j - i):
                    mine, their = ours[i + at], theirs[i + at]
                    blanks = their[1] if tokens[k + at][1] == mine[1] else tokens[k + at][1]
                    tokens[k + at] = (their[0], blanks)
                    fresh[k + at] = False
    doubt = ""
    for at, (char, blanks) in enumerate(tokens):
        if not fresh[at]:
            continue
        if char in drift.unsure:
            doubt = "which quotes or dashes the added lines should have is not certain"
        if drift.squeezed and at + 1 < len(tokens) and blanks and tokens[at + 1][0] == "#":
            doubt = "how many blanks the added lines should have is not certain"
        if char in drift.signs:
            char = drift.signs[char]
        elif drift.signs and char in TYPOGRAPHIC:
            char = plain(char)
        if "\u00a0" in drift.signs:
            blanks = blanks.replace("\u00a0", " ")
        tokens[at] = (char, blanks)
    return "".join(char + blanks for char, blanks in tokens), doubt


def _model_line(
    tokens: list[tuple[str, str]], number: int, items: list[Item], path: Path, lines: list[str]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]] | None:
    """The removed line that an added one is a new version of: its tokens in the hunk and in the file."""
    spot = next(at for at, step in enumerate(path.steps) if step.item == number)
    first = last = spot
    while first > 0 and path.steps[first - 1].use in ("removed", "inserted"):
        first -= 1
    while last + 1 < len(path.steps) and path.steps[last + 1].use in ("removed", "inserted"):
        last += 1
    best, score = None, 0.5
    if len(tokens) > _LONGEST_LINE:
        return None
    chars = [token[0] for token in tokens]
    for step in path.steps[first : last + 1][:32]:
        if step.use != "removed" or step.item is None:
            continue
        ours, theirs = _tokens(items[step.item].text.strip()), _tokens(lines[step.at].lstrip())
        if len(ours) != len(theirs) or len(ours) > _LONGEST_LINE:
            continue
        ratio = SequenceMatcher(None, [token[0] for token in ours], chars, False).ratio()
        if ratio > score:
            best, score = (ours, theirs), ratio
    return best


def _tokens(text: str) -> list[tuple[str, str]]:
    """A text's characters, each with the blanks after it."""
    return [(found.group(1), found.group(2)) for found in _TOKEN.finditer(text)]


def mangled_quotes(text: str, path: str, file_text: str) -> bool:
    """Whether an added line has typographic quotes where its language can only have ASCII ones."""
    if text.isascii() or not file_text or not _CODE_QUOTE.search(text):
        return False
    suffix = path[path.rfind(".") :] if "." in path else ""
    return suffix not in _PROSE and not any(quote in file_text for quote in "“”‘’„")
