"""Carrying added lines from the hunk's spelling into the file's.

Where a hunk's context and removed lines differ from the file in blanks, tabs or quotes only, the added lines
next to them are mangled the same way. The differences are measured on the lines that both sides have and
undone on those that only the hunk has. Where two ways to undo them lead to different lines, that is said.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from gitagent.core.diffs.align import Item, Path
from gitagent.core.diffs.keys import TYPOGRAPHIC, indent_of, plain

_INDENTED, _UNEVEN, _TRAILING, _INSIDE, _SIGNS, _MARKER = 3, 3, 1, 2, 2, 1
_TOKEN = re.compile(r"(\S)(\s*)")
_WORD = re.compile(r"\w+")
_CODE_QUOTE = re.compile(r"[(\[{=,]\s*[“”‘’„][^\s“”‘’„]")
_CLASSES = tuple(
    ("".join(sign for sign, plain_sign in TYPOGRAPHIC.items() if plain_sign == ascii_sign), ascii_sign)
    for ascii_sign in ("'", '"', "-")
)
# Two blanks for four, a tab for one to eight, and back.
_RATIOS = ((1, 1), (1, 2), (2, 1), (1, 4), (4, 1), (1, 8), (8, 1), (1, 3), (3, 1))
_BLANKS_UNSURE = "how many blanks the added lines should have is not certain"
_TELLING = 8  # indented lines of a file that show how it is indented
_LONGEST_LINE = 400
_MOST_RESPELLED = 12_000  # characters of a hunk's added lines, of some microseconds each
_PROSE = (".md", ".rst", ".txt", ".html", ".htm", ".tex", ".adoc", ".po", ".json", ".csv", ".xml", "")


@dataclass(slots=True)
class Drift:
    """How a hunk's spelling differs from the file's, as far as it shows on lines that both have."""

    pairs: list[tuple[str, str]] = field(default_factory=list)  # hunk's and file's indentation
    removed_pairs: list[tuple[str, str]] = field(default_factory=list)
    marker_pairs: list[tuple[str, str]] = field(default_factory=list)  # marker lost, or a blank too many
    signs: dict[str, str] = field(default_factory=dict)  # hunk's character to the file's
    unsure: set[str] = field(default_factory=set)  # ASCII characters that stand for others in the file
    squeezed: bool = False  # runs of blanks inside lines were made one
    padded: bool = False  # lines with blanks at the end that the file has not
    stripped: bool = False
    inside: bool = False

    def none(self) -> bool:
        """Whether every line is spelled as in the file."""
        indents = self.pairs + self.removed_pairs + self.marker_pairs
        other = self.signs or self.unsure or self.padded or self.stripped or self.inside
        return not other and all(mine == their for mine, their in indents)

    def respells(self) -> bool:
        """Whether the inside of added lines may have to change."""
        return bool(self.signs or self.unsure or self.inside or self.stripped)

    def cost(self) -> int:
        """The price of the mangling: each kind once, however many lines have it."""
        evidence = self.removed_pairs + self.pairs
        cost = 0
        if any(mine != their for mine, their in evidence):
            table = dict(evidence)
            cost += _INDENTED + (_UNEVEN if any(table[mine] != their for mine, their in evidence) else 0)
        elif self.marker_pairs:
            cost += _MARKER
        cost += _TRAILING if self.padded or self.stripped else 0
        cost += _INSIDE if self.inside else 0
        return cost + (_SIGNS if self.signs or self.unsure else 0)

    def with_others(self, other: "Drift") -> "Drift":
        """This one, with what the file's other hunks show where this one's lines show nothing."""
        own = any(mine or their for mine, their in self.pairs + self.removed_pairs)
        source = self if own else other
        return Drift(
            source.pairs,
            source.removed_pairs,
            self.marker_pairs if own or self.marker_pairs else other.marker_pairs,
            other.signs | self.signs,
            other.unsure | self.unsure,
            self.squeezed or other.squeezed,
            self.padded or other.padded,
            self.stripped,
            self.inside,
        )

    def add(self, other: "Drift") -> None:
        """Take in what another hunk shows."""
        self.pairs += other.pairs
        self.removed_pairs += other.removed_pairs
        self.marker_pairs += other.marker_pairs
        self.signs |= other.signs
        self.unsure |= other.unsure
        self.squeezed |= other.squeezed
        self.padded |= other.padded


def measured(items: list[Item], path: Path, lines: list[str]) -> Drift:
    """The drift of a hunk laid on a file in one way. `lines` are the file's, without newlines."""
    drift = Drift()
    for step in path.steps:
        if step.use not in ("kept", "removed") or step.item is None:
            continue
        item, line = items[step.item], lines[step.at]
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
        if text == line:
            continue
        _measure_end(text, line, drift)
        if text.strip() != line.strip():
            _measure_body(text.strip(), line.strip(), drift)
    return drift


