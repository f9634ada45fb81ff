"""Runs carried to another repository and back."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_runs import GitRuns
from gitagent.cli import main

Git = Callable[..., str]


@pytest.fixture
def elsewhere(repo: Path, tmp_path: Path, git: Git) -> Path:
    """A bare repository that is the remote `far` of the other one."""
    bare = tmp_path / "far.git"
    git(repo, "init", "--quiet", "--bare", str(bare))
    git(repo, "remote", "add", "far", str(bare))
    GitRuns(GitRepository(str(repo))).save("r1", {"a": "1"}, "begun")
    return bare


def run(repo: Path, *arguments: str) -> tuple[int, str]:
    said = CliRunner().invoke(main, ["journal", *arguments, "--repo", str(repo)])
    return said.exit_code, said.stderr


def test_runs_are_pushed_and_fetched_only_when_told_to(repo: Path, elsewhere: Path, git: Git) -> None:
    git(repo, "push", "--quiet", "far", "main")
    assert git(elsewhere, "for-each-ref", "refs/gitagent") == ""
    assert run(repo, "push", "far")[0] == 0
    GitRuns(GitRepository(str(repo))).remove("r1")
    assert run(repo, "fetch", "far")[0] == 0
    assert GitRuns(GitRepository(str(repo))).load("r1")["a"] == "1"


def test_what_went_on_otherwise_is_overwritten_neither_here_nor_there(
    repo: Path, elsewhere: Path, git: Git
) -> None:
    assert run(repo, "push", "far")[0] == 0
    runs = GitRuns(GitRepository(str(repo)))
    runs.remove("r1")
    runs.save("r1", {"a": "other"}, "begun otherwise")
    for verb in ("push", "fetch"):
        code, said = run(repo, verb, "far")
        assert code == 3 and said.startswith(f"error: git {verb} of the runs: ")
    assert runs.load("r1")["a"] == "other"
    assert git(elsewhere, "show", "refs/gitagent/runs/r1:a") == "1"


def test_a_remote_that_is_none_is_one_error_line(repo: Path) -> None:
    assert run(repo, "push", "--upload-pack=x")[0] == 2
    assert run(repo, "push", "nope") == (
        3,
        "error: there is no remote 'nope'. Nothing was carried\nhint: git remote -v\n",
    )
