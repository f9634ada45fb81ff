"""Results out of what runners write, the hostile kind too."""

import contextlib
import json
from typing import get_args
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core import results
from gitagent.core.results import read_cargo, read_go, read_jest, read_junit, read_tap, read_unittest, shortened
from gitagent.errors import RequestError
from gitagent.records import Outcome


def of_pytest(cases: str) -> bytes:
    return f'<?xml version="1.0"?><testsuites><testsuite name="pytest">{cases}</testsuite></testsuites>'.encode()


def case(classname: str, name: str, file: str = "", inside: str = "") -> str:
    where = f" file={quoteattr(file)}" if file else ""
    return f'<testcase classname="{classname}" name={quoteattr(name)}{where} time="0.5">{inside}</testcase>'


def ids(data: bytes) -> list[str]:
    return [result.id for result in read_junit(data)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (case("tests.test_a", "test_x", "tests/test_a.py"), "tests/test_a.py::test_x"),
        (
            case("tests.test_a.TestA.TestB", "t[1-a.b]", "tests/test_a.py"),
            "tests/test_a.py::TestA::TestB::t[1-a.b]",
        ),
        (case("test_a", "t[x::y[z]]", "test_a.py"), "test_a.py::t[x::y[z]]"),
        (case("", "tests.test_b", "tests/test_b.py"), "tests/test_b.py"),
        (case("", "tests.test_b"), "tests/test_b.py"),
        (case("pkg.mod", "pkg.mod.f", "pkg/mod.py"), "pkg/mod.py::pkg.mod.f"),
        (case("docs.use.txt", "use.txt", "docs/use.txt"), "docs/use.txt::use.txt"),
        (case("tests.test_a.TestA", "test_inherited", "tests/base.py"), "tests/test_a.py::TestA::test_inherited"),
        (case("tests.test_c", "test_outside", "../lib/case.py"), "tests/test_c.py::test_outside"),
    ],
)
def test_the_ids_of_pytest_are_rebuilt(written: str, expected: str) -> None:
    assert ids(of_pytest(written)) == [expected]


def test_an_inherited_test_is_placed_by_the_other_tests_of_its_module() -> None:
    written = case("t.lower.helper", "test_own", "t/lower/helper.py") + case(
        "t.lower.helper.C", "test_x", "base.py"
    )
    assert ids(of_pytest(written)) == ["t/lower/helper.py::test_own", "t/lower/helper.py::C::test_x"]


def test_outcomes_times_and_messages_are_read() -> None:
    written = (
        case("a", "ok", "a.py")
        + case("a", "bad", "a.py", '<failure message="assert 1 == 2">a.py:3: in bad\nE   assert 1 == 2</failure>')
        + case("a", "broken", "a.py", '<error message="failed on setup">ValueError</error>')
        + case("a", "later", "a.py", '<skipped type="pytest.skip" message="not now">a.py:1: not now</skipped>')
    )
    read = read_junit(of_pytest(written))
    assert [result.outcome for result in read] == ["passed", "failed", "error", "skipped"]
    assert [result.message for result in read] == [
        "",
        "a.py:3: in bad\nE   assert 1 == 2",
        "failed on setup\nValueError",
        "a.py:1: not now",
    ]
    assert read[0].seconds == 0.5


def test_a_test_that_is_told_of_twice_has_its_worst_outcome() -> None:
    failed = case("a", "t", "a.py", "<failure>assert 0</failure>")
    written = failed + case("a", "t", "a.py", "<error>teardown</error>")
    (result,) = read_junit(of_pytest(written))
    assert (result.outcome, result.message, result.seconds) == ("error", "assert 0\n\nteardown", 1.0)


def test_other_runners_tests_are_named_by_class_and_method() -> None:
    data = b'<testsuite name="x"><testcase name="bar" classname="org.x.FooTest" time="1,000.5"/></testsuite>'
    (result,) = read_junit(data)
    assert (result.id, result.outcome, result.seconds) == ("org.x.FooTest.bar", "passed", 1000.5)


def test_several_documents_one_after_the_other_are_all_read() -> None:
    one = b'<?xml version="1.0"?>\n<testsuite><testcase name="%s"/></testsuite>\n'
    assert ids(one % b"a" + one % b"b") == ["a", "b"]


BOMB = b"""<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>
<testsuite><testcase name="&b;"/></testsuite>"""


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (BOMB, "document type or entities"),
        (b'<!DOCTYPE z SYSTEM "file:///etc/passwd"><z/>', "document type or entities"),
        (b"<testsuite>", "no readable XML"),
        (b"", "no readable XML"),
        (b"\xff\xfe<", "no readable XML"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "no readable XML"),
        (b"<a>" * 100 + b"</a>" * 100, "nest more than"),
    ],
)
def test_hostile_or_broken_xml_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        read_junit(data)


