"""What is shown of a plan that waits for approval, and that it is what its name says."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent import approving
from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_plans import GitPlans
from gitagent.adapters.plan_files import text_of
from gitagent.approving import ApprovedPlanner, NotingPlanner, OutdatedError, WaitingPlan
from gitagent.errors import ForgeError, RepositoryError, RequestError
from gitagent.records import Findings, MicroTask, Plan, Request
from tests.fakes import FakePlanner

REQUEST = Request(text="add is wrong", source="issue", reference="12", asked_by="ada", base="0" * 40, key="12")


def plan(instruction: str, path: str = "calc.py", **more: str) -> Plan:
    task = MicroTask(id="t1", path=path, first_line=1, excerpt="x = 1\n", instruction=instruction, answer_tokens=9)
    return Plan(summary=more.get("summary", "Mend add"), mode="all", tasks=(task,), planner="chat",
                assumptions=(more.get("assumed", "ints"),))  # fmt: skip


def waiting(made: Plan, digests: str = "{}", request: Request = REQUEST) -> WaitingPlan:
    return approving.made(12, text_of(made, request, "plan.toml"), digests, is_pull=False)


HOSTILE = [
    "| x | y |\n|---|---|", "@ada @everyone approve this", "</details><h1>approved</h1>", "<!-- gitagent progress -->",
    "```\n/gitagent approve\n```", "`` ` ``", "[approve](javascript:alert(1))", "a\n\n# Heading\n\n- [x] done",
    "use \u202eelbuod\u202c", "zero\u200bwidth \U000e0041tags \u3164filler", "::set-output name=x::y", "closes #1",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_model_wrote_stands_in_the_table_as_code_and_nothing_else(text: str) -> None:
    found = waiting(plan(f"do {text} now", summary=text, assumed=text))
    rows = [line for line in approving.shown(found).split("\n") if line.startswith("| `")]
    assert len(rows) == 1 and rows[0].endswith("` |")
    for line in approving.shown(found).split("\n"):
        outside = "".join(line.split("`")[0::2]) if "``" not in line else ""
        assert "@" not in outside and "<h1>" not in outside and "javascript" not in outside
        assert line.isprintable() and "\u3164" not in line
    assert approving.is_shown_by(found, approving.shown(found).replace("\n", "\r\n"))


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_other_instructions_show_otherwise_and_have_another_name(one: str, two: str) -> None:
    try:
        first, second = waiting(plan(f"do {one}.")), waiting(plan(f"do {two}."))
    except RequestError:
        return  # a text that TOML cannot hold
    same = first.saved.steps[0].instruction.split() == second.saved.steps[0].instruction.split()
    assert approving.is_shown_by(first, approving.shown(first))
    assert first.name != second.name and not approving.is_shown_by(first, approving.shown(second))
    if not same:
        strip = approving.shown(second).replace(second.name, first.name).replace(second.name[:8], first.name[:8])
        assert not approving.is_shown_by(first, strip)


def test_what_cannot_be_shown_whole_cannot_be_approved() -> None:
    with pytest.raises(RequestError, match=r"of task t1 has 3,010 characters, at most 2,000 can be shown"):
        approving.shown(waiting(plan("x" * 3_010)))
    long = Request(text="y" * 59_900, source="issue", reference="12", asked_by="ada", base="0" * 40, key="12")
    with pytest.raises(RequestError, match="at most 60,000 can be shown, so nobody could approve it"):
        approving.shown(waiting(plan("short"), request=long))


@pytest.mark.parametrize("about", ["", "[]", "{", '{"digests": {"a": 1}, "pull": true}', '{"digests": {}}'])
def test_what_is_no_plan_of_ours_is_refused(about: str) -> None:
    with pytest.raises(RequestError, match="is not gitagent's"):
        approving.read(12, {approving.PLAN: waiting(plan("do")).plan, approving.ABOUT: about})


def test_an_approved_plan_is_the_one_that_was_made_while_its_files_are_as_they_were() -> None:
    texts: dict[str, str | None] = {"calc.py": "x = 1\n"}
    noting = NotingPlanner(FakePlanner("chat", plan("do it")))
    noting.plan(REQUEST, Findings(), texts.get)
    approved = waiting(plan("do it"), json.dumps(noting.digests))
    assert approved.paths == {"calc.py"}
    planner = ApprovedPlanner(FakePlanner("chat", plan("do it")), approved)
    assert planner.plan(REQUEST, Findings(), texts.get)[0] == plan("do it")
    for changed in ("x = 2\n", None):
        texts["calc.py"] = changed
        with pytest.raises(OutdatedError, match=r"is out of date: calc\.py has changed"):
            planner.plan(REQUEST, Findings(), texts.get)


def test_plans_are_kept_on_the_remote_and_dropped_only_as_they_were_read(repo: Path, tmp_path: Path) -> None:
    repository = GitRepository(str(repo))
    plans = GitPlans(repository)
    with pytest.raises(ForgeError, match="no remote 'origin'"):
        plans.waiting()
    repository.git.remotes.create("origin", str(tmp_path / "hub.git"))
    with pytest.raises(RepositoryError, match="git ls-remote of plans"):
        plans.waiting()
    import pygit2

    pygit2.init_repository(str(tmp_path / "hub.git"), bare=True)
    assert plans.waiting() == {} and plans.files(7) == ("", {})
    plans.put(7, {"plan.toml": "one"})
    old, files = plans.files(7)
    assert files == {"plan.toml": "one"} and plans.waiting() == {7: old}
    plans.put(7, {"plan.toml": "two"})
    plans.drop(7, old)
    new, files = plans.files(7)
    assert files == {"plan.toml": "two"} and new != old
    plans.drop(7, new)
    assert plans.waiting() == {}
    plans.put(8, {"plan.toml": "x" * 2**21})
    with pytest.raises(RequestError, match="is no plan of gitagent's"):
        plans.files(8)
