"""`gitagent ledger` over runs as they are recorded."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_runs import GitRuns
from gitagent.adapters.git_spent import GitSpent
from gitagent.cli import main
from gitagent.core.ledger import spent_in
from gitagent.records import Spending


def said(repo: Path, *words: str) -> str:
    done = CliRunner().invoke(main, ["ledger", *words, "--repo", str(repo)])
    assert done.exit_code == 0, done.output
    return done.output


def save(repo: Path, run: str, *entries: object) -> None:
    GitRuns(GitRepository(str(repo))).save(run, {"report.json": json.dumps({"ledger": entries})}, "run")


def test_all_runs_are_summed_by_worker_and_one_can_be_named(repo: Path) -> None:
    assert said(repo) == "0 runs, 0 of them asked a model\nno model was asked\n"
    save(
        repo, "20260101-1", {"worker": "local", "calls": 2, "prompt_tokens": 900, "seconds": 3, "stays_here": True}
    )
    save(
        repo,
        "20260102-2",
        {"worker": "api", "calls": 1, "prompt_tokens": 80, "answer_tokens": 20, "dollars": 0.25},
    )
    save(repo, "20260103-3")
    shown = said(repo).split("\n")
    assert shown[0] == "3 runs, 2 of them asked a model" and shown[-2] == "90 % of tokens stayed local"
    rows = {line.split()[0]: line.split()[1:] for line in shown[2:-2]}
    assert rows["api"] == ["1", "80", "20", "0.2500", "0.0"]
    assert rows["total"] == ["3", "980", "20", "0.2500", "3.0"]
    assert said(repo, "20260102").endswith("0 % of tokens stayed local\n")
    told = json.loads(said(repo, "--json"))
    assert told["stayed_local"] == 0.9 and told["total"]["prompt_tokens"] == 980
    assert [one["worker"] for one in told["workers"]] == ["api", "local"] and len(told["runs"]) == 3


def test_questions_and_plans_are_counted_beside_the_runs(repo: Path) -> None:
    spent = GitSpent(GitRepository(str(repo)))
    spent.book(())
    assert spent.read() == ()
    one = Spending(worker="api", calls=1, prompt_tokens=80, answer_tokens=20, dollars=0.25)
    spent.book((one, Spending(worker="local", calls=1, prompt_tokens=300, stays_here=True)))
    spent.book((one,))
    save(repo, "20260101-1", {"worker": "api", "calls": 1, "prompt_tokens": 100, "dollars": 1.0})
    shown = said(repo).split("\n")
    assert shown[0] == "1 run, 1 of them asked a model, and 3 calls for questions and plans"
    rows = {line.split()[0]: line.split()[1:] for line in shown[2:-2]}
    assert rows["api"] == ["3", "260", "40", "1.5000", "0.0"] and shown[-2] == "50 % of tokens stayed local"
    assert "questions" not in said(repo, "20260101")
    assert [one["calls"] for one in json.loads(said(repo, "--json"))["questions_and_plans"]] == [2, 1]


@pytest.mark.parametrize("report", ["", "[]", "{", '{"ledger": 3}', '{"ledger": [3, {}, {"worker": 4}]}'])
def test_what_is_no_ledger_costs_nothing(report: str) -> None:
    assert spent_in(report) == ()


def test_a_number_that_is_none_counts_as_nothing() -> None:
    (one,) = spent_in('{"ledger": [{"worker": "local", "calls": "many", "dollars": -1, "seconds": 1e99}]}')
    assert (one.calls, one.dollars, one.seconds, one.stays_here) == (0, 0.0, 0.0, True)