def test_too_much_of_anything_is_refused() -> None:
    with pytest.raises(RequestError, match="more than 200000 tests"):
        read_junit(b"<t>" + b"<testcase/>" * 200_001 + b"</t>")
    with pytest.raises(RequestError, match="bytes of XML"):
        read_junit(b" " * (results.XML_BYTES + 1))
    with pytest.raises(RequestError, match="more than 200000 tests"):
        read_tap("ok\n" * 200_001)


def test_odd_times_are_no_times() -> None:
    for time in ("nan", "-1", "x", "1e300"):
        data = f'<t><testcase name="a" time="{time}"/></t>'.encode()
        assert read_junit(data)[0].seconds == 0


def test_a_long_message_keeps_its_beginning_and_more_of_its_end() -> None:
    message = "BEGIN" + "x" * 50_000 + "E   assert 1 == 2"
    short = shortened(message)
    assert len(short) <= results.MESSAGE_CHARACTERS
    assert short.startswith("BEGIN")
    assert short.endswith("E   assert 1 == 2")
    assert "characters left out" in short
    (result,) = read_junit(of_pytest(case("a", "t", "a.py", f"<failure>{message}</failure>")))
    assert result.message.endswith("E   assert 1 == 2")


NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="￾￿"), max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(NAME, min_size=1, max_size=3),
            st.lists(NAME, max_size=2),
            NAME,
            TEXT,
            st.sampled_from(get_args(Outcome)),
        ),
        max_size=6,
    )
)
def test_what_pytest_writes_is_read_back(
    tests: list[tuple[list[str], list[str], str, str, Outcome]],
) -> None:
    tags = {"passed": "", "failed": "failure", "error": "error", "skipped": "skipped"}
    written, expected = "", {}
    for folders, classes, name, parameter, outcome in tests:
        file = "/".join(folders) + ".py"
        test = "::".join([file, *classes, f"{name}[{parameter}]"])
        if test in expected:
            continue
        tag = tags[outcome]
        inside = f"<{tag} message={quoteattr(parameter)}>{escape(parameter)}</{tag}>" if tag else ""
        written += case(".".join([*folders, *classes]), f"{name}[{parameter}]", file, inside)
        expected[test] = outcome
    assert {result.id: result.outcome for result in read_junit(of_pytest(written))} == expected


@settings(max_examples=80, deadline=None)
@given(
    st.binary(max_size=200) | TEXT.map(lambda text: f"<testsuite><testcase>{text}</testcase></testsuite>".encode())
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(RequestError):
        assert all(result.id for result in read_junit(data))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "ok",
                "not ok 2 - x",
                "    ok 1 - y # skip",
                "1..9",
                "  ---",
                "  ...",
                "Bail out!",
                "{",
                "test a ... ok",
                "#",
                "ok 99999999999999999999",
            ]
        )
        | TEXT
    )
)
def test_any_lines_are_read_by_the_line_readers(lines: list[str]) -> None:
    text = "\n".join(lines)
    for read in (read_tap, read_go, read_cargo, read_unittest):
        assert all(result.id for result in read(text))


TAP = """TAP version 13
# Subtest: sums
    # Subtest: adds
    ok 1 - adds
      ---
      duration_ms: 0.4
      ...
    # Subtest: takes away
    not ok 2 - takes away
      ---
      error: 'Expected 1'
      ...
    1..2
not ok 1 - sums
  ---
  type: 'suite'
  ...
ok 2 - later # SKIP not now
not ok 3 - someday # TODO
ok 4 a \\# b
1..4
"""


def test_tap_names_tests_below_their_parents() -> None:
    read = {result.id: result for result in read_tap(TAP)}
    assert {name: result.outcome for name, result in read.items()} == {
        "sums > adds": "passed",
        "sums > takes away": "failed",
        "later": "skipped",
        "someday": "skipped",
        "a # b": "passed",
    }
    assert "Expected 1" in read["sums > takes away"].message


def test_a_tap_parent_that_fails_by_itself_is_told() -> None:
    text = "    ok 1 - child\nnot ok 1 - parent\n1..1\n"
    assert {one.id: one.outcome for one in read_tap(text)} == {"parent > child": "passed", "parent": "failed"}


