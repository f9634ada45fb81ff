"""Test runs as text: written and read back, and read strictly."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core import known
from gitagent.records import TestResult, TestRun

RUN = TestRun(tree="1", sandbox="s", argv=("a",), state="passed", results=(TestResult(id="t", outcome="passed"),),
              exit_code=0, seconds=1.0)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=20), st.text(max_size=20), st.lists(st.text(max_size=5), max_size=3), st.integers(-200, 300)
)
def test_a_run_comes_back_as_it_was(output: str, message: str, argv: list[str], code: int) -> None:
    result = TestResult(id=output, outcome="failed", seconds=0.25, message=message)
    run = TestRun(tree="1", sandbox=message, argv=tuple(argv), state="failed", results=(result,), exit_code=code,
                  seconds=0.5, reason=output, output=message)  # fmt: skip
    assert known.read(known.text_of(run, "maker")) == (run, "maker")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2), ("state", "inconclusive"), ("tree", 3), ("argv", "a"), ("argv", [1]), ("exit_code", None),
        ("exit_code", True), ("seconds", -1), ("seconds", float("nan")), ("seconds", "1"), ("results", {}),
        ("results", [["t", "passed", 0]]), ("results", [["t", "green", 0, ""]]), ("results", [["t", [], 0, ""]]),
        ("results", ["t"]), ("more", 1),
    ],
)  # fmt: skip
def test_what_was_not_written_by_us_is_not_read(key: str, value: object) -> None:
    told = json.loads(known.text_of(RUN, "m"))
    assert known.read(json.dumps({**told, key: value})) is None


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "1", "x" * (known.MOST_CHARACTERS + 1)])
def test_what_is_no_run_at_all_is_not_read(text: str) -> None:
    assert known.read(text) is None
