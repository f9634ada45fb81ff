# ruff: noqa: E501 - diffs are easier to read whole
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitagent.core.diffs import Refused, apply_reply, between, lines_of
from gitagent.core.diffs.keys import key, keys_of

FILE = """\
import os


class Shelf:
    def __init__(self, size):
        self.size = size
        self.books = []

    def add(self, book):
        if len(self.books) > self.size:
            raise ValueError("full")
        self.books.append(book)
        return book

    def remove(self, book):
        if book not in self.books:
            raise ValueError("gone")
        self.books.remove(book)
        return book

    def first(self):
        return self.books[0]
"""
NAMES = "--- a/m.py\n+++ b/m.py\n"
FIXED = FILE.replace("> self.size", ">= self.size")


def applied(body: str, text: str = FILE) -> str | None:
    return apply_reply(NAMES + body, {"m.py": text}.get).texts["m.py"]


def refusal(body: str, text: str = FILE) -> Refused:
    with pytest.raises(Refused) as caught:
        applied(body, text)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        "@@ -9,3 +9,3 @@\n     def add(self, book):\n-        if len(self.books) > self.size:\n+        if len(self.books) >= self.size:\n"
        '             raise ValueError("full")\n',
        # no header, no context, wrong counts
        "-        if len(self.books) > self.size:\n+        if len(self.books) >= self.size:\n",
        "@@ -700,9 +2,1 @@\n-        if len(self.books) > self.size:\n+        if len(self.books) >= self.size:\n",
        # markers lost, blanks too many
        "@@\nclass Shelf:\n...\n    def add(self, book):\n-        if len(self.books) > self.size:\n+        if len(self.books) >= self.size:\n",
        "@@\n      def add(self, book):\n-        if len(self.books) > self.size:\n+        if len(self.books) >= self.size:\n",
        # indentation: none, two for four, tabs, deeper; hard blanks
        "@@\n def add(self, book):\n-    if len(self.books) > self.size:\n+    if len(self.books) >= self.size:\n",
        "@@\n   def add(self, book):\n-    if len(self.books) > self.size:\n+    if len(self.books) >= self.size:\n",
        "@@\n \tdef add(self, book):\n-\t\tif len(self.books) > self.size:\n+\t\tif len(self.books) >= self.size:\n",
        "@@\n         def add(self, book):\n-            if len(self.books) > self.size:\n+            if len(self.books) >= self.size:\n",
        "@@\n-\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0if len(self.books) > self.size:\n"
        "+\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0if len(self.books) >= self.size:\n",
        # blanks inside and at the end
        "@@\n-        if len( self.books )>self.size:   \n+        if len( self.books )>=self.size:   \n",
        # context: missing, made up, misspelt, typographic
        "@@\n     def add(self, book):\n-        if len(self.books) > self.size:\n+        if len(self.books) >= self.size:\n"
        "         self.books.append(book)\n         return book\n",
        "@@\n     # a note\n     def add(self, book):\n-        if len(self.books) > self.size:\n"
        '+        if len(self.books) >= self.size:\n             raise ValueError("full")\n',
        "@@\n     def ad(self, book):\n-        if len(self.books) > self.size:\n+        if len(self.books) >= self.size:\n"
        "             raise ValueError(“full”)\n         self.books.append(book)\n",
    ],
)  # fmt: skip
def test_a_mangled_hunk_is_applied_as_meant(body: str) -> None:
    assert applied(body) == FIXED


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("class", "\f\nclass"),
        lambda text: text.replace("import os\n", "import os\r\n"),
        lambda text: text.replace('"full"', '"\udcff"').replace("\udcff", "\udcff"),
    ],
)
def test_an_odd_file_keeps_its_oddities(change) -> None:  # type: ignore[no-untyped-def]
    body = "@@\n     def first(self):\n-        return self.books[0]\n+        return self.books[-1]\n"
    assert applied(body, change(FILE)) == change(FILE.replace("[0]", "[-1]"))


