# ruff: noqa: E501 - diffs are easier to read whole
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.diffs import Refused, apply_reply, between
from gitagent.core.diffs.read import name_of, read_reply, unquoted
from gitagent.core.diffs.wellformed import read_well_formed

FILES = {
    "m.py": "def f(a):\n    if a:\n        return 1\n    return 2\n",
    "café/ü.py": "x\n",
    "a b.py": "x\n",
    "e": "",
}
NAMES = "--- a/m.py\n+++ b/m.py\n"
HUNK = "@@ -2,3 +2,3 @@\n     if a:\n         return 1\n-    return 2\n+    return 4\n"
DONE = FILES["m.py"].replace("return 2", "return 4")


def texts(reply: str, **options: object) -> dict[str, str | None]:
    return dict(apply_reply(reply, FILES.get, **options).texts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrap",
    [
        "{}", "```diff\n{}```\n", "Text:\n\n~~~\n{}~~~\nmore + text\n- list\n", "1. so\n\n    ```\n{}    ```\n",
        "diff --git a/m.py b/m.py\nindex 12..34 100644\n{}", "From: me\nSubject: x\n---\n m.py | 2 +-\n\n{}-- \n2.39.5\n\n",
    ],
)  # fmt: skip
def test_a_diff_is_found_whatever_surrounds_it(wrap: str) -> None:
    assert texts(wrap.format("--- a/m.py\n+++ b/m.py\n" + HUNK)) == {"m.py": DONE}


@pytest.mark.parametrize(
    "names",
    ["--- m.py\n+++ m.py", "--- a/m.py\t2024-01-01 10:00:00\n+++ b/m.py\t2024-01-01 10:00:01", "--- ./m.py\n+++ ./m.py",
     "--- m.py.orig\n+++ m.py", "*** Update File: m.py", "--- `m.py`\n+++ `m.py`", '--- "a/m.py"\n+++ "b/m.py"'],
)  # fmt: skip
def test_a_name_is_read_however_it_is_written(names: str) -> None:
    assert texts(f"{names}\n{HUNK}") == {"m.py": DONE}


def test_names_with_blanks_and_other_scripts_are_read() -> None:
    hunk = "@@ -1 +1 @@\n-x\n+y\n"
    assert texts(f"--- a/a b.py\n+++ b/a b.py\n{hunk}") == {"a b.py": "y\n"}
    assert texts(f'--- "a/caf\\303\\251/\\303\\274.py"\n+++ "b/caf\\303\\251/\\303\\274.py"\n{hunk}') == {
        "café/ü.py": "y\n"
    }
    assert unquoted('\\t\\"\\\\\\377') == '\t"\\\udcff'
    assert name_of("/dev/null") is None


def test_a_hunk_without_a_name_belongs_to_the_only_file_allowed() -> None:
    assert texts(HUNK, allowed=["m.py"]) == {"m.py": DONE}
    with pytest.raises(Refused, match="without the name"):
        texts(HUNK)


