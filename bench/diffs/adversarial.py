"""Replies made to take long: repetitive files, endless hunks, expressions that might backtrack.

Most are just below the limits beyond which a reply is refused unread; some are far beyond.
"""

from collections.abc import Iterator

NAMES = "--- a/f\n+++ b/f\n"
EQUAL = "x\n" * 50_000
DISTINCT = "".join(f"line {number}\n" for number in range(50_000))
CHANGE = "@@\n-line 5\n+z\n"


def inputs() -> Iterator[tuple[str, str, str]]:
    """(what it is, the reply, the text of the file f)."""
    yield "50,000 equal lines, right number", f"{NAMES}@@ -100,2 +100,3 @@\n x\n+y\n x\n", EQUAL
    yield "50,000 equal lines, no number", f"{NAMES}@@\n x\n+y\n x\n", EQUAL
    long = " x\n" * 500
    yield "50,000 equal lines, 1,000 of context", f"{NAMES}@@\n{long} z\n-x\n+y\n{long}", EQUAL
    long = " x\n" * 4_500
    yield "50,000 equal lines, 9,000 of context", f"{NAMES}@@ -1,9 +1,9 @@\n{long}-x\n+y\n{long}", EQUAL
    hunks = "".join(f"@@ -{at},3 +{at},3 @@\n x\n-x\n+y\n x\n" for at in range(200))
    yield "50,000 equal lines, 200 hunks", NAMES + hunks, EQUAL
    abc = "a\nb\nc\n" * 16_000
    hunks = "".join(f"@@ -{at * 60 + 2},2 +{at * 60},3 @@ def f\n a\n+y\n b\n" for at in range(200))
    yield "16,000 equal blocks, 200 hunks", NAMES + hunks, abc
    twice = "".join(f"a\nline {at}\nb\n" for at in range(2_500)) * 2
    hunks = "".join(f"@@ -{at * 9 + 3},3 +1,3 @@ def f\n a\n-line {at * 9 + 1}\n+y\n b\n" for at in range(200))
    yield "a file that is itself twice, 200 hunks", NAMES + hunks, twice
    hunk = "".join(f" line {at}\n" for at in range(100_000))
    yield "a hunk of 100,000 lines, wrong number", f"{NAMES}@@ -7,3 +7,3 @@\n{hunk}-line 5\n+z\n", DISTINCT
    hunk = "".join(f" line {at}\n" for at in range(9_900))
    yield "a hunk of 9,900 lines, wrong number", f"{NAMES}@@ -7,3 +7,3 @@\n{hunk}-line 9900\n+z\n", DISTINCT
    fenced = f"```diff\n{NAMES}@@ -3,3 +3,3 @@\n line 3\n-line 4\n+y\n line 5\n```\n"
    yield "5,000 fenced copies of one diff", fenced * 5_000, DISTINCT
    yield "200 fenced copies of one diff", fenced * 200, DISTINCT
    yield "5,900 sections", f"{NAMES}{CHANGE}" * 5_900, DISTINCT
    yield "29,900 lines without marker", NAMES + "@@\n" + "a b c\n" * 29_900, DISTINCT
    yield "9,900 lines without marker", NAMES + "@@\n" + "a b c\n" * 9_900 + "-line 5\n+z\n", DISTINCT
    yield "9,900 blank lines", NAMES + "@@\n" + "\n \n" * 4_950 + "-line 5\n+z\n", DISTINCT
    yield "200 elisions", NAMES + "@@\n" + "...\n line 5\n+z\n" * 200, DISTINCT
    yield "3,300 elisions", NAMES + "@@\n" + "...\n-line 5\n+z\n" * 3_300, DISTINCT
    yield "29,900 headers", "@@\n" * 29_900, DISTINCT
    yield "29,900 fences", "```\n" * 29_900, DISTINCT
    yield "a name behind 100,000 blanks", f"--- a/f{' ' * 100_000}2\n+++ b/f\n{CHANGE}", DISTINCT
    yield "100,000 timestamps", f"--- a/f{' 2024-01-0' * 100_000}2\n+++ b/f\n{CHANGE}", DISTINCT
    yield "100,000 marks of quoted mail", f"{'> ' * 100_000}x\n{NAMES}{CHANGE}", DISTINCT
    yield "190,000 blanks before dots", f"{NAMES}@@\n #{' ' * 190_000}x...\n-line 5\n+z\n", DISTINCT
    wide = "a b " * 4_000
    yield "12 lines of 16,000 characters", NAMES + "@@\n" + f" {wide}\n" * 12 + "-line 5\n+z\n", f"{wide}\n" * 50
    wide = "".join(f"w{at} = {at}, " for at in range(20))
    hunk = f"-{wide}\n" + f"+{wide.replace(' ', '  ')}, 1\n" * 50
    yield "50 new spellings of one line", f"{NAMES}@@\n{hunk}", f"{wide.replace(', ', ',  ')}\n" + DISTINCT
    yield "a reply of 3,000,000 characters", " " * 3_000_000, DISTINCT
    accents = "".join(f"    line {at} of é text\n" for at in range(59_000))
    yield "59,000 lines with accents, drifted", f"{NAMES}@@\n line 5  of é text\n-line 6 of é text\n+y\n", accents
    changes = "".join(f" line {at}\n-line {at + 1}\n+y{at}\n" for at in range(0, 6_600, 2))
    yield "3,300 changes in one hunk", f"{NAMES}@@\n{changes}", DISTINCT
    lines = "".join(f"-line {at}\n+y{at}\n" for at in range(14_899))
    header = "@@ -1,14900 +1,14900 @@\n"
    yield "14,900 changes, right to the byte", f"{NAMES}{header}{lines} line 14899\n", DISTINCT
    yield "25,000 git headers", "diff --git a/f b/f\n" * 25_000, DISTINCT
