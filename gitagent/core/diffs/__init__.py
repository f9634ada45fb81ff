"""Unified diffs: making them, reading them out of replies, and applying them exactly or not at all."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from gitagent.core.diffs.lines import lines_of
from gitagent.core.diffs.paths import check_path
from gitagent.core.diffs.render import between
from gitagent.errors import DiffError
from gitagent.records import Diff

__all__ = ["Applied", "apply_reply", "between", "lines_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A clean diff and the whole new texts it leads to, keyed by path; None means the file goes away."""

    diff: Diff
    texts: Mapping[str, str | None] = field(hash=False)


_HEADER = re.compile(r"--- (?P<old>.+)\n\+\+\+ (?P<new>.+)\n")


def apply_reply(
    reply: str, read: Callable[[str], str | None], *, allowed: Collection[str] | None = None
) -> Applied:
    """Find the diff in a reply and apply it to the texts `read` gives (None: no such file).

    `allowed` are the only paths it may touch. Raises DiffError, worded for the model that wrote the reply,
    if there is no diff, it does not fit exactly one place, it changes nothing, or it may not be applied.
    """
    found = list(_HEADER.finditer(reply.replace("\r\n", "\n") + "\n"))
    if not found:
        raise DiffError("the reply holds no unified diff: it must begin with --- a/PATH and +++ b/PATH")
    text = reply.replace("\r\n", "\n") + "\n"
    pairs: dict[str, tuple[str | None, str | None]] = {}
    for number, header in enumerate(found):
        old_path, new_path = _path(header["old"]), _path(header["new"])
        path = old_path if new_path == "/dev/null" else new_path
        check_path(path)
        if allowed is not None and path not in allowed:
            raise DiffError(f"{path}: only {', '.join(sorted(allowed))} may be changed")
        body = text[header.end() : found[number + 1].start() if number + 1 < len(found) else len(text)]
        old = read(path)
        new = _patched(path, old, lines_of(body))
        pairs[path] = (old, None if new_path == "/dev/null" else new)
    diff = between(pairs)
    if not diff.paths:
        raise DiffError("the diff changes nothing")
    return Applied(diff=diff, texts={path: pairs[path][1] for path in diff.paths})


def _path(name: str) -> str:
    name = name.split("\t")[0].strip()
    return name[2:] if name.startswith(("a/", "b/")) else name


def _hunks(body: list[str]) -> list[list[str]]:
    hunks: list[list[str]] = []
    for line in body:
        if line.startswith(("```", "diff --git")):
            break
        if line.startswith("@@"):
            hunks.append([])
        elif hunks and not line.startswith("\\"):
            hunks[-1].append(line)
    for hunk in hunks:
        while hunk and not hunk[-1].strip():
            hunk.pop()
    return [hunk for hunk in hunks if hunk]


def _patched(path: str, old: str | None, body: list[str]) -> str:
    lines = lines_of(old or "")
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    for number, hunk in enumerate(_hunks(body), 1):
        source = [line[1:] if line[0] in " -" else line for line in hunk if line[0] != "+"]
        places = _places(lines, source)
        if len(places) != 1:
            fault = "what the file holds nowhere" if not places else f"found in {len(places)} places"
            raise DiffError(f"{path}: hunk {number} is {fault}")
        at = places[0]
        out: list[str] = []
        for line in hunk:
            if line[0] == "+":
                out.append(line[1:].rstrip("\r\n") + ending)
            else:
                if line[0] != "-":
                    out.append(lines[at])
                at += 1
        if at == len(lines) and out and not (old or "\n").endswith("\n"):
            out[-1] = out[-1].rstrip("\r\n")
        lines[places[0] : at] = out
    return "".join(lines)


def _places(lines: list[str], source: list[str]) -> list[int]:
    if not lines and not source:
        return [0]
    key = [line.rstrip() for line in source]
    keys = [line.rstrip() for line in lines]
    return [at for at in range(len(keys) - len(key) + 1) if key and keys[at : at + len(key)] == key]