def test_a_line_is_carried_over_in_the_spelling_of_the_one_it_replaces() -> None:
    text = "say('it’s  done')  \nnext()\n"
    assert applied("@@\n-say('it's done')\n+say('it's  over')\n", text) == "say('it’s  over')  \nnext()\n"
    assert refusal("@@\n-say('it's done')\n+say('it's all done')\n", text).kind == "ambiguous"
    assert refusal("@@\n-say('it's done')\n+say('it's done')\n+other('y')\n", text).kind == "ambiguous"


def test_places_are_told_apart_by_number_section_and_order() -> None:
    hunk = "         return book\n+        # done\n \n"
    first = FILE.replace("        return book\n", "        return book\n        # done\n", 1)
    second = FILE.replace(
        "        return book\n\n    def first", "        return book\n        # done\n\n    def first"
    )
    assert applied("@@ -13,2 +13,3 @@\n" + hunk) == first
    assert applied("@@ -19,2 +19,3 @@\n" + hunk) == second
    assert applied("@@ def remove(self, book):\n" + hunk) == second
    assert applied("@@ class Shelf: @@\n def add(self, book):\n ...\n" + hunk) == first
    earlier = '@@\n-            raise ValueError("gone")\n+            raise KeyError(book)\n'
    assert applied(earlier + "@@\n" + hunk) == second.replace('ValueError("gone")', "KeyError(book)")
    both = first.replace("return book\n\n    def first", "return book\n        # done\n\n    def first")
    assert applied("@@\n" + hunk + "@@\n" + hunk) == both
    refused = refusal("@@ -15,2 +15,3 @@\n" + hunk)
    assert refused.kind == "ambiguous"
    assert (
        'hunk 1 fits at line 13 ("return book", 1 below "self.books.append(book)")'
        ' and at line 19 ("return book", 1 below "self.books.remove(book)"). Add'
    ) in str(refused)


def test_two_equally_good_places_are_shown_with_what_tells_them_apart() -> None:
    def reason(text: str, body: str = "@@\n x\n-y\n+z\n") -> str:
        refused = refusal(body, text)
        assert refused.kind == "ambiguous"
        assert "\n" not in str(refused)
        return str(refused)

    top = reason("x\ny\n\nx\ny\n")
    assert 'fits at line 1 ("x", at the top of the file) and at line 4 ("x", 1 below a blank line). Add' in top
    assert "fits at line 1 (" in reason("x\ny\n" * 3) and " and elsewhere. Add" in reason("x\ny\n" * 3)
    long = reason(f"{'a' * 500}\nx\ny\n{'b' * 500}\nx\ny\n")
    assert len(long) < 400
    assert 'at line 2 ("x", 1 below "aaa' in long
    equal = "q\n" * 50
    assert 'at line 51 ("x") and at line 103 ("x"). Add' in reason(f"{equal}x\ny\n{equal}x\ny\n")


def test_many_places_around_a_number_are_no_certain_one() -> None:
    refused = refusal("@@ -5000,2 +5000,2 @@\n x\n-y\n+z\n", "x\ny\n" * 5000)
    assert refused.kind == "ambiguous"
    assert "x" in str(refused)


