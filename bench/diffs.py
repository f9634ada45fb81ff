# ruff: noqa: E501
"""How often mangled diffs are applied exactly, refused, or applied wrongly: gitagent beside other appliers.

    python -m bench.diffs [--cases 2200] [--refusals 600] [--seed 1] [--peers] [--only KIND]

Successive releases of published packages are fetched by name; their differences are the changes. Each case
takes one to three hunks of a changed file, mangles their diff in one to three ways, and knows the right
answer because the hunks were taken from it. A case is kept only if, by trying every line of the file, no
other place agrees with the mangled hunk as well as the true one.
"""

import argparse
import difflib
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from gitagent.core.diffs import apply_reply, lines_of
from gitagent.errors import DiffError

RELEASES = {
    "requests": ("2.28.0", "2.31.0", "2.32.3"),
    "flask": ("2.2.5", "2.3.3", "3.0.3"),
    "werkzeug": ("2.2.3", "2.3.8", "3.0.4"),
    "jinja2": ("3.0.3", "3.1.4"),
    "click": ("8.0.4", "8.1.7"),
    "urllib3": ("1.26.18", "2.0.7", "2.2.2"),
    "rich": ("12.6.0", "13.7.1"),
    "sphinx": ("6.2.1", "7.2.6"),
    "networkx": ("3.0", "3.1"),
    "attrs": ("22.2.0", "23.2.0"),
    "starlette": ("0.27.0", "0.37.2"),
    "httpx": ("0.24.1", "0.27.0"),
}
SUFFIXES = (".py", ".pyi", ".js", ".css", ".html", ".jinja", ".tex", ".txt", ".toml", ".pot")


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


# Numbers, counts, headers


@flaw
def wrong_numbers(case: Case, rng: random.Random) -> Case:
    shift = [rng.choice([-1, 1]) * rng.randint(4, 400) for _ in case.hunks]
    hunks = zip(case.hunks, shift, strict=True)
    return replace(
        case,
        hunks=tuple(replace(h, start=max(h.start + s, 1), new_start=max(h.new_start + s, 1)) for h, s in hunks),
    )


@flaw
def numbers_a_little_off(case: Case, rng: random.Random) -> Case:
    shift = rng.choice([-3, -2, -1, 1, 2, 3])
    return case.mapped(lambda h: replace(h, start=max(h.start + shift, 1)))


@flaw
def wrong_counts(case: Case, rng: random.Random) -> Case:
    return replace(
        case, sizes=tuple((max(a + rng.randint(-3, 3), 0), max(b + rng.randint(-3, 3), 0)) for a, b in case.sizes)
    )


@flaw
def numbers_all_one(case: Case, rng: random.Random) -> Case:
    return replace(
        case.mapped(lambda h: replace(h, start=1, new_start=1)), sizes=tuple((1, 1) for _ in case.sizes)
    )


@flaw
def bare_header(case: Case, rng: random.Random) -> Case:
    return case.mapped(lambda h: replace(h, header=rng.choice(["@@", "@@ @@", "@@ ... @@"])))


@flaw
def no_header(case: Case, rng: random.Random) -> Case | None:
    return case.mapped(lambda h: replace(h, header=None)) if len(case.hunks) == 1 else None


@flaw
def section_only_header(case: Case, rng: random.Random) -> Case | None:
    if not all(h.section for h in case.hunks):
        return None
    return case.mapped(lambda h: replace(h, header=f"@@ {h.section}"))


@flaw
def wrong_section(case: Case, rng: random.Random) -> Case:
    return case.mapped(lambda h: replace(h, section="def something_else(self):"))


# Context


@flaw
def one_line_of_context(case: Case, rng: random.Random) -> Case:
    return cut_context(case, 1)


@flaw
def two_lines_of_context(case: Case, rng: random.Random) -> Case:
    return cut_context(case, 2)


@flaw
def no_context_after(case: Case, rng: random.Random) -> Case:
    return cut_context(case, 3, after=0)


@flaw
def no_context_before(case: Case, rng: random.Random) -> Case:
    return cut_context(case, 0, after=3)


def cut_context(case: Case, before: int, after: int | None = None) -> Case:
    after = before if after is None else after

    def one(hunk: Hunk) -> Hunk:
        lines = list(hunk.lines)
        first = next(i for i, line in enumerate(lines) if line[:1] in "+-")
        last = max(i for i, line in enumerate(lines) if line[:1] in "+-\\")
        start = max(first - before, 0)
        out = tuple(lines[start : last + 1 + after])
        return replace(
            hunk, lines=out, start=hunk.start + start, new_start=hunk.new_start + start, at=hunk.at + start
        )

    return case.mapped(one).resized()


