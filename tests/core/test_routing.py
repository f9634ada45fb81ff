import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent.core import routing
from gitagent.core.routing import THRESHOLD, Facts, facts_of, first_worker, next_worker, parts, score
from gitagent.records import MicroTask, Plan, State

WORKERS = ("templates", "local", "api")


def task(path: str, lines: int) -> MicroTask:
    return MicroTask(id=path, path=path, first_line=1, excerpt="x\n" * lines, instruction="do", answer_tokens=9)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Facts(), 0.0),
        (Facts(span_lines=20), 0.04),
        (Facts(files=5), 0.6),
        (Facts(errors=3), 0.7),
        (Facts(files=3, span_lines=100, dependents=7, tools=3, errors=1), 0.690075),
        (Facts(files=99, span_lines=9999, dependents=10**6, tools=50, errors=50), 0.9649),
        (Facts(files=0, span_lines=-1, dependents=-1, tools=0, errors=-1), 0.0),
    ],
)
def test_the_score_is_the_documented_formula(facts: Facts, expected: float) -> None:
    assert score(facts) == pytest.approx(expected, abs=0.0001)


@given(
    st.builds(
        Facts,
        files=st.integers(0, 20),
        span_lines=st.integers(0, 500),
        dependents=st.integers(0, 200),
        tools=st.integers(0, 9),
        errors=st.integers(0, 9),
    ),
    st.sampled_from(["files", "span_lines", "dependents", "tools", "errors"]),
)
def test_the_score_stays_within_0_and_1_and_no_fact_lowers_it(facts: Facts, name: str) -> None:
    more = {field: getattr(facts, field) for field in ("files", "span_lines", "dependents", "tools", "errors")}
    more[name] += 1
    assert 0 <= score(facts) <= score(Facts(**more)) < 1


def test_the_facts_of_a_plan_are_summed_and_of_alternatives_the_largest() -> None:
    tasks = (task("a.py", 10), task("b.py", 30), task("a.py", 5))
    together = facts_of(Plan(summary="s", mode="all", tasks=tasks, planner="p"), dependents=3, errors=1)
    assert together == Facts(files=2, span_lines=45, dependents=3, errors=1)
    apart = facts_of(Plan(summary="s", mode="any", tasks=tasks, planner="p"))
    assert apart == Facts(files=1, span_lines=30)
    assert facts_of(task("a.py", 10), tools=2) == Facts(files=1, span_lines=10, tools=2)
    assert facts_of(Plan(summary="s", mode="all", tasks=(), planner="p")) == Facts(files=0)


def test_complex_work_begins_with_the_strongest_worker() -> None:
    assert first_worker(WORKERS, THRESHOLD - 0.01) == "templates"
    assert first_worker(WORKERS, THRESHOLD) == "api"
    assert first_worker(WORKERS, 0.5, threshold=0.4) == "api"


@pytest.mark.parametrize(
    ("current", "verdicts", "expected"),
    [
        ("templates", [], "templates"),
        ("templates", ["failed"], "local"),
        ("templates", ["inconclusive", "inconclusive"], "templates"),
        ("templates", ["inconclusive"] * 3, "local"),
        ("local", ["failed", "passed"], None),
        ("api", ["failed"], None),
    ],
)
def test_the_tests_move_the_work_up_and_nothing_else_does(
    current: str, verdicts: list[State], expected: str | None
) -> None:
    assert next_worker(WORKERS, current, verdicts) == expected


def test_a_worker_may_be_given_more_than_one_failure() -> None:
    assert next_worker(WORKERS, "local", ["failed"], patience=2) == "local"
    assert next_worker(WORKERS, "local", ["failed", "failed"], patience=2) == "api"


def test_a_worker_that_is_down_is_passed_over_and_stood_in_for() -> None:
    assert next_worker(WORKERS, "templates", ["failed"], down={"local"}) == "api"
    assert next_worker(WORKERS, "api", [], down={"api"}) == "local"
    assert next_worker(WORKERS, "local", ["failed"], down={"api"}) is None
    assert next_worker(WORKERS, "api", [], down=set(WORKERS)) is None


def test_the_documentation_has_the_formula_and_the_weights_of_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs/models.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| ([fsdtec]) \| ([\d.]+) \|", text, re.MULTILINE))
    full = parts(Facts(files=5, span_lines=200, dependents=63, tools=5, errors=3, stated=1.0))
    assert [float(weight) for weight in documented.values()] == list(full.values())
    factors = "".join(
        f"(1 - {'' if weight == '1' else weight + ' '}{name})" for name, weight in documented.items()
    )
    assert f"    score = 1 - {factors}\n" in text and f"score = 1 - {factors}\n" in str(routing.__doc__)
