"""What the scripts sent into a sandbox are made of, and their parts that need no sandbox."""

import ast
import json
import os
import sys
import time

import pytest

from gitagent.inside import trace, trials
from gitagent.testruns import script as source_of

SCRIPTS = ["trace", "trials"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_are_python_3_8_and_need_only_the_standard_library_and_pytest(script: str) -> None:
    tree = ast.parse(source_of(script), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, "pytest"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_fit_on_a_command_line(script: str) -> None:
    assert len(source_of(script).encode()) < 64 * 1024  # Linux takes 128 KiB for one argument


def heard(*writes: bytes, seconds: float = 5.0) -> tuple[object, str]:
    source, channel = os.pipe()
    for data in writes:
        os.write(channel, data)
    os.close(channel)
    try:
        return trials.listen(source, time.monotonic() + seconds)
    finally:
        os.close(source)


WORD = b"0123456789abcdef" * 2


def test_a_report_counts_only_with_the_word_that_was_said_first() -> None:
    report = json.dumps({"exit": 0}).encode()
    assert heard(WORD + b"\n" + WORD + report + b"\n") == ({"exit": 0}, "")
    assert heard(WORD + b"\n", report + b"\n") == (None, "forged")
    assert heard(WORD + b"\n", b"f" * 32 + report + b"\n") == (None, "forged")
    assert heard(b"short\nshort" + report + b"\n") == (None, "forged")
    assert heard(WORD + b"\n" + WORD + b"no json\n") == (None, "garbled")
    assert heard(WORD + b"\n" + WORD + b"[1]\n") == (None, "garbled")
    assert heard(WORD + b"\n") == (None, "ended")


def test_a_child_that_says_nothing_in_its_time_is_not_waited_for() -> None:
    source, channel = os.pipe()
    try:
        assert trials.listen(source, time.monotonic() - 1) == (None, "timeout")
        assert trials.listen(source, time.monotonic() + 0.01) == (None, "timeout")
    finally:
        os.close(source)
        os.close(channel)


@pytest.mark.parametrize(
    ("outcomes", "code", "red", "good"),
    [
        ({"t.py::a": "passed"}, 0, ["t.py::a"], True),
        ({"t.py::a": "passed"}, 1, ["t.py::a"], False),
        ({"t.py::a[1]": "passed", "t.py::a[2]": "passed"}, 0, ["t.py::a"], True),
        ({"t.py::a[1]": "passed", "t.py::a[2]": "skipped"}, 0, ["t.py::a"], False),
        ({"t.py::ab": "passed"}, 0, ["t.py::a"], False),
        ({"t.py::T::a": "passed"}, 0, ["t.py"], True),
        ({}, 0, ["t.py::a"], False),
        ({"t.py::a": "passed"}, 0, ["t.py::a", "t.py::b"], False),
    ],
)
def test_a_candidate_passes_if_every_red_test_ran_and_passed(
    outcomes: dict[str, str], code: int, red: list[str], good: bool
) -> None:
    assert trials.passes({"outcomes": outcomes, "exit": code}, red) is good


def test_texts_that_do_not_compile_are_told_by_line() -> None:
    assert trials.wrong_syntax({"a.py": "x = 1\n", "b.txt": "(", "c.py": None}) == ""
    assert trials.wrong_syntax({"a.py": "x = 1\ny = (\n"}).startswith("a.py:2: ")
    assert trials.wrong_syntax({"a.py": "x = '\0'\n"}).startswith("a.py")
    assert trials.wrong_syntax({"a.py": "x = '\udcff'\n"}).startswith("a.py")


def test_lines_are_packed_into_ranges() -> None:
    assert trace.ranges({3, 1, 2, 7}) == [1, 3, 7, 7]
    assert trace.ranges(set()) == []


def test_only_files_below_the_root_that_are_not_installed_ones_are_the_projects() -> None:
    root = trace.ROOT
    assert trace.project_path(os.path.join(root, "pkg", "a.py"), {}) == "pkg/a.py"
    assert trace.project_path("pkg/a.py", {}) == "pkg/a.py"
    for name in (json.__file__, f"{root}/.venv/lib/x.py", f"{root}/env/site-packages/x.py", "<string>", ""):
        assert trace.project_path(name, {}) is None