def test_hunks_may_be_repeated_out_of_order_or_there_already() -> None:
    one = "@@\n-        if len(self.books) > self.size:\n+        if len(self.books) >= self.size:\n"
    two = "@@\n-        return self.books[0]\n+        return self.books[-1]\n"
    done = FIXED.replace("[0]", "[-1]")
    assert applied(two + one) == done
    assert applied(one + two + one) == done
    context = "@@\n     def first(self):\n-        return self.books[0]\n+        return self.books[-1]\n"
    assert applied(one + context, FILE.replace("[0]", "[-1]")) == done
    assert refusal(one, FIXED).kind in ("not found", "no change")
    after = "@@\n-        if len(self.books) >= self.size:\n+        if self.is_full():\n"
    assert applied(one + after) == FILE.replace("len(self.books) > self.size", "self.is_full()")


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("@@\n-        return self.books[1]\n+        x\n", "not found", "The nearest is line 22"),
        ("@@\n-zebra\n+        x\n", "not found", "no such line is in the file"),
        ("@@ -3,0 +4 @@\n+x = 1\n", "not found", "no unchanged lines around"),
        ("@@\n-            raise ValueError(\"gone\")\n-            raise ValueError(\"full\")\n+x\n", "not found", "next to one"),
        ("@@\n import os\n+a = 1\nx = 1\n \n \n class Shelf:\n", "ambiguous", "two ways"),
        ("@@\n         return self.books[0]\n-        self.books = []\n+        y\n", "not found", "next to one another"),
        ("@@\n-import os\n+import re\n@@\n-import os\n+import sys\n", "conflict", "another hunk changes too"),
        ("@@\n import os\n+print(“hello”)\n \n", "ambiguous", "typographic"),
        ("@@\n import os\n+if x:\n+\tpass\n \n", "ambiguous", "indented with tabs"),
        ("@@\n import os\n+if x:\n+  pass\n \n", "ambiguous", "indented by 2 blanks"),
        ("@@\n import os\n+if x:\n+\u00a0\u00a0pass\n \n", "ambiguous", "hard blanks"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_refused_in_words(body: str, kind: str, words: str) -> None:
    refused = refusal(body)
    assert (refused.kind, words in str(refused)) == (kind, True), str(refused)
    assert refused.path == "m.py"


def test_a_missing_context_line_beside_one_like_it_misleads_nobody() -> None:
    text = 'def f():\n    """\n    One.\n    """\n    A.start(self, *args)\n    B.start(self, *args, **more)\n\n\nclass C:\n    pass\n'
    body = '@@ -4,6 +4,7 @@\n     """\n     B.start(self, *args, **more)\n+    return self\n \n \n class C:\n'
    assert applied(body, text) == text.replace("more)\n", "more)\n    return self\n")


def test_what_stands_there_already_is_not_added_again_by_a_flawed_hunk() -> None:
    body = "@@\n     def first(self:\n         return self.books[0]\n+\n+    def last(self):\n+        return self.books[-1]\n"
    done = FILE + "\n    def last(self):\n        return self.books[-1]\n"
    assert applied(body) == done
    assert refusal(body, done).kind in ("no change", "not found")


def test_ends_of_files_are_what_the_marks_say_or_what_they_were() -> None:
    mark = "\\ No newline at end of file\n"
    assert applied("@@ -1,2 +1,2 @@\n a\n-b\n" + mark + "+c\n", "a\nb") == "a\nc\n"
    assert applied("@@ -1,2 +1,2 @@\n a\n-b\n+c\n" + mark, "a\nb\n") == "a\nc"
    assert applied("@@\n a\n-b\n+c\n", "a\nb") == "a\nc"
    assert applied("@@\n a\n b\n+c\n", "a\nb") == "a\nb\nc"
    assert applied("@@\n-a\n+c\n" + mark + " b\n", "a\nb\n") == "c\nb\n"
    assert refusal("@@\n a\n-b\n+c\n" + mark, "a\nb\n").kind == "ambiguous"
    assert applied("@@\n a\n-b\n" + mark, "a\nb") == "a\n"
    assert refusal("@@\n a\n-b\n", "a\nb").kind == "ambiguous"


def test_a_file_of_equal_lines_is_handled_in_bounded_work() -> None:
    text = "x\n" * 50_000
    assert applied("@@ -100,2 +100,3 @@\n x\n+y\n x\n", text) == "x\n" * 100 + "y\n" + "x\n" * 49_900
    assert refusal("@@\n x\n+y\n x\n", text).kind == "ambiguous"
    assert refusal("@@\n" + " x\n" * 500 + " z\n-x\n+y\n" + " x\n" * 500, text).kind == "too large"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("@@ -7 +7 @@\n" + " x\n" * 10_000 + "-x\n+y\n", "x\n" * 50_000),
        ("@@\n-x\n+y\n" * 201, "x\n" * 1_000),
        ("@@\n-" + "x" * 200_001 + "\n+y\n", "y\n"),
        ("@@\n-x1\n+y\n", "".join(f"x{n}\n" for n in range(100_001))),
        ("@@\n" + "a b c\n" * 29_990, "x\n"),
        ("@@\n" + "...\n-x\n+y\n" * 201, "x\n"),
        ("@@\n-x1\n" + "+x\n" * 30_000, "x\n"),
    ],
)
def test_what_would_take_long_is_refused_as_too_large(body: str, text: str) -> None:
    assert refusal(body, text).kind == "too large"


