"""Tests on base held against tests on tip."""

from collections.abc import Iterable, Sequence
from typing import TypedDict, Unpack

from gitagent.records import Outcome, State, TestRun, Verdict

_WORST_FIRST: tuple[Outcome, ...] = ("error", "failed", "skipped", "passed")
_NAMED = 3


def outcome_of(run: TestRun, test: str) -> Outcome | None:
    """What became of a test in a run: its own result, its module's error, or the worst of those inside it.

    None if the run knows nothing of it.
    """
    return _Outcomes(run).of(test)


def judge(
    base: TestRun,
    tip: TestRun,
    *,
    red: Sequence[str],
    base_again: TestRun | None = None,
    tip_again: TestRun | None = None,
) -> Verdict:
    """The verdict on a change, given the tests it was to mend.

    "passed" only if every red test failed on base and passes on tip, and no test that passed on base fails, is
    skipped or is gone. Tests that came out differently in two runs of one tree are flaky and prove nothing,
    either way; the second runs may cover fewer tests. A test that fails on tip and was not there on base is
    listed in `pass_to_fail` too: nothing allowed it to fail.
    """
    runs = [("base", base), ("tip", tip), ("base, run again", base_again), ("tip, run again", tip_again)]
    for where, run in runs:
        if run is not None and run.state == "inconclusive":
            return _verdict("inconclusive", f"{where}: {run.reason}", base, tip)
    flaky = _differing(base, base_again) | _differing(tip, tip_again)
    on_base, on_tip = _Outcomes(base), _Outcomes(tip)
    lists: dict[str, list[str]] = {"fp": [], "pp": [], "ff": [], "pf": []}
    causes: dict[str, str] = {}
    for test in dict.fromkeys((*base.having("passed", "failed", "error", "skipped"), *_ids(tip))):
        if test in flaky:
            continue
        before, after = on_base.of(test), on_tip.of(test)
        kind, cause = _kind(before, after)
        if kind:
            lists[kind].append(test)
            causes[test] = cause
    state, reason = _state(on_base, on_tip, red, flaky, lists["pf"], causes)
    return _verdict(
        state,
        reason,
        base,
        tip,
        fail_to_pass=tuple(lists["fp"]),
        pass_to_pass=tuple(lists["pp"]),
        fail_to_fail=tuple(lists["ff"]),
        pass_to_fail=tuple(lists["pf"]),
        flaky=tuple(test for test in dict.fromkeys((*_ids(base), *_ids(tip))) if test in flaky),
    )


def _kind(before: Outcome | None, after: Outcome | None) -> tuple[str, str]:
    """Which list a test belongs to, "" for none, and what is wrong with it."""
    failing = ("failed", "error")
    if before in failing:
        if after == "passed":
            return "fp", ""
        # A module that did not load is no test; with its tests there, its own entry is gone.
        return ("ff", "still fails") if after in failing else ("", "")
    if before == "passed":
        if after == "passed":
            return "pp", ""
        cause = {None: "removed", "skipped": "skipped now"}.get(after, "fails now")
        return "pf", cause
    return ("pf", "new and failing") if after in failing and before is None else ("", "")


def _state(
    on_base: "_Outcomes",
    on_tip: "_Outcomes",
    red: Sequence[str],
    flaky: set[str],
    broken: Sequence[str],
    causes: dict[str, str],
) -> tuple[State, str]:
    if broken:
        told = [f"{test} ({causes[test]})" for test in broken]
        return "failed", f"{_count(broken, 'test')} broken: {_some(told)}"
    if not red:
        return "inconclusive", "no test failed on base, so nothing can be seen to be mended"
    unsure = [test for test in red if test in flaky]
    if unsure:
        return "inconclusive", f"came out differently when run again: {_some(unsure)}"
    not_red = [test for test in red if on_base.of(test) not in ("failed", "error")]
    if not_red:
        return "inconclusive", f"did not fail on base: {_some(not_red)}"
    failing = [test for test in red if on_tip.of(test) in ("failed", "error")]
    if failing:
        return "failed", f"{_count(failing, 'red test')} still failing: {_some(failing)}"
    lost = [test for test in red if on_tip.of(test) != "passed"]
    if lost:
        return "inconclusive", f"neither passed nor failed on tip: {_some(lost)}"
    return "passed", f"{_count(red, 'red test')} now passing, nothing else broken"


class _Outcomes:
    """A run's outcomes, looked up by id, also for ids above or below those the run lists."""

    def __init__(self, run: TestRun) -> None:
        self._by_id: dict[str, Outcome] = {result.id: result.outcome for result in run.results}
        self._inside: dict[str, list[Outcome]] = {}
        for test, outcome in self._by_id.items():
            for place in _places(test):
                self._inside.setdefault(place, []).append(outcome)

    def of(self, test: str) -> Outcome | None:
        if test in self._by_id:
            return self._by_id[test]
        if test in self._inside:
            return min(self._inside[test], key=_WORST_FIRST.index)
        above = next((self._by_id[place] for place in _places(test) if place in self._by_id), None)
        return above if above in ("failed", "error", "skipped") else None


def _places(test: str) -> Iterable[str]:
    """What a test id lies in, nearest first: the test without parameters, its classes, its file."""
    place = test
    if place.endswith("]") and "[" in place:
        place = place[: place.index("[")]
        yield place
    while "::" in place:
        place = place.rpartition("::")[0]
        yield place


def _differing(run: TestRun, again: TestRun | None) -> set[str]:
    if again is None:
        return set()
    second = {result.id: result.outcome for result in again.results}
    return {result.id for result in run.results if second.get(result.id, result.outcome) != result.outcome}


class _Lists(TypedDict, total=False):
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    fail_to_fail: tuple[str, ...]
    pass_to_fail: tuple[str, ...]
    flaky: tuple[str, ...]


def _verdict(state: State, reason: str, base: TestRun, tip: TestRun, **lists: Unpack[_Lists]) -> Verdict:
    return Verdict(state=state, reason=reason, base=base, tip=tip, **lists)


def _ids(run: TestRun) -> tuple[str, ...]:
    return tuple(result.id for result in run.results)


def _count(tests: Sequence[str], noun: str) -> str:
    return f"{len(tests)} {noun}{'' if len(tests) == 1 else 's'}"


def _some(tests: Sequence[str]) -> str:
    more = f" and {len(tests) - _NAMED} more" if len(tests) > _NAMED else ""
    return ", ".join(tests[:_NAMED]) + more