def carried(items: list[Item], path: Path, lines: list[str], drift: Drift) -> tuple[dict[int, str], str]:
    """The path's inserted lines as they belong into the file, by item, and a doubt if there is one."""
    numbers = [step.item for step in path.steps if step.use == "inserted" and step.item is not None]
    written = {at: "" if items[at].kind == "blank" else items[at].text for at in numbers}
    if drift.none():
        return written, ""
    indents = _indented({indent_of(text) for text in written.values() if text.strip()}, drift, path, lines)
    if indents is None:
        return written, "how far to indent the added lines is not certain"
    out: dict[int, str] = {}
    doubt = ""
    if drift.respells() and sum(map(len, written.values())) > _MOST_RESPELLED:
        return written, "how to spell so many added lines is not certain"
    for number, text in written.items():
        if not text.strip():
            out[number] = "" if drift.padded else text
            continue
        body, unsure = _body(text.lstrip(), number, items, path, lines, drift)
        doubt = doubt or unsure
        out[number] = indents[indent_of(text)] + body
    return out, doubt


def _measure_end(text: str, line: str, drift: Drift) -> None:
    ours, theirs = len(text) > len(text.rstrip()), len(line) > len(line.rstrip())
    drift.padded = drift.padded or (ours and not theirs)
    drift.stripped = drift.stripped or (theirs and text[len(text.rstrip()) :] != line[len(line.rstrip()) :])


def _measure_body(text: str, line: str, drift: Drift) -> None:
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


def _indented(wanted: set[str], drift: Drift, path: Path, lines: list[str]) -> dict[str, str] | None:
    """The file's indentation for each of the hunk's that added lines have, None if the evidence allows several.

    Removed lines are marked as added ones are, so they are the better witnesses. Context lines may have lost
    their marker or have a blank too many, all by themselves.
    """
    sure = any(mine or their for mine, their in drift.removed_pairs)
    evidence = drift.removed_pairs + drift.pairs
    even = all(dict(evidence)[mine] == their for mine, their in evidence)
    if not even and sure:
        evidence, even = drift.removed_pairs, True
    if even and all(mine == their for mine, their in evidence) and (evidence or not drift.marker_pairs):
        return {indent: indent for indent in wanted}
    known = dict(drift.removed_pairs)
    if any(known[mine] != their for mine, their in drift.removed_pairs):
        return None
    if sure:
        known = dict(evidence)
    near, wide = _indents(path, lines, 1), _indents(path, lines, 200)
    trusted = sure or not drift.marker_pairs
    if trusted and evidence and even:
        outcomes = _outcomes(_models(evidence), wanted, known)
        if not outcomes and wanted <= set(dict(evidence)):
            outcomes = [{indent: dict(evidence)[indent] for indent in wanted}]
        if len(outcomes) == 1 and (sure or _likely(outcomes[0], wide)):
            return outcomes[0]
        if any(_likely(outcome, wide) for outcome in outcomes):
            return _likeliest(outcomes, near, wide)
        if sure:
            return None
    off = {len(their) - len(mine) for mine, their in drift.pairs + drift.marker_pairs}
    shifts = {0} | {by + more for by in off for more in (-1, 0, 1)}
    return _likeliest(_outcomes([_shift(by) for by in sorted(shifts)], wanted, {}), wide, wide)


