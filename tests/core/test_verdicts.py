"""Tests on base held against tests on tip."""

from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.verdicts import judge, outcome_of
from gitagent.records import Outcome, State, TestResult, TestRun

LETTERS: dict[str, Outcome] = {"p": "passed", "f": "failed", "e": "error", "s": "skipped"}


def run_of(state: State = "passed", reason: str = "", **outcomes: str) -> TestRun:
    """A run whose tests `a`, `b`… passed (p), failed (f), broke (e) or were skipped (s)."""
    return of({f"t.py::{name}": LETTERS[letter] for name, letter in outcomes.items()}, state, reason)


def of(outcomes: dict[str, Outcome], state: State = "passed", reason: str = "") -> TestRun:
    results = tuple(TestResult(id=name, outcome=outcome) for name, outcome in outcomes.items())
    return TestRun(
        tree="", sandbox="", argv=(), state=state, results=results, exit_code=0, seconds=0, reason=reason
    )


RED = ("t.py::a",)


def test_a_mended_test_with_nothing_broken_is_a_pass() -> None:
    verdict = judge(run_of(a="f", b="p", c="f", d="s"), run_of(a="p", b="p", c="f", d="s"), red=RED)
    assert (verdict.state, verdict.reason) == ("passed", "1 red test now passing, nothing else broken")
    assert verdict.fail_to_pass == ("t.py::a",)
    assert verdict.pass_to_pass == ("t.py::b",)
    assert verdict.fail_to_fail == ("t.py::c",)
    assert verdict.pass_to_fail == verdict.flaky == ()


def test_a_test_that_fails_now_or_is_gone_or_skipped_breaks_the_verdict() -> None:
    for letter, told in (("f", "fails now"), ("e", "fails now"), ("s", "skipped now")):
        verdict = judge(run_of(a="f", b="p"), run_of(a="p", b=letter), red=RED)
        assert (verdict.state, verdict.pass_to_fail) == ("failed", ("t.py::b",))
        assert verdict.reason == f"1 test broken: t.py::b ({told})"
    gone = judge(run_of(a="f", b="p"), run_of(a="p"), red=RED)
    assert (gone.state, gone.reason) == ("failed", "1 test broken: t.py::b (removed)")


def test_a_new_failing_test_is_not_overlooked() -> None:
    verdict = judge(run_of(a="f"), run_of(a="p", z="f"), red=RED)
    assert (verdict.state, verdict.reason) == ("failed", "1 test broken: t.py::z (new and failing)")


def test_a_red_test_that_still_fails_fails_the_verdict() -> None:
    verdict = judge(run_of(a="f", b="f"), run_of(a="p", b="f"), red=("t.py::a", "t.py::b"))
    assert (verdict.state, verdict.reason) == ("failed", "1 red test still failing: t.py::b")


def test_a_red_test_that_is_skipped_or_gone_leaves_it_open() -> None:
    for tip in (run_of(a="s", b="p"), run_of(b="p")):
        verdict = judge(run_of(a="f", b="p"), tip, red=RED)
        assert (verdict.state, verdict.reason) == ("inconclusive", "neither passed nor failed on tip: t.py::a")


def test_nothing_red_or_a_red_test_that_passed_on_base_proves_nothing() -> None:
    assert judge(run_of(a="p"), run_of(a="p"), red=()).state == "inconclusive"
    assert "did not fail on base" in judge(run_of(a="p"), run_of(a="p"), red=RED).reason


def test_an_inconclusive_run_makes_the_verdict_so_and_says_which() -> None:
    lost = run_of("inconclusive", "it hung")
    good = run_of(a="p")
    base = run_of(a="f")
    assert judge(lost, good, red=RED).reason == "base: it hung"
    assert judge(base, lost, red=RED).reason == "tip: it hung"
    assert judge(base, good, red=RED, base_again=lost).reason == "base, run again: it hung"
    assert judge(base, good, red=RED, tip_again=lost).reason == "tip, run again: it hung"


