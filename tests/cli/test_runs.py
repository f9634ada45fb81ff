"""What has become of runs, and taking them back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.git_running import Running
from gitagent.adapters.git_runs import GitRuns
from gitagent.adapters.local_forge import LocalForge
from gitagent.cli import main
from gitagent.records import PullRequest

Git = Callable[..., str]
BRANCH = "gitagent/1-sums"
MESSAGE = (
    "sums: add\n\nGitagent-Task: t1 pkg/deep/sums.py:1\nGitagent-Worker: templates\n"
    "Gitagent-Verdict: passed\nGitagent-Run: r1\n"
)


@pytest.fixture
def repository(repo: Path) -> GitRepository:
    """A finished run with a branch and a pull request, and one that was cut short."""
    repository = GitRepository(str(repo))
    runs, base = GitRuns(repository), repository.head().oid
    runs.save("r0", {"run.json": json.dumps({"request": {"text": "the other\nthing"}})}, "begun")
    commit = GitBranches(repository).create(BRANCH, base).commit({"pkg/deep/sums.py": "new\n"}, MESSAGE)
    report = {
        "ended": True,
        "request": {"text": "sums are wrong", "base": base},
        "commits": [{"branch": BRANCH, "oid": commit.oid}],
        "pull": {"url": "refs/gitagent/pulls/1"},
    }
    runs.save("r1", {"report.json": json.dumps(report)}, "done")
    LocalForge(repository).publish(
        PullRequest(title="t", body="b", branch=BRANCH, base_branch="main", base=base, tip=commit.oid, key="1")
    )
    return repository


def run(repo: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--repo", str(repo)])


def test_the_status_tells_finished_runs_from_those_cut_short_and_under_way(
    repo: Path, repository: GitRepository
) -> None:
    said = run(repo, "status")
    assert said.stdout == "r1  finished   sums are wrong\nr0  stopped    the other\n"
    assert said.stderr == "hint: gitagent resume r0\n"
    with Running(repository).held("r0", "gitagent/2-x"):
        rows = json.loads(run(repo, "status", "--json").stdout)
        assert [row["condition"] for row in rows] == ["finished", "under way"]
        assert run(repo, "stop", "r0").exit_code == 0
        assert Running(repository).stop_asked("r0")
    refused = run(repo, "stop", "r0")
    assert refused.exit_code == 2 and "run r0 is not under way" in refused.stderr


def test_undo_takes_branch_and_pull_request_back_and_keeps_what_is_written_down(
    repo: Path, repository: GitRepository, git: Git, untouched: Callable[[Path], str]
) -> None:
    before = untouched(repo)
    done = run(repo, "undo", "r1")
    assert done.exit_code == 0 and f"{BRANCH} is gone" in done.stderr
    assert untouched(repo) == before
    assert git(repo, "for-each-ref", "refs/heads/gitagent") == ""
    assert LocalForge(repository).pull(1).state == "closed"
    assert GitRuns(repository).ids() == ("r1", "r0")
    assert run(repo, "undo", "r1").exit_code == 2
    git(repo, "gc", "--quiet", "--prune=now")
    assert git(repo, "fsck", "--strict", "--no-progress") == ""


def test_undo_is_refused_where_somebody_else_committed(repo: Path, repository: GitRepository, git: Git) -> None:
    tip = git(repo, "rev-parse", BRANCH)
    theirs = git(repo, "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "by hand")
    git(repo, "update-ref", f"refs/heads/{BRANCH}", theirs)
    refused = run(repo, "undo", "r1")
    assert refused.exit_code == 3 and f"commit {theirs[:12]}, which no run made" in refused.stderr
    assert git(repo, "rev-parse", BRANCH) == theirs
    git(repo, "update-ref", "refs/heads/main", theirs)
    assert "is merged already" in run(repo, "undo", "r1").stderr


def test_prune_removes_the_old_runs_it_was_told_to(repo: Path, repository: GitRepository) -> None:
    assert run(repo, "prune").exit_code == 2
    assert run(repo, "prune", "--older-than", "1").stdout == ""
    assert run(repo, "prune", "--keep", "1", "--dry-run").stdout == "r0\n"
    assert run(repo, "prune", "--keep", "1").stdout == "r0\n"
    assert GitRuns(repository).ids() == ("r1",)


def test_a_line_is_explained_by_the_run_that_wrote_it(repo: Path, repository: GitRepository) -> None:
    said = run(repo, "explain", "pkg/deep/sums.py:1", "--rev", BRANCH)
    for words in ("sums: add", "asked    sums are wrong", "worker   templates", "verdict  passed", "run      r1"):
        assert words in said.stdout
    GitRuns(repository).remove("r1")
    told = json.loads(run(repo, "explain", "pkg/deep/sums.py:1", "--rev", BRANCH, "--json").stdout)
    assert told["task"] == "t1 pkg/deep/sums.py:1" and "asked" not in told
    assert "by Ada Tester <ada@example.org>, not by a run" in run(repo, "explain", "greet.py:1").stdout


@pytest.mark.parametrize("place", ["greet.py", "greet.py:0", "greet.py:99", "nope.py:1", ":3"])
def test_a_place_that_is_none_is_one_error_line(repo: Path, repository: GitRepository, place: str) -> None:
    said = run(repo, "explain", place)
    assert said.exit_code == 2 and said.stderr.startswith("error: ")