def _indents(path: Path, lines: list[str], reach: int) -> set[str]:
    spots = [step.at for step in path.steps]
    around = lines[max(min(spots) - reach, 0) : max(spots) + reach + 1]
    return {indent_of(line) for line in around if line.strip()}


def _outcomes(
    models: list[Callable[[str], str | None]], wanted: set[str], known: dict[str, str]
) -> list[dict[str, str]]:
    out: list[dict[str, str]] = []
    for model in models:
        outcome = {indent: known.get(indent, model(indent)) for indent in wanted}
        whole = {mine: their for mine, their in outcome.items() if their is not None}
        if len(whole) == len(wanted) and whole not in out:
            out.append(whole)
    return out


def _likely(outcome: dict[str, str], indents: set[str]) -> bool:
    """Whether the least indented of the lines stands where some line of the file stands."""
    return not outcome or min(outcome.values(), key=len) in indents


def _likeliest(outcomes: list[dict[str, str]], near: set[str], wide: set[str]) -> dict[str, str] | None:
    """The only outcome that looks like the file: every line of it, or the outermost, close by or farther off."""
    if len(outcomes) > 1:
        unit = next((unit for unit in (8, 4, 3, 2) if _share(wide, unit) >= 0.8), 1)
        best = max(_share(outcome.values(), unit) for outcome in outcomes)
        outcomes = [outcome for outcome in outcomes if _share(outcome.values(), unit) == best]
    whole = [outcome for outcome in outcomes if set(outcome.values()) <= wide]
    if len(whole) == 1:
        return whole[0]
    for indents in (near, wide):
        likely = [outcome for outcome in whole or outcomes if _likely(outcome, indents)]
        if likely:
            return likely[0] if len(likely) == 1 else None
    return None


def _share(indents: Collection[str], unit: int) -> float:
    """The share of indentations that are whole multiples of a unit."""
    return sum(len(indent) % unit == 0 for indent in indents) / max(len(indents), 1)


def _shift(by: int) -> Callable[[str], str | None]:
    def rule(indent: str) -> str | None:
        if indent.strip(" "):
            return None
        return " " * (len(indent) + by) if len(indent) + by >= 0 else None

    return rule


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
    for n, m in _RATIOS:
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
    text: str, number: int, items: list[Item], path: Path, lines: list[str], drift: Drift
) -> tuple[str, str]:
    """An added line without indentation, in the file's spelling, and a doubt."""
    trailing = text[len(text.rstrip()) :]
    if trailing and drift.padded:
        text = text.rstrip()
    if not drift.respells():
        return text, ""
    tokens = _tokens(text)
    fresh, written = [True] * len(tokens), list(tokens)
    model = _model_line(tokens, number, items, path, lines)
    if model is not None:
        ours, theirs = model
        matcher = SequenceMatcher(None, [token[0] for token in ours], [token[0] for token in tokens], False)
        for tag, i, j, k, end in matcher.get_opcodes():
            if tag == "equal":
                for at in range(j - i):
                    tokens[k + at] = (theirs[i + at][0], _blanks(tokens[k + at], ours[i + at], theirs[i + at]))
                    fresh[k + at] = False
            elif tag == "replace":
                tokens[end - 1] = (tokens[end - 1][0], _blanks(tokens[end - 1], ours[j - 1], theirs[j - 1]))
            elif tag == "insert" and k and i:
                if ours[i - 1][1] != theirs[i - 1][1] and not _one_sign(written[k - 1 : end]):
                    return text, _BLANKS_UNSURE
                # A sign that grew, as > to >=: the blanks after it stay after it.
                tokens[end - 1] = (tokens[end - 1][0], _blanks(tokens[end - 1], ours[i - 1], theirs[i - 1]))
                tokens[k - 1] = (tokens[k - 1][0], written[k - 1][1])
            elif tag == "delete" and k and j:
                tokens[k - 1] = (tokens[k - 1][0], _blanks(written[k - 1], ours[j - 1], theirs[j - 1]))
    doubt = ""
    for at, (char, blanks) in enumerate(tokens):
        if drift.squeezed and blanks and at + 1 < len(tokens) and fresh[at + 1] and tokens[at + 1][0] == "#":
            doubt = _BLANKS_UNSURE
        if not fresh[at]:
            continue
        if char in drift.unsure:
            doubt = "which quotes or dashes the added lines should have is not certain"
        if char in drift.signs:
            char = drift.signs[char]
        elif drift.signs and char in TYPOGRAPHIC:
            char = plain(char)
        if "\u00a0" in drift.signs:
            blanks = blanks.replace("\u00a0", " ")
        tokens[at] = (char, blanks)
    return "".join(char + blanks for char, blanks in tokens), doubt


