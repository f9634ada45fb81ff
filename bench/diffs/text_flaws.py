"""Flaws of blanks, line endings, signs, order, and of what surrounds the diff."""

import random
import re
from dataclasses import replace

from bench.diffs.cases import Case, by_line, flaw, with_hunks, with_line, wrapped
from gitagent.core.diffs import lines_of

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
    """The file has tabs, and shows it, the diff four spaces each."""

    def tabbed(text: str) -> str:
        return re.sub(r"(?m)^(?: {4})+", lambda found: "\t" * (len(found.group()) // 4), text)

    old, new = tabbed(case.old), tabbed(case.new or "")
    uneven = re.search(r"(?m)^\t* +\S", old + new)
    used = any(line[1:5] == "    " for h in case.hunks for line in h.lines)
    return replace(case, old=old, new=new) if used and not uneven and "\n\t" in old else None


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
