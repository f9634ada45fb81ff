"""A run is written down in git while it goes on."""

import json
from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_runs import GitRuns
from gitagent.core import intake
from gitagent.errors import RepositoryError
from gitagent.events import Noted
from gitagent.records import MicroTask, Plan, Report
from gitagent.saving import Journal

REQUEST = intake.request("Sum is wrong", source="text", base="b" * 40)
TASK = MicroTask(id="t1", path="a.py", first_line=1, excerpt="caf\udce9\n", instruction="mend", answer_tokens=9)


def report(plan: Plan | None = None) -> Report:
    return Report(run="r1", state="nothing", request=REQUEST, reason="under way", plan=plan)


def test_each_save_holds_all_events_so_far_and_the_newest_report(repo: Path) -> None:
    runs = GitRuns(GitRepository(str(repo)))
    journal = Journal(runs, "r1")
    journal.heard(Noted(level="info", text="one"))
    journal.save(report())
    assert set(runs.load("r1")) == {"report.json", "events.jsonl"}
    journal.heard(Noted(level="info", text="caf\udce9"))
    journal.save(report(Plan(summary="s", mode="any", tasks=(TASK,), planner="localizer")))
    files = runs.load("r1")
    events = [json.loads(line) for line in files["events.jsonl"].split("\n") if line]
    assert [event["text"] for event in events] == ["one", "caf\\udce9"]
    assert json.loads(files["report.json"])["request"]["text"] == "Sum is wrong"
    assert json.loads(files["plan.json"])["tasks"][0]["path"] == "a.py"


def test_a_repository_that_does_not_take_it_is_an_error(repo: Path) -> None:
    lock = repo / ".git/refs/gitagent/runs/r1.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(RepositoryError):
        Journal(GitRuns(GitRepository(str(repo))), "r1").save(report())
