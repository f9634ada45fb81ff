"""Tests in other languages, by their lines: what is a test, what asserts, and what makes it not count."""

import re
from collections import Counter

from gitagent.core.tampering.findings import Finding

_TEST = re.compile(
    r"""\b(?:it|test|describe|context)(?:\.each\([^)]*\))?\s*\(\s*['"`]([^'"`]+)   # JavaScript, TypeScript
    |^\s*func\s+(?:\([^)]*\)\s*)?((?:Test|Example|Fuzz|Benchmark)\w*)\s*\(          # Go
    |\#\[(?:\w+::)?test\b[^\n]*\n(?:\s*\#\[[^\n]*\n)*\s*(?:pub\s+)?(?:async\s+)?fn\s+(\w+)  # Rust
    |@(?:Test|ParameterizedTest|RepeatedTest)\b[^{;]*?\bvoid\s+(\w+)\s*\(           # Java
    |^\s*(?:TEST|TEST_F|TEST_P|TEST_CASE)\s*\(([^)]*)\)                             # C++
    |^\s*def\s+(test_\w+)                                                           # Ruby
    """,
    re.VERBOSE | re.MULTILINE,
)
_SKIP = re.compile(
    r"""\b(?:it|test|describe|context|suite)\.(?:skip|only|todo|fails|fixme)\b|\bx(?:it|test|describe|context)\s*\(
    |\b(?:f(?:it|describe))\s*\(|\bskip:\s*true|\bt\.Skip(?:f|Now)?\s*\(|\btesting\.Short\(\)
    |\#\[ignore\b|\#\[should_panic\b|@(?:Disabled|Ignore)\w*|\bAssum(?:e|ptions)\.|\bGTEST_SKIP\b|\bDISABLED_
    |\bprocess\.exit\s*\(|\bos\.Exit\s*\(|\bSystem\.exit\s*\(|^\s*//\s*go:build\s+ignore|^\s*skip\b""",
    re.VERBOSE | re.MULTILINE,
)
_ASSERT = re.compile(
    r"\b(?:assert\w*|expect|should|require|ensure|refute\w*|EXPECT_\w+|ASSERT_\w+|t\.(?:Error|Fatal|Fail)\w*|panic)\b"
)


def in_test(path: str, old: str, new: str) -> list[Finding]:
    """What a new text takes from the tests of a file in whatever language."""
    found = []
    names_before, names_after = _names(old), _names(new)
    gone = [name for name in names_before if name not in names_after]
    if gone:
        line = old.count("\n", 0, max(old.find(gone[0]), 0)) + 1
        found.append(
            Finding(path=path, line=line, kind="deleted", what=f"the test {gone[0]!r} is deleted or renamed")
        )
    found += _skips(path, Counter(_SKIP.findall(old)), new)
    asserts = Counter(_asserting(new))
    lost = [line for line in _asserting(old) if not _take(asserts, line)]
    if lost and not gone:
        at = old.count("\n", 0, max(old.find(lost[0]), 0)) + 1
        found.append(Finding(path=path, line=at, kind="weakened", what="an assertion is gone or changed"))
    return found


def in_new(path: str, new: str) -> list[Finding]:
    """A new file of tests may hold what it wants, but not choose itself alone to be run."""
    return [one for one in _skips(path, Counter(), new) if "only" in one.what]


def _names(text: str) -> list[str]:
    return [next(filter(None, groups)) for groups in _TEST.findall(text) if any(groups)]


def _skips(path: str, known: "Counter[str]", new: str) -> list[Finding]:
    for found in _SKIP.finditer(new):
        if not _take(known, found[0]):
            line = new.count("\n", 0, found.start()) + 1
            return [
                Finding(path=path, line=line, kind="skipped", what=f"{found[0].strip()} makes tests not count")
            ]
    return []


def _asserting(text: str) -> list[str]:
    return [
        line.strip()
        for line in text.split("\n")
        if _ASSERT.search(line) and not line.strip().startswith(("//", "#", "*"))
    ]


def _take(known: "Counter[str]", word: str) -> bool:
    if known[word] <= 0:
        return False
    known[word] -= 1
    return True
