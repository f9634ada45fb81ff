import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_runs import GitRuns
from gitagent.cli import main
from gitagent.records import Commit, Report, Request, Spending, TestRun, Verdict
from gitagent.saving import Journal

REPORT = {
    "run": "r-20",
    "state": "proven",
    "reason": "2 tests went from red to green",
    "request": {
        "text": "\n  sums: add subtracts \x1b[2J\n\nSee the test.\n",
        "source": "issue",
        "reference": "7",
        "asked_by": "ada",
        "base": "0123456789abcdef",
    },
    "plan": {
        "summary": "Turn the sign.",
        "mode": "any",
        "planner": "localizer",
        "tasks": [{"id": "t1", "path": "pkg/sums.py", "first_line": 2, "instruction": "Add instead."}],
    },
    "commits": [{"branch": "gitagent/7-sums", "oid": "f" * 40, "tree": "e" * 40}],
    "verdict": {
        "state": "passed",
        "reason": "all good",
        "fail_to_pass": [f"tests/test_sums.py::test_{number}" for number in range(22)],
        "pass_to_pass": ["a", "b", "c"],
        "pass_to_fail": [],
        "flaky": ["tests/test_x.py::test_flaky"],
    },
    "pull": {"number": 4, "title": "sums: add", "url": "refs/gitagent/pulls/4"},
    "ledger": [
        {"worker": "local", "calls": 2, "prompt_tokens": 900, "answer_tokens": 80, "dollars": 0.0, "seconds": 4.2}
    ],
    "seconds": 12.5,
    "tried": 17,
}


@pytest.fixture
def runs(repo: Path) -> GitRuns:
    """Three runs: one killed before its first report, one proven, one whose files are nonsense."""
    runs = GitRuns(GitRepository(str(repo)))
    runs.save("r-10", {"events.jsonl": '{"event": "run_started"}\n'}, "begun")
    events = '{"event": "run_started"}\n{"event": "run_finished"}\n'
    runs.save("r-20", {"report.json": json.dumps(REPORT), "events.jsonl": events}, "done")
    odd = {
        "state": 3,
        "request": [],
        "tried": {"\x1b": 1},
        "ledger": [1, {"calls": "\x1b"}],
        "verdict": {"flaky": "x"},
    }
    runs.save("x-30", {"report.json": json.dumps(odd), "plan.json": "[" * 100_000, "events.jsonl": "no\n"}, "odd")
    return runs


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_the_log_lists_runs_newest_first(repo: Path, runs: GitRuns) -> None:
    lines = run("log", "--repo", str(repo)).stdout.split("\n")
    assert [line.split(" ")[0] for line in lines] == ["x-30", "r-20", "r-10", ""]
    assert lines[1].split()[3:] == ["proven", "17", "tried", "sums:", "add", "subtracts", "\\x1b[2J"]
    assert "unfinished" in lines[2]
    assert run("log", "-n", "1", "--repo", str(repo)).stdout.startswith("x-30")
    assert run("log", "-n", "1", "--repo", str(repo)).stdout.count("\n") == 1


def test_the_log_is_data_for_programs(repo: Path, runs: GitRuns) -> None:
    rows = json.loads(run("log", "--json", "--repo", str(repo)).stdout)
    assert [row["run"] for row in rows] == ["x-30", "r-20", "r-10"]
    assert rows[1]["state"] == "proven"
    assert rows[1]["tried"] == 17
    assert rows[1]["title"] == "sums: add subtracts \x1b[2J"
    assert rows[1]["when"].endswith("+00:00")


def test_no_runs_is_no_error(repo: Path) -> None:
    said = run("log", "--repo", str(repo))
    assert (said.exit_code, said.stdout) == (0, "")
    assert said.stderr.startswith("No runs yet.")
    assert run("log", "--json", "--repo", str(repo)).stdout == "[]\n"


