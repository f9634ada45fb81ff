# ruff: noqa: E501 - diffs are easier to read whole
"""What must be refused."""

import random
from dataclasses import replace

from bench.diffs.cases import Case, Hunk, by_line, refusal, wrapped
from gitagent.core.diffs import lines_of


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