def test_a_large_diff_that_is_right_to_the_byte_is_applied() -> None:
    text = "".join(f"x{n}\n" for n in range(100_001))
    assert applied("@@ -3,2 +3,2 @@\n-x2\n+y\n x3\n", text) == text.replace("x2\n", "y\n", 1)
    many = "".join(f"@@ -{n},2 +{n},2 @@\n-x{n - 1}\n+y\n x{n}\n" for n in range(10, 1_000, 2))
    assert applied(many, text) is not None


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(alphabet="ae \t\u0301\u0308\u200b“\u00a0\r\u1100\u1161\udcff", max_size=6), max_size=6),
    st.integers(0, 2),
)
def test_the_keys_of_all_lines_are_those_of_each(lines: list[str], view: int) -> None:
    assert keys_of(lines, view) == [key(line, view) for line in lines]


text_lines = st.lists(st.sampled_from(["a", "b", "  c", "    d", "", "\te", "f\r", "}", "“g”"]), max_size=24)


def joined(lines: list[str], end: str) -> str:
    return "\n".join(lines) + end


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=text_lines, new=text_lines, ends=st.tuples(st.sampled_from(["\n", ""]), st.sampled_from(["\n", ""])))
def test_a_diff_without_flaw_is_applied_as_git_does(
    tmp_path: Path, old: list[str], new: list[str], ends: tuple[str, str]
) -> None:
    before, after = joined(old, ends[0]), joined(new, ends[1])
    diff = between({"m.txt": (before, after)}).text
    if not diff or not after:
        return
    result = apply_reply(diff, {"m.txt": before}.get)
    (tmp_path / "m.txt").write_bytes(before.encode())
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=diff.encode(), check=True)
    assert result.texts["m.txt"] == (tmp_path / "m.txt").read_bytes().decode() == after
    # What comes out is a clean diff: aligning it again changes nothing.
    assert apply_reply(result.diff.text, {"m.txt": before}.get) == result


flaws = st.lists(
    st.sampled_from(
        [
            lambda t: t.replace("@@ -", "@@ -9"),
            lambda t: t.replace("\n ", "\n"),
            lambda t: t.replace("\n ", "\n  "),
            lambda t: t.replace("    ", "\t"),
            lambda t: t.replace("\n", "\r\n"),
            lambda t: "\n".join(line.rstrip() for line in t.split("\n")),
            lambda t: "```diff\n" + t + "```\n",
            lambda t: "\n".join("@@" if line.startswith("@@") else line for line in t.split("\n")),
            lambda t: t.replace("m.py", "./m.py"),
            lambda t: t.replace('"', "”"),
        ]
    ),
    max_size=3,
)


@settings(max_examples=120, deadline=None)
@given(at=st.integers(0, FILE.count("\n") - 1), flaws=flaws)
def test_any_list_of_flaws_ends_exact_or_refused(at: int, flaws: list) -> None:  # type: ignore[type-arg]
    lines = lines_of(FILE)
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip(" "))]
    new = "".join([*lines[:at], f'{indent}mark("{at}")\n', *lines[at + 1 :]])
    diff = between({"m.py": (FILE, new)}).text
    for flaw in flaws:
        diff = flaw(diff)
    try:
        result = apply_reply(diff, {"m.py": FILE}.get)
    except Refused:
        return
    assert result.texts == {"m.py": new}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*"@+- \\\n\r\t`~>*.", "---", "+++", "@@", " a/m.py", " /dev/null", "import os", "\0", "é", "diff --git"]),
                max_size=60))  # fmt: skip