def test_tap_that_stops_early_says_so() -> None:
    _, plan = read_tap("1..3\nok 1 - a\n")
    assert (plan.outcome, plan.message) == ("error", "3 tests were planned, 1 ran")
    assert read_tap("1..1\nok 1\nBail out! no database\n")[-1].message == "Bail out! no database"


def test_go_names_tests_by_package_and_a_package_that_does_not_build_is_an_error() -> None:
    events = [
        {"Action": "run", "Package": "m/p", "Test": "TestA"},
        {"Action": "output", "Package": "m/p", "Test": "TestA", "Output": "p_test.go:5: got 1\n"},
        {"Action": "fail", "Package": "m/p", "Test": "TestA", "Elapsed": 0.1},
        {"Action": "pass", "Package": "m/p", "Test": "TestB"},
        {"Action": "skip", "Package": "m/p", "Test": "TestC"},
        {"Action": "fail", "Package": "m/p"},
        {"Action": "build-output", "ImportPath": "m/q [m/q.test]", "Output": "undefined: x\n"},
        {"Action": "fail", "Package": "m/q"},
    ]
    read = read_go("not json\n" + "\n".join(json.dumps(event) for event in events))
    assert {result.id: result.outcome for result in read} == {
        "m/p.TestA": "failed",
        "m/p.TestB": "passed",
        "m/p.TestC": "skipped",
        "m/q": "error",
    }
    assert read[0].message == "p_test.go:5: got 1\n"
    assert read[-1].message == "undefined: x\n"


CARGO = """running 3 tests
test sums::adds ... ok
test sums::takes - should panic ... FAILED
test later ... ignored, not now

failures:

---- sums::takes stdout ----
thread 'sums::takes' panicked at src/lib.rs:9:5:
assertion failed

failures:
    sums::takes
"""


def test_cargo_tests_have_their_panics() -> None:
    read = {result.id: result for result in read_cargo(CARGO)}
    assert {name: result.outcome for name, result in read.items()} == {
        "sums::adds": "passed",
        "sums::takes": "failed",
        "later": "skipped",
    }
    assert read["sums::takes"].message.endswith("assertion failed")


def test_unittest_modules_that_do_not_load_are_errors_under_their_name() -> None:
    text = (
        "test_x (unittest.loader._FailedTest.test_x) ... ERROR\n"
        "test_a (test_y.T) ... expected failure\n"
        "test_b (test_y.T) ... unexpected success\n"
    )
    assert {one.id: one.outcome for one in read_unittest(text)} == {
        "test_x": "error",
        "test_y.T.test_a": "skipped",
        "test_y.T.test_b": "failed",
    }


def test_jests_results_are_named_by_file_suites_and_title() -> None:
    case = {"ancestorTitles": ["calc", "deep"], "title": "a\n b", "status": "failed", "duration": 1500,
            "failureMessages": ["\x1b[31mError: no\x1b[39m", "more"]}  # fmt: skip
    told = {
        "testResults": [
            {
                "name": "/w/t/a.test.js",
                "status": "failed",
                "assertionResults": [case, {"title": "b", "status": "todo"}],
            },
            {"name": "/w/t/b.test.js", "status": "failed", "message": "SyntaxError", "assertionResults": []},
            {"name": "/elsewhere/c.js", "assertionResults": [{"title": "c", "status": "passed"}, "odd"]},
            "odd",
        ]
    }
    found = read_jest(json.dumps(told).encode(), "/w")
    assert [(one.id, one.outcome, one.seconds, one.message) for one in found] == [
        ("t/a.test.js > calc > deep > a b", "failed", 1.5, "Error: no\n\nmore"),
        ("t/a.test.js > b", "skipped", 0.0, ""),
        ("t/b.test.js", "error", 0.0, "SyntaxError"),
        ("/elsewhere/c.js > c", "passed", 0.0, ""),
    ]
    for odd in (b"", b"[]x", b"[" * 100_000):
        with pytest.raises(RequestError, match="no readable JSON"):
            read_jest(odd)
    assert read_jest(b'[{"testResults": 1}]') == ()


def test_junit_of_javascript_is_named_by_file() -> None:
    text = (
        '<testsuites><testsuite name="Mocha Tests"><testcase classname="calc in.ner" name="adds" file="/w/t/a.js"/>'
        '<testcase classname="" name="top" file="/w/t/a.js"/></testsuite><testsuite name="v/a.test.mjs">'
        '<testcase classname="v/a.test.mjs" name="calc &gt; adds"/></testsuite></testsuites>'
    )
    assert [one.id for one in read_junit(text.encode(), "/w")] == [
        "t/a.js > calc in.ner > adds",
        "t/a.js > top",
        "v/a.test.mjs > calc > adds",
    ]