def test_files_are_made_deleted_and_renamed() -> None:
    made = "diff --git a/n.py b/n.py\nnew file mode 100755\n--- /dev/null\n+++ b/n.py\n@@ -0,0 +1,3 @@\n+a\n\n+b\n"
    applied = apply_reply(made, FILES.get)
    assert (applied.texts, applied.modes) == ({"n.py": "a\n\nb\n"}, {"n.py": 0o100755})
    assert texts("diff --git a/n b/n\nnew file mode 100644\n") == {"n": ""}
    assert texts("--- a/a b.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n") == {"a b.py": None}
    assert texts("*** Begin Patch\n*** Delete File: m.py\n*** Add File: k.py\n+k\n*** End Patch\n") == {
        "m.py": None, "k.py": "k\n"}  # fmt: skip
    moved = f"diff --git a/m.py b/k.py\nsimilarity index 90%\nrename from m.py\nrename to k.py\n--- a/m.py\n+++ b/k.py\n{HUNK}"
    assert texts(moved) == {"m.py": None, "k.py": DONE}
    assert texts("diff --git a/m.py b/k.py\ncopy from m.py\ncopy to k.py\n") == {"k.py": FILES["m.py"]}
    assert apply_reply("diff --git a/e b/e\nold mode 100644\nnew mode 100755\n", FILES.get).modes == {
        "e": 0o100755
    }


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("", "no diff"),
        ("no idea", "no diff"),
        ("--- a/x.py\n+++ b/x.py\n" + HUNK, "no file"),
        ("--- a/m.py\n+++ b/e\n" + HUNK, "forbidden"),
        ("--- /dev/null\n+++ b/m.py\n@@ -0,0 +1 @@\n+x\n", "no file"),
        ("--- /dev/null\n+++ b/n.py\n@@ -0,0 +1 @@\n+x\n y\n", "no file"),
        ("--- a/m.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-def f(a):\n", "not found"),
        ("--- a/x.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", "no file"),
        ("--- a/a b.py\n+++ b/a b.py\n@@ -1 +0,0 @@\n-x\n", "forbidden"),
        ("diff --git a/m.py b/m.py\nnew mode 120000\n", "forbidden"),
        ("diff --git a/m.py b/m.py\nBinary files a/m.py and b/m.py differ\n", "binary"),
        ("--- a/m.py\n+++ b/m.py\n@@ -1 +1 @@\n-\0\n+x\n", "binary"),
        ("--- a/m.py\n+++ b/m.py\n@@ -1,4 +1,4 @@\n def f(a):\n-    if a:\n+    if (a", "truncated"),
        ("--- a/m.py\n+++ b/m.py\n@@ -1 +1 @@\n-    return 2\n+    return 2\n", "no change"),
        ("diff --git a/x b/y\nrename from x\nrename to y\n", "no file"),
        ("diff --git a/m.py b/e\nrename from m.py\nrename to e\n", "no file"),
        ("--- a/m.py\n+++ b/m.py\n" + HUNK + "--- /dev/null\n+++ b/m.py\n@@ -0,0 +1 @@\n+x\n", "conflict"),
        ("x" * 2_000_001, "too large"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_kind(reply: str, kind: str) -> None:
    with pytest.raises(Refused) as caught:
        texts(reply)
    assert caught.value.kind == kind
    assert "\n" not in str(caught.value)


def test_binary_and_huge_files_are_left_alone() -> None:
    for text, kind in (("a\0", "binary"), ("\n" * 500_001, "too large")):
        with pytest.raises(Refused) as caught:
            apply_reply("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n", lambda _, text=text: text)  # type: ignore[misc]
        assert caught.value.kind == kind


odd = [
    "a",
    "b",
    " c",
    "\f",
    "d\x85",
    "e\u2028f",
    "\x1cg",
    "\v",
    "é",
    "\\ h",
    "\udcff",
    "```",
    "diff --git i j",
    "\\",
]
plain_lines = st.lists(st.sampled_from([*odd, "", "@@", "cr\r", "\r"]), max_size=25)


def diff_of(old: list[str], new: list[str], ends: tuple[str, str]) -> str:
    """A clean diff; every text ends as `ends` says."""
    texts = {name: ("\n".join(old) + ends[0], "\n".join(new) + ends[1]) for name in ("f", "g h")}
    return between(texts).text.replace("diff --git a/g h b/g h\n", "")


ends = st.tuples(st.sampled_from(["\n", ""]), st.sampled_from(["\n", ""]))


@settings(max_examples=150, deadline=None)
@given(old=plain_lines, new=plain_lines, ends=ends)
def test_a_clean_diff_is_read_by_unidiff_as_by_us(old: list[str], new: list[str], ends: tuple[str, str]) -> None:
    diff = diff_of(old, new, ends)
    theirs = read_well_formed(diff)
    assert theirs is None or theirs == read_reply(diff)
    assert theirs is not None or not diff or "\r" in diff or "old mode" in diff


riddles = st.lists(
    st.sampled_from(["-- a/x", "++ b/x", "-- y", "++ y", "@@ -1 +1 @@", "a", "", "-", "+"]), max_size=25
)


@settings(max_examples=150, deadline=None)
@given(old=riddles, new=riddles, ends=ends)
def test_lines_that_look_like_headers_are_no_riddle_in_a_clean_diff(
    old: list[str], new: list[str], ends: tuple[str, str]
) -> None:
    before, after = "\n".join(old) + ends[0], "\n".join(new) + ends[1]
    if before != after and before and after:
        assert apply_reply(between({"f": (before, after)}).text, {"f": before}.get).texts == {"f": after}


@pytest.mark.parametrize(
    "reply",
    [
        "Text\n" + NAMES + HUNK,
        NAMES + HUNK + "Text\n",
        NAMES + HUNK + " one more\n",
        NAMES + HUNK.replace("-2,3", "-2,4"),
        NAMES + HUNK.replace("-2,3", "-2,2"),
        NAMES + HUNK.replace("-2,3", "-" + "2" * 5000 + ",3"),
        NAMES + HUNK.replace("\n", "\r\n"),
        NAMES + HUNK.replace("     if a:", ""),
        NAMES + HUNK.removesuffix("\n"),
        NAMES + HUNK + "--- a/n.py\n+++ b/n.py\n",
        "diff --git a/m.py b/m.py\nold mode 100644\nnew mode 100755\n" + NAMES + HUNK,
        NAMES + HUNK * 1000,
    ],
)
def test_what_is_not_well_formed_to_the_letter_is_not_left_to_unidiff(reply: str) -> None:
    assert read_well_formed(reply) is None


def test_well_formed_sections_are_read_with_their_names_and_sections() -> None:
    reply = f"diff --git a/m.py b/m.py\nindex 12..34 100644\n{NAMES}{HUNK}--- a/a b.py\t2024-01-01\n+++ b/a b.py\t\n@@ -1 +1 @@ def f():\n-x\n+y\n"
    files = read_well_formed(reply)
    assert files is not None
    assert files == read_reply(reply)
    assert [(file.line, file.old, file.new, file.hunks[0].section) for file in files] == [
        (1, "a/m.py", "b/m.py", ""),
        (10, "a/a b.py", "b/a b.py", "def f():"),
    ]