@flaw
def context_line_missing(case: Case, rng: random.Random) -> Case | None:
    def inner(lines: list[str], at: int) -> bool:
        return 0 < at < len(lines) - 1 and lines[at - 1][:1] == " " and lines[at + 1][:1] == " "

    spot = some_context(case, rng, inner)
    return with_line(case, *spot, []) if spot else None


@flaw
def context_line_made_up(case: Case, rng: random.Random) -> Case | None:
    def inner(lines: list[str], at: int) -> bool:
        return at > 0 and lines[at - 1][:1] == " "

    spot = some_context(case, rng, inner)
    if not spot:
        return None
    line = case.hunks[spot[0]].lines[spot[1]]
    return with_line(case, *spot, [" " * (len(line) - len(line.lstrip())) + "# see the note above", line])


@flaw
def context_line_misspelt(case: Case, rng: random.Random) -> Case | None:
    spot = some_context(case, rng, lambda lines, at: len(lines[at].strip()) > 10)
    if not spot:
        return None
    line = case.hunks[spot[0]].lines[spot[1]]
    at = rng.randrange(len(line) - len(line.lstrip()) + 2, len(line))
    return with_line(case, *spot, [line[:at] + line[at + 1 :]])


@flaw
def context_comment_reworded(case: Case, rng: random.Random) -> Case | None:
    spot = some_context(case, rng, lambda lines, at: lines[at].strip()[:1] == "#" and len(lines[at].split()) > 4)
    if not spot:
        return None
    words = case.hunks[spot[0]].lines[spot[1]].rsplit(" ", 2)
    return with_line(case, *spot, [words[0] + " the rest"])


@flaw
def much_context(case: Case, rng: random.Random) -> Case:
    old = lines_of(case.old)

    def one(hunk: Hunk) -> Hunk:
        more = min(hunk.at, 12)
        before = [" " + line.rstrip("\r\n") for line in old[hunk.at - more : hunk.at]]
        return replace(
            hunk,
            lines=tuple(before) + hunk.lines,
            start=hunk.start - more,
            new_start=hunk.new_start - more,
            at=hunk.at - more,
        )

    return case.mapped(one).resized()


@flaw
def elided_context(case: Case, rng: random.Random) -> Case | None:
    """The function's head, dots, then the hunk."""
    old = lines_of(case.old)
    done = False

    def one(hunk: Hunk) -> Hunk:
        nonlocal done
        for at in range(hunk.at - 2, max(hunk.at - 40, 0), -1):
            if re.match(r"\s*(def|class|function) ", old[at]):
                done = True
                return replace(hunk, lines=(" " + old[at].rstrip("\r\n"), " ...", *hunk.lines))
        return hunk

    case = case.mapped(one)
    return case if done else None


@flaw
def elided_between_changes(case: Case, rng: random.Random) -> Case | None:
    if len(case.hunks) < 2:
        return None
    lines: list[str] = []
    for hunk in case.hunks:
        lines += ([rng.choice(["...", " ...", "# ... existing code ...", " // ..."])] if lines else []) + list(
            hunk.lines
        )
    return replace(case, hunks=(replace(case.hunks[0], lines=tuple(lines)),), sizes=case.sizes[:1])


@flaw
def hunks_joined(case: Case, rng: random.Random) -> Case | None:
    """Two hunks under the first one's header, what lies between left out."""
    if len(case.hunks) != 2:
        return None
    lines = (*case.hunks[0].lines, "@@", *case.hunks[1].lines)
    return replace(case, hunks=(replace(case.hunks[0], lines=lines),), sizes=case.sizes[:1])


# Markers


@flaw
def blank_context_without_marker(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: "" if line == " " else line, " ")


@flaw
def blank_added_without_marker(case: Case, rng: random.Random) -> Case | None:
    done = False

    def one(hunk: Hunk) -> Hunk:
        nonlocal done
        lines = list(hunk.lines)
        for at in range(1, len(lines) - 1):
            if lines[at] == "+" and lines[at - 1][:1] == lines[at + 1][:1] == "+":
                lines[at] = ""
                done = True
        return replace(hunk, lines=tuple(lines))

    case = case.mapped(one)
    return case if done else None