def test_a_flaky_test_is_in_no_other_list_and_breaks_nothing() -> None:
    verdict = judge(run_of(a="f", b="p"), run_of(a="p", b="f"), red=RED, tip_again=run_of(a="p", b="p"))
    assert (verdict.state, verdict.flaky) == ("passed", ("t.py::b",))
    assert "t.py::b" not in verdict.pass_to_fail + verdict.pass_to_pass


def test_a_flaky_red_test_leaves_it_open() -> None:
    verdict = judge(run_of(a="f"), run_of(a="p"), red=RED, base_again=run_of(a="p"))
    assert (verdict.state, verdict.reason) == ("inconclusive", "came out differently when run again: t.py::a")


def test_a_second_run_may_cover_fewer_tests() -> None:
    verdict = judge(run_of(a="f", b="p"), run_of(a="p", b="f"), red=RED, tip_again=run_of(b="f"))
    assert (verdict.state, verdict.flaky, verdict.pass_to_fail) == ("failed", (), ("t.py::b",))


def test_tests_of_a_module_that_did_not_load_on_base_were_red() -> None:
    base = of({"t.py": "error", "u.py::x": "passed"})
    tip = of({"t.py::a": "passed", "t.py::b": "passed", "u.py::x": "passed"})
    verdict = judge(base, tip, red=("t.py::a",))
    assert (verdict.state, verdict.pass_to_fail) == ("passed", ())
    assert {"t.py::a", "t.py::b"} <= set(verdict.fail_to_pass)


def test_a_module_that_no_longer_loads_breaks_its_tests() -> None:
    verdict = judge(of({"t.py::a": "failed", "t.py::b": "passed"}), of({"t.py": "error"}), red=RED)
    assert verdict.state == "failed"
    assert "t.py::b" in verdict.pass_to_fail


def test_a_red_file_is_mended_when_all_in_it_pass() -> None:
    base = of({"t.py::a": "failed", "t.py::p[1]": "failed", "t.py::p[2]": "passed"})
    good = of({"t.py::a": "passed", "t.py::p[1]": "passed", "t.py::p[2]": "passed"})
    assert judge(base, good, red=("t.py",)).state == "passed"
    assert judge(base, good, red=("t.py::p",)).state == "passed"
    assert outcome_of(base, "t.py::p") == "failed"
    assert outcome_of(base, "other.py") is None


def test_many_tests_are_counted_and_the_first_ones_named() -> None:
    names = "abcdef"
    verdict = judge(run_of(z="f", **dict.fromkeys(names, "p")), run_of(z="p"), red=("t.py::z",))
    assert verdict.reason.startswith("6 tests broken: t.py::a (removed), t.py::b")
    assert verdict.reason.endswith("and 3 more")


OUTCOMES = st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from(get_args(Outcome)), max_size=7)


@settings(max_examples=200, deadline=None)
@given(OUTCOMES, OUTCOMES, OUTCOMES, OUTCOMES, st.sets(st.sampled_from("abcdefg")))
def test_whatever_ran_a_pass_means_every_red_test_went_from_failing_to_passing_and_none_broke(
    base: dict[str, Outcome],
    tip: dict[str, Outcome],
    base_again: dict[str, Outcome],
    tip_again: dict[str, Outcome],
    red: set[str],
) -> None:
    verdict = judge(of(base), of(tip), red=sorted(red), base_again=of(base_again), tip_again=of(tip_again))
    lists = [verdict.fail_to_pass, verdict.pass_to_pass, verdict.fail_to_fail, verdict.pass_to_fail, verdict.flaky]
    listed = [test for one in lists for test in one]
    assert len(listed) == len(set(listed))
    assert set(listed) <= set(base) | set(tip)
    if verdict.state == "passed":
        assert red
        assert red <= set(verdict.fail_to_pass)
        assert not verdict.pass_to_fail
        assert all(base[test] in ("failed", "error") and tip[test] == "passed" for test in red)
    for test in set(base) - set(verdict.flaky):
        if base[test] == "passed" and tip.get(test) != "passed":
            assert test in verdict.pass_to_fail
            assert verdict.state == "failed"
    assert verdict.reason
