"""Writing unified diffs that git applies without options, to the same bytes."""

import re
from collections.abc import Mapping

from gitagent.core.diffs.lines import changes
from gitagent.core.texts import lines_of
from gitagent.records import Diff

_CONTEXT = 3
_NAMED = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", '"': '"', "\\": "\\"}
# What git quotes whatever core.quotePath says, and bytes that are no UTF-8 (surrogates in our texts).
_SPECIAL = re.compile('[\x00-\x1f\x7f"\\\\\udc80-\udcff]')


def quoted(path: str) -> str:
    """The path as git writes it in a header: in C quotes if it holds control characters or quotes."""
    if not _SPECIAL.search(path):
        return path
    return '"' + _SPECIAL.sub(_escaped, path) + '"'


def _escaped(found: re.Match[str]) -> str:
    char = found.group()
    if char in _NAMED:
        return "\\" + _NAMED[char]
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))


def between(
    texts: Mapping[str, tuple[str | None, str | None]],
    *,
    modes: Mapping[str, tuple[int | None, int | None]] | None = None,
) -> Diff:
    """The clean diff from old texts to new ones, keyed by path; None is a file that does not exist.

    `modes` are old and new file modes where they matter: other than 100644, or changed.
    """
    out: list[str] = []
    paths, added, removed = [], 0, 0
    for path, (old, new) in sorted(texts.items()):
        before, after = (modes or {}).get(path, (None, None))
        if old == new and (before == after or old is None):
            continue
        paths.append(path)
        out += _header(path, old, new, before, after)
        if old == new:
            continue
        body, plus, minus = _hunks(lines_of(old or ""), lines_of(new or ""))
        added, removed = added + plus, removed + minus
        if body:
            out += [_name("---", None if old is None else f"a/{path}")]
            out += [_name("+++", None if new is None else f"b/{path}")]
            out += body
    return Diff(text="".join(out), paths=tuple(paths), added=added, removed=removed)


def _header(path: str, old: str | None, new: str | None, before: int | None, after: int | None) -> list[str]:
    lines = [f"diff --git {quoted('a/' + path)} {quoted('b/' + path)}\n"]
    if old is None:
        lines.append(f"new file mode {after or 0o100644:06o}\n")
    elif new is None:
        lines.append(f"deleted file mode {before or 0o100644:06o}\n")
    elif before and after and before != after:
        lines.append(f"old mode {before:06o}\nnew mode {after:06o}\n")
    return lines


def _name(mark: str, path: str | None) -> str:
    if path is None:
        return f"{mark} /dev/null\n"
    name = quoted(path)
    # Without the tab, readers other than git take what follows a blank for a timestamp.
    return f"{mark} {name}\t\n" if name == path and " " in path else f"{mark} {name}\n"


def _hunks(old: list[str], new: list[str]) -> tuple[list[str], int, int]:
    """The hunks' lines, and how many lines they add and remove."""
    out: list[str] = []
    added = removed = 0
    blocks = changes(old, new)
    at = 0
    while at < len(blocks):
        last = at
        while last + 1 < len(blocks) and blocks[last + 1][0] - blocks[last][1] <= 2 * _CONTEXT:
            last += 1
        start = max(blocks[at][0] - _CONTEXT, 0)
        stop = min(blocks[last][1] + _CONTEXT, len(old))
        new_start = blocks[at][2] - (blocks[at][0] - start)
        new_stop = blocks[last][3] + (stop - blocks[last][1])
        out.append(f"@@ -{_span(start, stop)} +{_span(new_start, new_stop)} @@\n")
        for a, b, c, d in blocks[at : last + 1]:
            out += [_marked(" ", line) for line in old[start:a]]
            out += [_marked("-", line) for line in old[a:b]]
            out += [_marked("+", line) for line in new[c:d]]
            added, removed, start = added + d - c, removed + b - a, b
        out += [_marked(" ", line) for line in old[start:stop]]
        at = last + 1
    return out, added, removed


def _span(start: int, stop: int) -> str:
    size = stop - start
    first = start + 1 if size else start
    return f"{first}" if size == 1 else f"{first},{size}"


def _marked(mark: str, line: str) -> str:
    return mark + line if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"