@flaw
def context_without_marker(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: line[1:] if line[1:2] not in "+-\\@" else line, " ")


@flaw
def some_context_without_marker(case: Case, rng: random.Random) -> Case | None:
    return by_line(
        case, lambda line: line[1:] if line[1:2] not in ("+", "-", "\\", "@") and rng.random() < 0.4 else line, " "
    )


@flaw
def context_with_a_blank_too_many(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: " " + line if line.strip() else line, " ")


@flaw
def a_blank_after_every_marker(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: line[:1] + " " + line[1:] if line[1:].strip() else line)


# Blanks


@flaw
def trailing_blanks_stripped(case: Case, rng: random.Random) -> Case | None:
    new = case.new or ""
    if any(re.search(r"[ \t]$", line) for hunk in case.hunks for line in hunk.lines if line[:1] == "+") or not new:
        return None
    return by_line(case, lambda line: line.rstrip(" \t"))


@flaw
def trailing_blanks_added(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: line + "  " if line[1:].strip() else line)


@flaw
def tabs_for_spaces(case: Case, rng: random.Random) -> Case | None:
    def one(line: str) -> str:
        indent = len(line[1:]) - len(line[1:].lstrip(" "))
        return line[:1] + "\t" * (indent // 4) + line[1 + indent // 4 * 4 :]

    odd = any((len(line[1:]) - len(line[1:].lstrip(" "))) % 4 for h in case.hunks for line in h.lines)
    return None if odd else by_line(case, one)


@flaw
def spaces_for_tabs(case: Case, rng: random.Random) -> Case | None:
    """The file has tabs, the diff four spaces each."""

    def tabbed(text: str) -> str:
        return re.sub(r"(?m)^(?: {4})+", lambda found: "\t" * (len(found.group()) // 4), text)

    old, new = tabbed(case.old), tabbed(case.new or "")
    uneven = re.search(r"(?m)^\t* +\S", old + new)
    used = any(line[1:5] == "    " for h in case.hunks for line in h.lines)
    return replace(case, old=old, new=new) if used and not uneven else None


@flaw
def reindented_deeper(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: line[:1] + "    " + line[1:] if line[1:].strip() else line)


@flaw
def reindented_shallower(case: Case, rng: random.Random) -> Case | None:
    texts = [line[1:] for h in case.hunks for line in h.lines if line[1:].strip() and line[:1] != "\\"]
    depth = min(len(text) - len(text.lstrip(" ")) for text in texts)
    return (
        by_line(case, lambda line: line[:1] + line[1 + depth :] if line[1:].strip() else line) if depth else None
    )


@flaw
def half_indent(case: Case, rng: random.Random) -> Case | None:
    def one(line: str) -> str:
        indent = len(line[1:]) - len(line[1:].lstrip(" "))
        return line[:1] + " " * (indent // 2) + line[1 + indent :]

    odd = any((len(line[1:]) - len(line[1:].lstrip(" "))) % 4 for h in case.hunks for line in h.lines)
    return None if odd else by_line(case, one)


@flaw
def no_break_spaces(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: line[:1] + re.sub(r"^ +", lambda f: "\u00a0" * len(f.group()), line[1:]))


@flaw
def zero_width_signs(case: Case, rng: random.Random) -> Case | None:
    return by_line(
        case, lambda line: " \u200b" + line[1:] if line[1:].strip() and rng.random() < 0.5 else line, " "
    )


# Line endings and ends of files


@flaw
def crlf_file(case: Case, rng: random.Random) -> Case:
    return replace(case, old=case.old.replace("\n", "\r\n"), new=(case.new or "").replace("\n", "\r\n"))


@flaw
def crlf_diff(case: Case, rng: random.Random) -> Case:
    return wrapped(case, lambda text: text.replace("\n", "\r\n"))


@flaw
def mixed_endings(case: Case, rng: random.Random) -> Case | None:
    """Another part of the file has CRLF."""
    first = min(h.at for h in case.hunks)
    head = "".join(lines_of(case.old)[: first - 3])
    if first < 6 or not (case.new or "").startswith(head):
        return None
    crlf = head.replace("\n", "\r\n")
    return replace(case, old=crlf + case.old[len(head) :], new=crlf + (case.new or "")[len(head) :])


@flaw
def byte_order_mark(case: Case, rng: random.Random) -> Case:
    return replace(case, old="\ufeff" + case.old, new="\ufeff" + (case.new or ""))


@flaw
def form_feed(case: Case, rng: random.Random) -> Case | None:
    """A form feed in the file just above the change, which the diff lost."""
    at = case.hunks[0].at
    lines, new = lines_of(case.old), lines_of(case.new or "")
    if at < 1 or lines[: at + 1] != new[: at + 1] or not lines[at].strip():
        return None
    lines[at] = new[at] = lines[at].rstrip("\n") + "\f\n"
    return replace(case, old="".join(lines), new="".join(new))


@flaw
def no_final_newline(case: Case, rng: random.Random) -> Case | None:
    """The file ends without a newline, and the diff does not say so."""
    if any(re.search(r"[^\n]\r?\n$", text) is None for text in (case.old, case.new or "")):
        return None
    return replace(case, old=case.old.rstrip("\r\n"), new=(case.new or "").rstrip("\r\n"))


@flaw
def false_no_newline_mark(case: Case, rng: random.Random) -> Case | None:
    h = rng.randrange(len(case.hunks))
    hunk = case.hunks[h]
    if hunk.at + hunk.sizes()[0] >= len(lines_of(case.old)):
        return None
    at = len(hunk.lines) - 1
    return with_line(case, h, at, [hunk.lines[at], "\\ No newline at end of file"])


# Signs


@flaw
def typographic_quotes(case: Case, rng: random.Random) -> Case | None:
    if not case.old.isascii() or not any(
        re.search(r"""['"]""", line) for h in case.hunks for line in h.lines if line[:1] in (" ", "-")
    ):
        return None

    def one(line: str) -> str:
        return line[:1] + re.sub(r'"([^"]*)"', "“\\1”", re.sub(r"'([^']*)'", "‘\\1’", line[1:]))

    return by_line(case, one)


@flaw
def typographic_dashes(case: Case, rng: random.Random) -> Case | None:
    if not case.old.isascii() or not any(
        "-" in line[1:] for h in case.hunks for line in h.lines if line[:1] in (" ", "-")
    ):
        return None
    return by_line(case, lambda line: line[:1] + line[1:].replace("-", "–"))


# Order, repetition, state


@flaw
def hunks_out_of_order(case: Case, rng: random.Random) -> Case | None:
    if len(case.hunks) < 2:
        return None
    return replace(case, hunks=case.hunks[::-1], sizes=case.sizes[::-1])


@flaw
def hunk_given_twice(case: Case, rng: random.Random) -> Case:
    return replace(case, hunks=(*case.hunks, case.hunks[0]), sizes=(*case.sizes, case.sizes[0]))


@flaw
def one_hunk_applied_already(case: Case, rng: random.Random) -> Case | None:
    if len(case.hunks) < 2:
        return None
    done = with_hunks(lines_of(case.old), [rng.choice(case.clean)])
    return replace(case, old=done)


@flaw
def section_per_hunk(case: Case, rng: random.Random) -> Case | None:
    """Every hunk has file headers of its own."""
    if len(case.hunks) < 2:
        return None
    header = f"--- a/{case.path}\n+++ b/{case.path}\n"
    return wrapped(case, lambda text: header + text[len(header) :].replace("\n@@ -", "\n" + header + "@@ -"))


# What surrounds the diff


def wrapped(case: Case, wrap: Callable[[str], str]) -> Case:
    inner = case.wrap
    return replace(case, wrap=lambda text: wrap(inner(text)))


@flaw
def fence_and_prose(case: Case, rng: random.Random) -> Case:
    word = rng.choice(["diff", "patch", "", "udiff"])
    return wrapped(
        case,
        lambda t: f"The bug is a wrong bound:\n\n```{word}\n{t}```\n\n- I changed the bound.\n+ Tests pass.\n",
    )


@flaw
def prose_without_fence(case: Case, rng: random.Random) -> Case:
    return wrapped(case, lambda t: f"Here is the change:\n\n{t}\nThis keeps the rest of the code as it was.\n")


@flaw
def indented_diff(case: Case, rng: random.Random) -> Case:
    return wrapped(case, lambda t: "1. Apply this:\n\n" + "".join("    " + line for line in lines_of(t)))


@flaw
def quoted_mail(case: Case, rng: random.Random) -> Case:
    return wrapped(case, lambda t: "".join("> " + line for line in lines_of(t)))


@flaw
def names_without_prefix(case: Case, rng: random.Random) -> Case:
    return replace(case, names=(f"--- {case.path}", f"+++ {case.path}"))


@flaw
def names_with_timestamps(case: Case, rng: random.Random) -> Case:
    stamp = "\t2024-02-03 10:11:12.000000000 +0100"
    return replace(case, names=(f"--- {case.path}.orig{stamp}", f"+++ {case.path}{stamp}"))


@flaw
def git_header(case: Case, rng: random.Random) -> Case:
    return wrapped(case, lambda t: f"diff --git a/{case.path} b/{case.path}\nindex 1111111..2222222 100644\n{t}")


@flaw
def patch_envelope(case: Case, rng: random.Random) -> Case:
    """The frame another agent's editing tool uses."""
    body = re.compile(r"--- .*\n\+\+\+ .*\n")
    return wrapped(
        case,
        lambda t: (
            "*** Begin Patch\n" + body.sub(f"*** Update File: {case.path}\n", t, count=1) + "*** End Patch\n"
        ),
    )


@flaw
def cut_in_the_last_context(case: Case, rng: random.Random) -> Case | None:
    lines = case.hunks[-1].lines
    if lines[-2][:1] != " " or lines[-1][:1] != " " or len(lines[-1].strip()) < 6:
        return None
    return wrapped(case, lambda t: t[: -len(lines[-1]) // 2])


# What must be refused


@refusal
def removed_line_is_not_there(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: line + "_gone" if line[1:].strip() else line, "-")


@refusal
def removed_line_changed_in_the_file(case: Case, rng: random.Random) -> Case | None:
    texts = [line[1:] for line in case.hunks[0].lines if line[:1] == "-" and len(line.strip()) > 8]
    if not texts or case.old.count(texts[0]) != 1:
        return None
    at = case.old.index(texts[0]) + len(texts[0]) // 2
    return replace(case, old=case.old[:at] + "X9" + case.old[at:])


@refusal
def another_file_s_diff(case: Case, rng: random.Random) -> Case:
    return replace(case, old="".join(f"value_{n} = {n}\n" for n in range(200)))


@refusal
def two_equal_places(case: Case, rng: random.Random) -> Case | None:
    hunk = case.hunks[0]
    lines = lines_of(case.old)
    block = lines[hunk.at : hunk.at + hunk.sizes()[0]]
    one = replace(hunk, header=rng.choice(["@@", "@@ ... @@"]))
    if (
        len(block) < 3
        or not case.old.endswith("\n")
        or "".join(block) in case.old[len("".join(lines[: hunk.at])) + 1 :]
    ):
        return None
    return replace(case, old=case.old + "".join(block), hunks=(one,), sizes=case.sizes[:1])


@refusal
def place_unknown(case: Case, rng: random.Random) -> Case | None:
    """Only added lines, no context, no number."""
    hunks = [h for h in case.hunks if any(line[:1] == "+" and line[1:].strip() for line in h.lines)]
    if not hunks:
        return None
    added = tuple(line for line in hunks[0].lines if line[:1] == "+")
    return replace(case, hunks=(replace(hunks[0], lines=added, header="@@"),), sizes=case.sizes[:1])


@refusal
def already_applied(case: Case, rng: random.Random) -> Case:
    return replace(case, old=case.new or "")


@refusal
def changes_nothing(case: Case, rng: random.Random) -> Case | None:
    return by_line(case, lambda line: " " + line[1:] if line[:1] == "-" else None, "+-")


def named(case: Case, path: str) -> Case:
    return replace(case, names=(f"--- a/{path}", f"+++ b/{path}"))


@refusal
def hostile_path(case: Case, rng: random.Random) -> Case:
    names = ["../../etc/cron.d/x", "/etc/passwd", ".git/config", ".GIT/hooks/pre-commit", "src/.g\u200cit/config", "git~1/config",
             ".git::$INDEX_ALLOCATION/x", "a/../../x", "C:/Windows/x", "sub/.git/config", "..\\..\\x", ".git /config"]  # fmt: skip
    path = rng.choice(names)
    return replace(
        case,
        path=path,
        names=(f"--- {'a/' if path[0] != '/' else ''}{path}", f"+++ {'b/' if path[0] != '/' else ''}{path}"),
    )


@refusal
def no_such_file(case: Case, rng: random.Random) -> Case:
    return named(case, "no/such/file.py")


@refusal
def new_file_over_an_old_one(case: Case, rng: random.Random) -> Case:
    hunk = Hunk(0, 1, "", ("+print('hello')",))
    return replace(case, names=("--- /dev/null", f"+++ b/{case.path}"), hunks=(hunk,), sizes=((0, 1),))


@refusal
def everything_deleted(case: Case, rng: random.Random) -> Case:
    lines = tuple("-" + line.rstrip("\n") for line in lines_of(case.old))
    return replace(case, hunks=(Hunk(1, 0, "", lines),), sizes=((len(lines), 0),))


@refusal
def symlink_made(case: Case, rng: random.Random) -> Case:
    text = "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n"
    return wrapped(case, lambda _: text)


@refusal
def binary_patch(case: Case, rng: random.Random) -> Case:
    return wrapped(case, lambda _: f"diff --git a/{case.path} b/{case.path}\nGIT binary patch\nliteral 3\nKcmZ\n")


@refusal
def cut_in_a_change(case: Case, rng: random.Random) -> Case | None:
    lines = case.hunks[-1].lines
    added = [at for at, line in enumerate(lines) if line[:1] == "+" and len(line.strip()) > 8]
    if not added:
        return None
    cut = (*lines[: added[0]], lines[added[0]][: len(lines[added[0]]) - 4])
    hunks = (*case.hunks[:-1], replace(case.hunks[-1], lines=cut))
    return wrapped(replace(case, hunks=hunks), lambda text: text[:-1])


@refusal
def prose_only(case: Case, rng: random.Random) -> Case:
    return wrapped(case, lambda _: "I looked at the file and think that the bound is off by one.\n")


# Making cases


def fetched(cache: Path) -> Iterator[tuple[str, str, str]]:
    """(path, old text, new text) of every changed file between successive releases."""
    cache.mkdir(parents=True, exist_ok=True)
    for name, versions in RELEASES.items():
        trees = []
        for version in versions:
            directory = cache / f"{name}-{version}"
            if not directory.exists():
                argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d"]
                done = subprocess.run([*argv, str(cache), f"{name}=={version}"], capture_output=True, text=True)
                wheels = sorted(cache.glob("*.whl"))
                if done.returncode or not wheels:
                    print(f"# {name} {version} cannot be fetched", file=sys.stderr)
                    continue
                zipfile.ZipFile(wheels[0]).extractall(directory)
                wheels[0].unlink()
            trees.append(directory)
        for old_tree, new_tree in pairwise(trees):
            for file in sorted(old_tree.rglob("*")):
                path = file.relative_to(old_tree).as_posix()
                other = new_tree / path
                if file.suffix not in SUFFIXES or not other.is_file() or ".dist-info" in path:
                    continue
                old, new = (f.read_bytes().decode("utf-8", "surrogateescape") for f in (file, other))
                if old != new and old and new and "\r" not in old + new and len(old) < 400_000:
                    yield path, old, new


def hunks_of(old: list[str], new: list[str]) -> list[Hunk]:
    """The hunks as difflib sees them, with git's kind of section text."""
    out: list[Hunk] = []
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(3):
        lines: list[str] = []
        for tag, a, b, c, d in group:
            if tag == "equal":
                lines += [" " + line for line in old[a:b]]
                continue
            lines += ["-" + line for line in old[a:b]] + ["+" + line for line in new[c:d]]
        if not all(line.endswith("\n") for line in lines):
            continue
        start, new_start = group[0][1], group[0][3]
        heads = [line for line in old[:start] if re.match(r"[A-Za-z_$]", line)]
        section = heads[-1].strip()[:80] if heads else ""
        out.append(Hunk(start + 1, new_start + 1, section, tuple(line[:-1] for line in lines), at=start))
    return out


def with_hunks(old: list[str], hunks: list[Hunk]) -> str:
    """The right answer: the old lines with these hunks in place."""
    out: list[str] = []
    at = 0
    for hunk in hunks:
        out += old[at : hunk.at] + [line[1:] + "\n" for line in hunk.lines if line[0] != "-"]
        at = hunk.at + sum(line[0] != "+" for line in hunk.lines)
    return "".join(out + old[at:])


def clean_cases(cache: Path, rng: random.Random) -> Iterator[Case]:
    """Cases without a flaw, endlessly."""
    files = [(path, lines_of(old), hunks_of(lines_of(old), lines_of(new))) for path, old, new in fetched(cache)]
    files = [(path, old, [h for h in hunks if len(h.lines) <= 60]) for path, old, hunks in files]
    files = [one for one in files if one[2]]
    while True:
        path, old, all_hunks = rng.choice(files)
        count = min(rng.choice([1, 1, 1, 2, 2, 3]), len(all_hunks))
        first = rng.randrange(len(all_hunks) - count + 1)
        shift, hunks = 0, []
        for hunk in all_hunks[first : first + count]:
            hunks.append(replace(hunk, new_start=hunk.start + shift))
            a, b = hunk.sizes()
            shift += b - a
        yield Case(
            path,
            "".join(old),
            with_hunks(old, hunks),
            tuple(hunks),
            tuple(h.sizes() for h in hunks),
            clean=tuple(hunks),
        )


def has_one_answer(case: Case) -> bool:
    """By trying every line of the file: does each hunk agree best with the place it was taken from, alone?"""

    def packed(line: str) -> str:
        line = re.sub("[“”]", '"', re.sub("[‘’]", "'", line.replace("–", "-").replace("\u200b", "")))
        return "".join(line.replace("\ufeff", "").split())

    file = [packed(line) for line in lines_of(case.old)]
    for hunk in case.hunks:
        pieces: list[list[str]] = [[]]
        for line in hunk.lines:
            if line.strip() in ("...", "# ... existing code ...", "// ...", "@@"):
                pieces.append([])
            elif line[:1] not in ("+", "\\"):
                pieces[-1].append(packed(line[1:] if line[:1] in " -" else line))
        for piece in pieces:
            wanted = [line for line in piece if line]
            if not wanted:
                return False
            scores = Counter[int]()
            for at in range(len(file)):
                window = [line for line in file[at : at + len(piece) + 3] if line]
                if window and window[0] in wanted[:2]:
                    score, spot = 0, 0
                    for line in wanted:
                        if line in window[spot:]:
                            score, spot = score + 1, window.index(line, spot) + 1
                    scores[at] = score
            best = scores.most_common(2)
            if not best or (len(best) > 1 and best[0][1] == best[1][1]):
                return False
    return True


def mangled(cache: Path, rng: random.Random, count: int, only: str) -> list[Case]:
    """Cases to be applied: single flaws evenly, then two and three at once."""
    names = [name for name in FLAWS if not only or only in name]
    out: list[Case] = []
    per_kind = Counter[str]()
    tries = 0
    for clean in clean_cases(cache, rng):
        tries += 1
        if len(out) >= count or tries > 60 * count:
            return out
        how_many = 1 if only else rng.choice([1, 1, 1, 2, 3])
        kinds = [min(rng.sample(names, min(4, len(names))), key=lambda name: per_kind[name])]
        kinds += rng.sample([name for name in names if name not in kinds], how_many - 1)
        case: Case | None = clean
        # Whole-file flaws and wrappers last, as they see what the others did.
        for kind in sorted(kinds, key=lambda name: ("applied" not in name, list(FLAWS).index(name))):
            case = FLAWS[kind](case, rng) if case is not None else None
        if case is None or case.old == case.new or not has_one_answer(case) or not has_one_answer(clean):
            continue
        per_kind.update(kinds)
        label = kinds[0] if how_many == 1 else f"{how_many} flaws at once"
        out.append(replace(case, kind=label))
    return out


def refusable(cache: Path, rng: random.Random, count: int) -> list[Case]:
    out: list[Case] = []
    names = list(REFUSALS)
    for clean in clean_cases(cache, rng):
        if len(out) >= count:
            return out
        name = names[len(out) % len(names)]
        case = REFUSALS[name](clean, rng) if has_one_answer(clean) else None
        if case is not None:
            out.append(replace(case, kind=name, new=None))
    return out


# Appliers: what a file becomes, or None if refused

Applier = Callable[[Case, str], str | None]


def ours(case: Case, reply: str) -> str | None:
    """gitagent."""
    try:
        applied = apply_reply(reply, {case.path: case.old}.get)
    except DiffError:
        return None
    if set(applied.texts) != {case.path}:
        return "other files"
    return applied.texts[case.path]


def command(*argv: str) -> Applier:
    def run(case: Case, reply: str) -> str | None:
        with tempfile.TemporaryDirectory() as directory:
            path = case.path if not case.path.startswith(("/", ".", "C:")) and ".." not in case.path else "f"
            file = Path(directory) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            raw = case.old.encode("utf-8", "surrogateescape")
            file.write_bytes(raw)
            data = reply.encode("utf-8", "surrogateescape")
            done = subprocess.run(argv, cwd=directory, input=data, capture_output=True, timeout=60)
            if not file.is_file():
                return "gone"
            now = file.read_bytes()
            if done.returncode:
                return None if now == raw else "changed in spite of an error"
            return None if now == raw else now.decode("utf-8", "surrogateescape")

    return run


def aider() -> Applier | None:
    """aider's udiff applier, where the package is installed."""
    try:
        from aider.coders import search_replace, udiff_coder
    except Exception:  # noqa: BLE001 - its dependencies raise what they like
        return None

    def run(case: Case, reply: str) -> str | None:
        text = case.old
        fenced = reply if "```" in reply else f"```diff\n{reply}\n```\n"
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "f"
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
            try:
                edits = list(udiff_coder.find_diffs(fenced))
                for _, hunk in edits:
                    new = udiff_coder.do_replace(str(file), text, udiff_coder.normalize_hunk(hunk) or hunk)
                    if not new:
                        return None
                    text = new
            except (search_replace.SearchTextNotUnique, ValueError, IndexError):
                return None
        return None if text == case.old else text

    return run


def appliers(peers: bool) -> dict[str, Applier]:
    out: dict[str, Applier] = {"gitagent": ours}
    if not peers:
        return out
    out["git apply"] = command("git", "apply", "-")
    out["git apply, tolerant"] = command(
        "git", "apply", "--recount", "--ignore-whitespace", "--unidiff-zero", "-C1", "-"
    )
    if shutil.which("patch"):
        out["patch -F3"] = command("patch", "-p1", "-F3", "--batch", "--no-backup-if-mismatch", "-r", "-", "-s")
    theirs = aider()
    if theirs is not None:
        out["aider udiff"] = theirs
    else:
        print("# aider is not installed here, so not measured", file=sys.stderr)
    return out


def outcome(case: Case, result: str | None) -> str:
    if result is None:
        return "refused"
    return "exact" if result == case.new else "WRONG"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, default=2200)
    parser.add_argument("--refusals", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--only", default="", help="Only kinds of flaw with this in their name.")
    parser.add_argument("--show", type=int, default=0, help="Print this many failures.")
    parser.add_argument("--json", default="", help="Write the table here too.")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "gitagent-bench" / "releases")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    groups = {
        "mangled": mangled(options.cache, rng, options.cases, options.only),
        "must refuse": [] if options.only else refusable(options.cache, rng, options.refusals),
    }
    record: dict[str, object] = {}
    for name, applier in appliers(options.peers).items():
        for group, cases in groups.items():
            table: dict[str, Counter[str]] = defaultdict(Counter)
            times: list[float] = []
            for case in cases:
                reply = case.reply()
                began = time.perf_counter()
                result = applier(case, reply)
                times.append(time.perf_counter() - began)
                got = outcome(case, result)
                table[case.kind][got] += 1
                bad = got == "WRONG" or (case.new is not None and got == "refused")
                if name == "gitagent" and bad and options.show > 0:
                    options.show -= 1
                    show(case, reply, result)
            if times:
                record[f"{name}: {group}"] = report(name, group, table, times, detail=name == "gitagent")
    if options.json:
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n")


def show(case: Case, reply: str, result: str | None) -> None:
    print("=" * 30, case.kind, case.path)
    print(reply)
    if result is None:
        try:
            apply_reply(reply, {case.path: case.old}.get)
        except DiffError as error:
            print("-> refused:", error)
        return
    print("-> WRONG, wanted against got:")
    print("".join(difflib.unified_diff(lines_of(case.new or ""), lines_of(result), "wanted", "got")))


def report(
    name: str, group: str, table: dict[str, Counter[str]], times: list[float], *, detail: bool
) -> dict[str, object]:
    total = sum(table.values(), Counter[str]())
    count = total.total()
    times.sort()
    shares = ", ".join(
        f"{key} {total[key]} ({100 * total[key] / count:.1f} %)" for key in ("exact", "refused", "WRONG")
    )
    speed = (
        f"median {times[count // 2] * 1000:.2f} ms, worst {times[-1] * 1000:.1f} ms, {count / sum(times):.0f}/s"
    )
    print(f"{name}, {group}, {count} cases of {len(table)} kinds: {shares}; {speed}")
    if detail:
        for kind in sorted(table, key=lambda kind: (-table[kind]["WRONG"], -table[kind]["refused"], kind)):
            row = table[kind]
            print(f"  {kind:36} exact {row['exact']:4}  refused {row['refused']:4}  WRONG {row['WRONG']:4}")
    return {"total": dict(total), "kinds": {kind: dict(row) for kind, row in table.items()}}


if __name__ == "__main__":
    main()