def test_noise_never_crashes(noise: list[str]) -> None:
    for reply in ("".join(noise), NAMES + "@@\n" + "".join(noise)):
        try:
            result = apply_reply(reply, {"m.py": FILE, "a/m.py": None}.get)
        except Refused:
            continue
        assert result.diff.paths


@pytest.mark.parametrize(
    ("old", "body", "new"),
    [
        # only context to go by: a blank too many, two blanks for four, tabs, deeper
        (FILE, "@@\n      def first(self):\n+        # the oldest\n          return self.books[0]\n", "        # the oldest\n"),
        (FILE, "@@\n   def first(self):\n+    # the oldest\n     return self.books[0]\n", "        # the oldest\n"),
        (FILE, "@@\n \tdef first(self):\n+\t\t# the oldest\n \t\treturn self.books[0]\n", "        # the oldest\n"),
        (FILE, "@@\n         def first(self):\n+            # the oldest\n             return self.books[0]\n", "        # the oldest\n"),
        (FILE.replace("    ", "\t"), "@@\n     def first(self):\n+        # the oldest\n         return self.books[0]\n", "\t\t# the oldest\n"),
        # what one hunk shows holds for the other
        (FILE.replace("    ", "\t"), "@@\n import os\n+if os:\n+    pass\n \n@@\n     def first(self):\n+        # the oldest\n", None),
        # hard blanks and quotes inside lines, and at their ends
        (FILE, "@@\n     def first(self):\n-        return\u00a0self.books[0]\n+        return\u00a0self.books[0]\u00a0or\u00a0None\n", None),
        (FILE, '@@\n-            raise ValueError(“gone”)\n+            raise KeyError(“gone”, “not here”)\n', None),
    ],
)  # fmt: skip
def test_added_lines_are_spelled_as_their_neighbours_show(old: str, body: str, new: str | None) -> None:
    result = applied(body, old)
    assert result is not None
    if new is not None:
        head = old.rpartition("def first(self):\n")
        assert result == head[0] + head[1] + new + head[2]
    else:
        assert result.isascii()
        assert ("    " in result) == ("    " in old)


@pytest.mark.parametrize(
    ("old", "body"),
    [
        ("x  =  1\n", "@@\n-x = 1\n+x = 1 # one\n"),
        ("f(a,  b)\n", "@@\n-f(a, b)\n+f(a, c, b)\n"),
        ("f(a,  b)\n", "@@\n-f(a, b)\n" + "+f(a, b, c)\n" * 2_000),
        ("a\r\nb\nc\r\n", "@@\n a\n+x\n b\n"),
    ],
)
def test_a_spelling_that_the_evidence_leaves_open_is_refused(old: str, body: str) -> None:
    assert refusal(body, old).kind == "ambiguous"


def test_line_endings_that_the_diff_shows_are_kept() -> None:
    assert applied("@@\n a\r\n-b\n+x\r\n+y\n c\n", "a\r\nb\nc\n") == "a\r\nx\r\ny\nc\n"
    assert applied("@@\n a\n-b\n-c\n+x\n+y\n", "a\nb\r\nc\nd\n") == "a\nx\r\ny\nd\n"


def test_a_reply_known_to_be_whole_may_lack_its_last_newline() -> None:
    reply = NAMES + "@@ -1 +1 @@\n-import os\n+import sys"
    with pytest.raises(Refused, match="break off"):
        apply_reply(reply, {"m.py": FILE}.get)
    applied = apply_reply(reply, {"m.py": FILE}.get, finished=True)
    assert applied.texts["m.py"] == FILE.replace("import os", "import sys")