def test_a_run_is_shown_with_all_that_came_of_it(repo: Path, runs: GitRuns) -> None:
    said = run("show", "r-2", "--repo", str(repo)).stdout
    for words in [
        "run r-20  proven",
        "2 tests went from red to green",
        "Asked  issue 7 by ada, at 0123456789ab",
        "  sums: add subtracts \\x1b[2J\n\n  See the test.",
        "Planned  by localizer, any of these\n  Turn the sign.\n  - t1  pkg/sums.py:2  Add instead.",
        "Tried  17 candidates in 12.5 s\n  ffffffffffff on gitagent/7-sums",
        "Verdict  passed  all good\n  22 failed before, pass now\n    tests/test_sums.py::test_0\n",
        "    and 2 more (--json lists them)\n  1 flaky\n    tests/test_x.py::test_flaky\n  3 pass as before\n",
        "Spent\n  local: 2 calls, 900 + 80 tokens, $0.0000, 4.2 s\n  100 % of tokens stayed local\n",
        "Pull request  #4 sums: add\n  refs/gitagent/pulls/4",
    ]:
        assert words in said
    assert "\x1b" not in said


def test_who_made_a_commit_and_who_gave_up_is_shown(repo: Path, runs: GitRuns) -> None:
    events = [
        {"event": "task_started", "task": "t1", "worker": "local"},
        {"event": "escalated", "task": "t1", "worker": "local", "to": "api", "reason": "no\nPython"},
        {"event": "steered", "task": "t1", "text": "be brief"},
        {"event": "task_started", "task": "t1", "worker": "api"},
        {"event": "committed", "task": "t1", "oid": "f" * 40, "subject": "sums: add \x1b"},
    ]
    lines = {"report.json": json.dumps(REPORT), "events.jsonl": "\n".join(map(json.dumps, events))}
    runs.save("r-40", lines, "done")
    assert (
        "  t1  local gave up (no Python); api was asked\n  t1  said meanwhile: be brief\n"
        "  t1  ffffffffffff  sums: add \\x1b  by api\n"
    ) in run("show", "r-40", "--repo", str(repo)).stdout


def test_a_run_that_was_killed_or_is_nonsense_is_shown_as_far_as_it_goes(repo: Path, runs: GitRuns) -> None:
    assert "run r-10  unfinished" in run("show", "r-10", "--repo", str(repo)).stdout
    said = run("show", "x-30", "--repo", str(repo))
    assert said.exit_code == 0
    assert "Tried  0 candidates in 0.0 s" in said.stdout
    assert "\x1b" not in said.stdout


def test_a_run_is_data_for_programs(repo: Path, runs: GitRuns) -> None:
    data = json.loads(run("show", "r-20", "--json", "--repo", str(repo)).stdout)
    assert data["report"] == REPORT
    assert data["plan"] == REPORT["plan"]
    assert [event["event"] for event in data["events"]] == ["run_started", "run_finished"]
    assert data["files"] == ["events.jsonl", "report.json"]
    assert json.loads(run("show", "r-10", "--json", "--repo", str(repo)).stdout)["report"] is None


def test_an_unknown_run_is_one_error_line_and_a_hint(repo: Path, runs: GitRuns) -> None:
    said = run("show", "nope", "--repo", str(repo))
    assert said.exit_code == 2
    assert said.stderr == "error: there is no run 'nope' in this repository\nhint: gitagent log\n"
    assert "could be any of r-10, r-20" in run("show", "r-", "--repo", str(repo)).stderr


def test_what_a_run_writes_down_is_what_is_shown(repo: Path) -> None:
    run_ = TestRun(
        tree="t", sandbox="none", argv=("pytest",), state="failed", results=(), exit_code=1, seconds=1.0
    )
    report = Report(
        run="r-40",
        state="proven",
        request=Request(text="sums: add", source="text", reference="", asked_by="", base="0" * 40, key="k"),
        reason="red to green",
        commits=(Commit(branch="gitagent/k", oid="1" * 40, tree="2" * 40),),
        verdict=Verdict(state="passed", reason="proven", base=run_, tip=run_, fail_to_pass=("test_add",)),
        ledger=(Spending(worker="templates", seconds=0.5),),
        tried=1,
    )
    Journal(GitRuns(GitRepository(str(repo))), "r-40").save(report)
    said = run("show", "r-40", "--repo", str(repo)).stdout
    for words in [
        "run r-40  proven",
        "Asked  text, at 000000000000",
        "1 candidate in",
        "    test_add",
        "templates: 0",
    ]:
        assert words in said
    assert "sums: add" in run("log", "--repo", str(repo)).stdout
