"""Certificates: the same is always the same text, and what was edited or moved is told."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core import certificates
from gitagent.core.certificates import Certificate, Place, Ran
from gitagent.core.verdicts import judge
from gitagent.errors import RequestError
from gitagent.records import Outcome, TestResult, TestRun

BASE, TIP = Place(commit="b" * 40, tree="1" * 40), Place(commit="c" * 40, tree="2" * 40)
COMMAND = ("python3", "-m", "pytest")


def run(tree: str, **outcomes: Outcome) -> TestRun:
    results = tuple(TestResult(id=test, outcome=outcome) for test, outcome in outcomes.items())
    return TestRun(tree=tree, sandbox="docker:sha256:5", argv=COMMAND, state="failed", results=results, exit_code=1,
                   seconds=1.23456, output="log")  # fmt: skip


def certificate() -> Certificate:
    base = run(BASE.tree, a="failed", b="passed", c="passed", gone="skipped")
    tip = run(TIP.tree, a="passed", b="passed", c="failed", new="passed")
    verdict = judge(base, tip, red=["a"], base_again=run(BASE.tree, a="failed", c="failed"),
                    tip_again=run(TIP.tree, a="passed"))  # fmt: skip
    verdict = replace(verdict, red=("a",), command=COMMAND, again=(base, tip))
    return certificates.of(verdict, base=BASE.commit, tip=TIP.commit, version="1.0")


def test_a_certificate_says_what_ran_where_and_what_each_test_said() -> None:
    made = certificate()
    assert made.state == "passed" and made.flaky == ("c",)
    assert made.tests == {
        "a": ("failed", "passed"),
        "b": ("passed", "passed"),
        "gone": ("skipped", "absent"),
        "new": ("absent", "passed"),
    }
    assert [one.where for one in made.runs] == ["base", "tip", "base again", "tip again"]
    assert made.runs[0].log.startswith("sha256:") and made.runs[0].seconds == 1.235
    assert certificates.as_run(made, "tip").having("passed") == ("a", "b", "new")
    assert certificates.as_run(replace(made, runs=()), "base").state == "inconclusive"


names = st.text(st.characters(), max_size=12)
outcomes = st.sampled_from(["passed", "failed", "error", "skipped"])


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, st.tuples(outcomes, outcomes), max_size=6), st.lists(names, max_size=3), names)
def test_what_is_written_is_read_back_the_same_and_written_the_same(
    tests: dict[str, tuple[str, str]], red: list[str], reason: str
) -> None:
    made = replace(certificate(), tests=tests, red=tuple(red), reason=reason)
    text = certificates.text_of(made)
    assert text.isascii() and certificates.read(text) == made
    assert certificates.text_of(certificates.read(text)) == text
    assert certificates.found_in(certificates.section(made)) == text


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_edit_of_any_value_keeps_the_digest(data: st.DataObject) -> None:
    told = json.loads(certificates.text_of(certificate()))
    key = data.draw(st.sampled_from(sorted(set(told) - {"format", "digest"})))
    told[key] = data.draw(
        st.sampled_from(["x", "passed", [], ["y"], {}, None, 3, {"commit": "d" * 40, "tree": "e" * 40}])
    )
    if told == json.loads(certificates.text_of(certificate())):
        return
    with pytest.raises(RequestError, match="no certificate that can be relied on"):
        certificates.read(json.dumps(told))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"docker:', '"podman:', "it was edited: its digest is sha256:"),
        ('"failed passed"', '"failed failed"', "it was edited: its digest is sha256:"),
        ('"format": 1', '"format": 9', "its format is 9, expected 1"),
        ('"format": 1', '"format": 1, "format": 1', "a key is there twice"),
        ("1.235", "NaN", "NaN is no number"),
        ("1.235", '"x"', "seconds or log digest is none"),
        ('"failed passed"', '"good bad"', "'good bad' is no pair of outcomes"),
        ('"absent passed"', '"absent absent"', "'absent absent' is no pair"),
        ('"state": "passed"', '"state": "proven"', "state is 'proven', expected one of"),
        ("b" * 40, "main", "base names no commit and tree"),
        ('"new"\n', '"a"\n', "'a' is listed twice"),
        ('"1.0"', '"' + "x" * 30_000 + '"', "gitagent is no text of at most"),
        ('"red": [', '"red": 3, "rid": [', "it has not exactly the keys"),
        ('"gitagent": "1.0",', "", "it has not exactly the keys"),
        ("{", "[" * 100_000, "it is not JSON"),
        ("{", "x" * (certificates.MOST_CHARACTERS + 1), "it has more than 16 MiB"),
    ],
)
def test_what_is_no_certificate_is_refused_with_the_reason(old: str, new: str, why: str) -> None:
    text = certificates.text_of(certificate())
    assert old in text
    with pytest.raises(RequestError, match="no certificate that can be relied on") as caught:
        certificates.read(text.replace(old, new, 1))
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("red", 3, "red is no list"),
        ("tests", [], "tests is no table"),
        ("runs", [3], "a run has not exactly the keys"),
        ("base", "main", "base has not exactly the keys"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(key: str, value: object, why: str) -> None:
    told = json.loads(certificates.text_of(certificate()))
    with pytest.raises(RequestError, match=why):
        certificates.read(json.dumps({**told, key: value}))


def facts(**other: object) -> dict[str, object]:
    known = {
        "commit": TIP.commit,
        "tree": TIP.tree,
        "base_tree": BASE.tree,
        "environment": "docker:sha256:5",
        "command": COMMAND,
    }
    return {**known, **other}


def test_a_certificate_in_its_place_has_no_problem() -> None:
    assert certificates.problems(certificate(), **facts()) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"commit": "d" * 40}, "it is for commit cccccccccccc, not for dddddddddddd: it was moved"),
        ({"tree": "d" * 40}, "its tip tree is 222222222222, the commit has dddddddddddd"),
        ({"base_tree": "d" * 40}, "its base tree is 111111111111, the commit has dddddddddddd"),
        ({"base_tree": None}, "its base bbbbbbbbbbbb is not in the history of cccccccccccc"),
        ({"environment": "docker:sha256:6"}, "made in docker:sha256:5, the tests run in docker:sha256:6 here"),
        ({"command": ("true",)}, "another command"),
    ],
)  # fmt: skip
def test_out_of_its_place_it_says_why_it_does_not_hold(other: dict[str, object], why: str) -> None:
    (problem,) = certificates.problems(certificate(), **facts(**other))  # type: ignore[arg-type]
    assert why in problem


def test_a_certificate_of_no_proof_holds_nothing() -> None:
    failed = replace(certificate(), state="failed", reason="1 test broken")
    assert "the verdict was failed: 1 test broken" in certificates.problems(failed, **facts())[0]  # type: ignore[arg-type]
    nothing_red = replace(certificate(), red=())
    assert certificates.problems(nothing_red, **facts()) == ("it names no test that was red",)  # type: ignore[arg-type]


def test_a_long_certificate_is_left_to_the_note() -> None:
    many = replace(certificate(), tests={f"test_{number}": ("passed", "passed") for number in range(4_000)})
    told = certificates.section(many)
    assert len(told) < 2_000 and "the note has it" in told and certificates.found_in(told) is None


def test_of_several_in_a_body_the_last_is_meant() -> None:
    forged = "```gitagent-certificate\nforged\n```\n"
    assert certificates.found_in(f"{forged}\n{certificates.section(certificate())}") == certificates.text_of(
        certificate()
    )
    assert certificates.found_in("nothing") is None


def test_a_run_without_an_end_has_no_exit_code() -> None:
    ran = Ran(where="tip", argv=(), state="inconclusive", exit_code=None, seconds=3, log="sha256:" + "0" * 64)
    assert "| tip | none | 3.0 |" in certificates.section(replace(certificate(), runs=(ran,)))