def _one_sign(tokens: list[tuple[str, str]]) -> bool:
    """Whether characters make one operator."""
    return not any(char.isalnum() or char in "_()[]{},;'\"" for char, _ in tokens) and not any(
        blanks for _, blanks in tokens[:-1]
    )


def _blanks(written: tuple[str, str], ours: tuple[str, str], theirs: tuple[str, str]) -> str:
    """The blanks after a character: the file's where the added line has the same as the removed one."""
    return theirs[1] if written[1] == ours[1] else written[1]


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
    if len(tokens) > _LONGEST_LINE:
        return None
    words = set(_WORD.findall(items[number].text))
    best, most = None, len(words) / 4
    for step in path.steps[first : last + 1]:
        if step.use == "removed" and step.item is not None:
            shared = len(words.intersection(_WORD.findall(items[step.item].text)))
            if shared > most or (shared == most and best is None):
                best, most = step, shared
    if best is None or best.item is None:
        return None
    ours, theirs = _tokens(items[best.item].text.strip()), _tokens(lines[best.at].lstrip())
    return (ours, theirs) if len(ours) == len(theirs) <= _LONGEST_LINE else None


def _tokens(text: str) -> list[tuple[str, str]]:
    """A text's characters, each with the blanks after it."""
    return [(found.group(1), found.group(2)) for found in _TOKEN.finditer(text)]


def foreign(path: str, text: str, old: Sequence[str], added: Sequence[str]) -> str:
    """What in the added lines is foreign to the file with nothing to show that it is meant, "" if nothing is.

    `old` are the hunks' context and removed lines in their own spelling. Typographic quotes and dashes, hard
    blanks and another kind of indentation are put there by chat windows and models far more often than by
    people; where the hunk's other lines have the plain form, it was not mangled and they are meant.
    """
    source = "".join(line for line in old if line[:1] in ("\t", " ") and line.strip())
    if not source and sum(text.count("\n" + blank) for blank in " \t") >= _TELLING:
        widths = {len(indent_of(line)) for line in added if line[:1] == " " and line.strip()}
        if widths and not re.search(rf"(?m)^ {{{min(widths)}}}\S", text):
            return f"are indented by {min(widths)} blanks, which no line of the file is"
        tabs, blanks = _indented_with("\t", text), _indented_with(" ", text)
        if (blanks and not tabs and any(line[:1] == "\t" for line in added)) or (
            tabs and not blanks and any(line[:2] == "  " for line in added)
        ):
            return "are indented with " + ("tabs" if blanks else "blanks") + ", which the file is not"
    tabs = any(line[:1] == "\t" for line in added)
    if tabs and text and not source and path.endswith((".py", ".pyi")) and not _indented_with("\t", text):
        return "are indented with tabs, which the file is not"
    new = "".join(added)
    if new.isascii():
        return ""
    if "\u00a0" in new and "\u00a0" not in text and any("\u00a0" in indent_of(line) for line in added):
        return "are indented with hard blanks"
    if not text or path[path.rfind(".") :] in _PROSE or "." not in path:
        return ""
    if _CODE_QUOTE.search(new) and not any(quote in text for quote in "“”‘’„"):
        return "have typographic quotes, which the file has not"
    shown = "".join(old)
    for signs, ascii_sign in _CLASSES:
        only_here = any(sign in new for sign in signs) and not any(sign in text for sign in signs)
        if only_here and ascii_sign in text and ascii_sign not in shown and ascii_sign not in new:
            return "have typographic quotes or dashes, which the file has not"
    return ""


def _indented_with(blank: str, text: str) -> bool:
    return text.startswith(blank) or "\n" + blank in text
