"""Which tests a change can break."""

import difflib

from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.impact import changed_lines, impacted, moved_lines
from gitagent.records import Coverage


def diff(before: str, after: str, path: str = "a.py") -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", lineterm="", n=1
    )
    return "\n".join(lines)


def ran(test: str, *lines: int, path: str = "a.py", outcome: str = "passed") -> Coverage:
    return Coverage(test=test, outcome=outcome, lines={path: frozenset(lines)})  # type: ignore[arg-type]


def test_removed_lines_and_those_beside_added_ones_are_changed() -> None:
    assert changed_lines(diff("a\nb\nc\nd\n", "a\nB\nc\nd\n")) == {"a.py": {2, 3}}
    assert changed_lines(diff("a\nb\nc\n", "a\nb\nnew\nc\n")) == {"a.py": {2, 3}}
    assert changed_lines(diff("a\nb\n", "a\n")) == {"a.py": {2}}
    assert changed_lines("") == {}


@given(st.lists(st.sampled_from("abcd"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8))
@settings(max_examples=80)
def test_every_removed_line_is_among_the_changed_ones(before: list[str], after: list[str]) -> None:
    text = diff("\n".join(before), "\n".join(after))
    changed = changed_lines(text).get("a.py", set())
    removed = [line for line in text.split("\n") if line.startswith("-") and not line.startswith("---")]
    assert len([line for line in changed if 0 < line <= len(before)]) >= len(removed)


def test_tests_that_ran_the_changed_lines_come_with_the_narrowest_first() -> None:
    coverage = [ran("wide", *range(1, 50)), ran("narrow", 4, 5), ran("other", 9), ran("red", 4, outcome="failed")]
    assert impacted(coverage, {"a.py": {5}}) == ("narrow", "wide")
    assert impacted(coverage, {"a.py": {5}}, besides=["narrow"]) == ("wide",)
    assert impacted(coverage, {"b.py": {5}}) == ()


def test_a_line_that_runs_at_import_matters_to_all_that_run_its_file() -> None:
    coverage = [ran("", 1, 2), ran("one", 9), ran("two", 9, path="b.py")]
    assert impacted(coverage, {"a.py": {1}}) == ("one",)


def test_moved_lines_are_those_removed_here_and_added_there() -> None:
    assert moved_lines(diff("x = 1\ny = 2\nz = 3\n", "y = 2\nz = 3\nx = 1\n")) == 1
    assert moved_lines(diff("x = 1\n", "x = 2\n")) == 0
