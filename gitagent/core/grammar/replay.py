"""Reads an answer line by line against its ground: the new text, and the diff with right counts."""

from dataclasses import dataclass, field

from gitagent.core.grammar.ground import CONTEXT, FENCE_CLOSE, NO_NEWLINE, Ground
from gitagent.errors import DiffError


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What an answer comes to: the file's whole new text and the unified diff that leads to it.

    `first_line` is the first line changed, counted from 1 in the old text.
    """

    text: str
    diff: str
    added: int
    removed: int
    first_line: int


@dataclass(slots=True)
class _Path:
    """Where in the excerpt an answer is, and what it has done so far; `at` is the next line of the file."""

    ground: Ground
    at: int = 0
    hunks: int = 0
    run: int = 0
    changed: bool = True
    removed: set[int] = field(default_factory=set)
    added: dict[int, list[str]] = field(default_factory=dict)
    ended: bool = False


def replay(ground: Ground, answer: str, *, cut: bool = False) -> Edit:
    """What `answer` does to the ground's file.

    With `cut` the answer may stop anywhere, even inside a line: what was said until then counts, to the last
    whole line. Raises DiffError if it is no path through the ground's grammar, or changes nothing.
    """
    if not answer.startswith(ground.head):
        raise DiffError(f"{ground.path}: the answer does not begin with the diff's own head")
    path = _Path(ground)
    lines = answer[len(ground.head) :].split("\n")
    last = lines.pop()
    for line in lines:
        _step(path, line + "\n")
    if last == FENCE_CLOSE:
        path.ended = True
    elif last and not cut:
        raise DiffError(f"{ground.path}: the answer stops inside a line")
    if not path.changed and not cut:
        raise DiffError(f"{ground.path}: the last hunk changes nothing")
    if not path.removed and not path.added:
        raise DiffError(f"{ground.path}: the answer stops before its first change")
    edit = _edit(path)
    if edit.text == "".join((*ground.before, *ground.lines, *ground.after)):
        raise DiffError(f"{ground.path}: the diff changes nothing")
    return edit


def _step(path: _Path, line: str) -> None:
    ground = path.ground
    marker = line[0]
    if path.ended:
        raise _astray(path, line)
    if marker in " -" and path.hunks and _is_next(path, line):
        if marker == "-":
            path.removed.add(path.at)
            path.changed = True
        path.at += 1
        path.run = 0
    elif marker == "+" and path.hunks and path.run < ground.bounds.added_lines and _may_follow(path, line):
        path.added.setdefault(path.at, []).append(line[1:])
        path.changed = True
        path.run += 1
    elif marker == "@" and path.changed and path.hunks < ground.bounds.hunks:
        _enter(path, line)
    elif line == NO_NEWLINE and _takes_no_newline(path):
        if path.run:
            held = path.added[path.at]
            held[-1] = held[-1].removesuffix("\n").removesuffix("\r")
    else:
        raise _astray(path, line)


def _enter(path: _Path, line: str) -> None:
    ground = path.ground
    starts = range(path.at, len(ground.lines) + 1)
    start = next((at for at in starts if line == ground.header(at)), None)
    if start is None:
        raise _astray(path, line)
    path.at, path.run, path.changed = start, 0, False
    path.hunks += 1


def _is_next(path: _Path, line: str) -> bool:
    lines = path.ground.lines
    return path.at < len(lines) and line[1:].removesuffix("\n") == lines[path.at].removesuffix("\n")


def _may_follow(path: _Path, line: str) -> bool:
    """Whether an added line is a line, short enough, and not put after a line that has no newline."""
    ground = path.ground
    body = line[1:].removesuffix(ground.newline)
    at_open_end = path.at == len(ground.lines) and ground.lacks_newline
    return (
        line.endswith(ground.newline)
        and len(body) <= ground.bounds.line_characters
        and not any((c < " " and c != "\t") or c == "\x7f" for c in body)
        and not (at_open_end and path.at - 1 not in path.removed)
    )


def _takes_no_newline(path: _Path) -> bool:
    return path.hunks > 0 and path.at == len(path.ground.lines) and path.ground.lacks_newline


def _astray(path: _Path, line: str) -> DiffError:
    where = path.ground.first_line + path.at
    return DiffError(f"{path.ground.path}: at line {where} the answer may not go on with {line[:80]!r}")


def _edit(path: _Path) -> Edit:
    ground = path.ground
    old = (*ground.before, *ground.lines, *ground.after)
    first = len(ground.before)
    touched = sorted({first + at for at in path.removed} | {first + at for at in path.added})
    removed = {first + at for at in path.removed}
    added = {first + at: tuple(lines) for at, lines in path.added.items()}
    new: list[str] = []
    for at in range(len(old) + 1):
        new += added.get(at, ())
        if at < len(old) and at not in removed:
            new.append(old[at])
    text = "".join(new)
    names = _names(ground.path, is_new=ground.is_new)
    hunks = "".join(_hunks(old, removed, added, touched))
    return Edit(
        text=text,
        diff=names + hunks,
        added=sum(map(len, added.values())),
        removed=len(removed),
        first_line=touched[0] + 1,
    )


def _hunks(
    old: tuple[str, ...], removed: set[int], added: dict[int, tuple[str, ...]], touched: list[int]
) -> list[str]:
    """Hunks with three lines of context, those that would meet made one."""
    spans: list[list[int]] = []
    for at in touched:
        low = max(at - CONTEXT, 0)
        high = min(at + (at in removed) + CONTEXT, len(old))
        if spans and low <= spans[-1][1]:
            spans[-1][1] = max(high, spans[-1][1])
        else:
            spans.append([low, high])
    out: list[str] = []
    shift = 0
    for low, high in spans:
        body: list[str] = []
        grown = 0
        for at in range(low, high + 1):
            # What is added at `high` belongs to this hunk only at the file's end; else context follows it.
            if at < high or high == len(old):
                body += [_told("+", line) for line in added.get(at, ())]
                grown += len(added.get(at, ()))
            if at < high:
                body.append(_told("-" if at in removed else " ", old[at]))
                grown -= at in removed
        source, target = high - low, high - low + grown
        body.insert(0, f"@@ -{_range(low, source)} +{_range(low + shift, target)} @@\n")
        out += body
        shift += grown
    return out


def _range(low: int, count: int) -> str:
    """A side of a hunk header; an empty side names the line before it."""
    return f"{low + 1 if count else low},{count}"


def _told(marker: str, line: str) -> str:
    return marker + line if line.endswith("\n") else f"{marker}{line}\n{NO_NEWLINE}"


def _names(path: str, *, is_new: bool) -> str:
    a, b = _name(f"a/{path}"), _name(f"b/{path}")
    begin = f"diff --git {a} {b}\n" + ("new file mode 100644\n" if is_new else "")
    # As git writes it, a tab ends a name with a space in it.
    tab = "\t" if " " in path else ""
    source = "/dev/null" if is_new else a + tab
    return f"{begin}--- {source}\n+++ {b}{tab}\n"


def _name(name: str) -> str:
    """A name as git writes it: in quotes and escaped if it holds a quote, a backslash or a control character."""
    if all(c not in '"\\' and c >= " " and c != "\x7f" for c in name):
        return name
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    told = (short.get(c, c if c >= " " and c != "\x7f" else f"\\{ord(c):03o}") for c in name)
    return '"' + "".join(told) + '"'
