"""A green answer made as small as the tests allow, and laid out as the project's own tools would."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from gitagent.core import diffs, minimizing
from gitagent.core.minimizing import Change, Hunk, LineEdit
from gitagent.ports import Workspace
from gitagent.records import Candidate
from gitagent.searching import Budget

Read = Callable[[str], str | None]
FirstPassing = Callable[[Sequence[Candidate]], Candidate | None]

# More lines than that are taken as they are: finding out would cost more than reading them.
MOST_EDITS = 400
SHARE_OF_TIME = 0.25
MOST_SECONDS = 60.0
TOOL_SECONDS = 20.0


class _OutOfTimeError(Exception):
    """What was found so far will do."""


def trimmed(candidate: Candidate, *, read: Read, first_passing: FirstPassing, budget: Budget) -> Candidate:
    """The smallest part of a change with which the red tests still pass; the very same one if it is that already.

    Takes at most a quarter of what is left of the run's time, and a minute. Each part that is taken out was tried
    without; the whole suite is still to be asked.
    """
    before = {path: read(path) for path in candidate.texts}
    change = Change(before, candidate.texts)
    edits = [edit for hunk in change.hunks for edit in hunk]
    if len(edits) <= 2 or len(edits) > MOST_EDITS:
        return candidate
    left = budget.limits.minutes * 60 - budget.seconds
    until = time.monotonic() + min(MOST_SECONDS, SHARE_OF_TIME * left)
    best = candidate

    def first_of(tries: Sequence[Sequence[LineEdit]]) -> int | None:
        nonlocal best
        if time.monotonic() >= until:
            raise _OutOfTimeError
        parts = {at: _part(candidate, change, edits, before) for at, edits in enumerate(tries)}
        whole = [part for part in parts.values() if part is not None]
        found = first_passing(whole) if whole else None
        if found is None:
            return None
        best = found
        return next(at for at, part in parts.items() if part is found)

    def first_hunks(tries: Sequence[Sequence[Hunk]]) -> int | None:
        return first_of([[edit for hunk in hunks for edit in hunk] for hunks in tries])

    try:
        hunks = minimizing.ddmin(change.hunks, first_hunks)
        minimizing.ddmin([edit for hunk in hunks for edit in hunk], first_of)
    except _OutOfTimeError:
        pass
    return best


def _part(
    candidate: Candidate, change: Change, edits: Sequence[LineEdit], before: "dict[str, str | None]"
) -> Candidate | None:
    texts = change.texts(edits)
    diff = diffs.between({path: (before[path], text) for path, text in texts.items()})
    return replace(candidate, texts=texts, diff=diff) if diff.text else None


def formatted(candidate: Candidate, *, read: Read, workspace: Workspace) -> Candidate:
    """The change with its new lines laid out by the project's own formatter, where it has one and it is there.

    Other lines are not touched. The tests have to be asked about the result.
    """
    tool = _tool(read)
    if tool is None:
        return candidate
    texts = dict(candidate.texts)
    for path, text in candidate.texts.items():
        before = read(path)
        if text is None or not path.endswith((".py", ".pyi")):
            continue
        for first, last in reversed(minimizing.touched(before or "", texts[path] or "")):
            texts[path] = _laid_out(tool(path, first, last), texts[path] or "", workspace)
    if texts == dict(candidate.texts):
        return candidate
    diff = diffs.between({path: (read(path), text) for path, text in texts.items()})
    return replace(candidate, texts=texts, diff=diff) if diff.text else candidate


def _tool(read: Read) -> Callable[[str, int, int], list[str]] | None:
    """The command line that formats a stretch of a file given on standard input, None without a formatter.

    Black counts the last line in, ruff does not.
    """
    settings = read("pyproject.toml") or ""
    if re.search(r"^\[tool\.black\]", settings, re.MULTILINE):
        return lambda path, first, last: [
            "black", "-q", f"--line-ranges={first}-{last}", "--stdin-filename", path, "-",
        ]  # fmt: skip
    if re.search(r"^\[tool\.ruff\.format[\].]", settings, re.MULTILINE) or (
        re.search(r"^\[format\]", read("ruff.toml") or read(".ruff.toml") or "", re.MULTILINE)
    ):
        return lambda path, first, last: [
            "ruff", "format", "--quiet", "--no-cache", f"--range={first}-{last + 1}", "--stdin-filename", path, "-",
        ]  # fmt: skip
    return None


def _laid_out(argv: Sequence[str], text: str, workspace: Workspace) -> str:
    """What the tool makes of the text; the text itself if the tool is not there, fails or says something else."""
    data = text.encode("utf-8", "surrogateescape")
    done = workspace.run(argv, timeout_seconds=TOOL_SECONDS, stdin=data)
    if done.exit_code != 0 or not done.output.strip():
        return text
    try:
        compile(done.output, "formatted", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return text
    return done.output
