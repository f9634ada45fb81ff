"""Unified diffs: making them, reading them out of replies, and applying them exactly or not at all."""

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import unidiff

from gitagent.errors import DiffError
from gitagent.records import Diff


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A clean diff and the whole new texts it leads to, keyed by path; None means the file goes away."""

    diff: Diff
    texts: Mapping[str, str | None] = field(hash=False)


def lines_of(text: str) -> list[str]:
    """The lines of a text with their newlines; only `\\n` ends a line."""
    lines = text.split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])


def between(texts: Mapping[str, tuple[str | None, str | None]]) -> Diff:
    """The clean diff from old texts to new ones, keyed by path; None is a file that does not exist."""
    out: list[str] = []
    paths, added, removed = [], 0, 0
    for path, (old, new) in sorted(texts.items()):
        if old == new:
            continue
        paths.append(path)
        out.append(f"diff --git a/{path} b/{path}\n")
        if old is None:
            out.append("new file mode 100644\n")
        if new is None:
            out.append("deleted file mode 100644\n")
        source = "/dev/null" if old is None else f"a/{path}"
        target = "/dev/null" if new is None else f"b/{path}"
        for line in difflib.unified_diff(lines_of(old or ""), lines_of(new or ""), source, target):
            if line.startswith("+") and not line.startswith("+++"):
                added += 1
            elif line.startswith("-") and not line.startswith("---"):
                removed += 1
            out.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return Diff(text="".join(out), paths=tuple(paths), added=added, removed=removed)


def apply_reply(
    reply: str, read: Callable[[str], str | None], *, allowed: Collection[str] | None = None
) -> Applied:
    """Find the diff in a reply and apply it to the texts `read` gives (None: no such file).

    `allowed` are the only paths it may touch. Raises DiffError, worded for the model that wrote the reply,
    if there is no diff, it does not fit exactly one place, it changes nothing, or it may not be applied.
    """
    try:
        patch = unidiff.PatchSet(reply)
    except unidiff.UnidiffParseError as error:
        raise DiffError(f"the reply is no unified diff: {error}") from error
    pairs: dict[str, tuple[str | None, str | None]] = {}
    for file in patch:
        if allowed is not None and file.path not in allowed:
            raise DiffError(f"{file.path}: only {', '.join(sorted(allowed))} may be changed")
        old = read(file.path)
        lines = lines_of(old or "")
        out: list[str] = []
        at = 0
        for hunk in file:
            source = [line.value for line in hunk if not line.is_added]
            start = max(hunk.source_start - 1, 0)
            if lines[start : start + len(source)] != source:
                raise DiffError(f"{file.path}: the hunk at line {hunk.source_start} is not what the file holds")
            out += lines[at:start] + [line.value for line in hunk if not line.is_removed]
            at = start + len(source)
        out += lines[at:]
        pairs[file.path] = (old, None if file.is_removed_file else "".join(out))
    diff = between(pairs)
    if not diff.paths:
        raise DiffError("the diff changes nothing")
    return Applied(diff=diff, texts={path: pairs[path][1] for path in diff.paths})
