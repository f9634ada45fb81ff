import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.local_forge import LocalForge
from gitagent.cli import main
from gitagent.cli.printing import coloured, harmless, one_line
from gitagent.records import PullRequest

Git = Callable[..., str]
BRANCH = "gitagent/1-fix"


@pytest.fixture
def pull(repo: Path) -> PullRequest:
    """Pull request 1, open, on the local forge of `repo`."""
    repository = GitRepository(str(repo))
    base = repository.head().oid
    tip = GitBranches(repository).create(BRANCH, base).commit({"greet.py": "caf\udce9\n"}, "greet").oid
    title, body = "greet: \x1b[31mred", "Why.\n\x1b]0;x\x07"
    wanted = PullRequest(title=title, body=body, branch=BRANCH, base_branch="main", base=base, tip=tip, key="")
    return LocalForge(repository).publish(wanted)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_pull_requests_are_listed_by_state(repo: Path, pull: PullRequest) -> None:
    said = run("pr", "list", "--repo", str(repo))
    assert said.stdout == f"#1  draft  greet: \\x1b[31mred  ({BRANCH} → main)\n"
    assert run("pr", "list", "--repo", str(repo), "--state", "closed").stderr == "No closed pull requests.\n"
    assert run("pr", "close", "1", "--repo", str(repo)).stdout == "Closed #1.\n"
    assert "#1  closed" in run("pr", "list", "--repo", str(repo), "--state", "all").stdout
    assert run("pr", "list", "--repo", str(repo)).exit_code == 0


def test_a_pull_request_is_shown_harmless_for_people_and_whole_for_programs(repo: Path, pull: PullRequest) -> None:
    said = run("pr", "show", "1", "--repo", str(repo))
    assert "Why.\n\\x1b]0;x\\x07\n" in said.stdout
    assert "\x1b" not in said.stdout
    data = json.loads(run("pr", "show", "1", "--json", "--repo", str(repo)).stdout)
    assert (data["number"], data["title"], data["tip"]) == (1, pull.title, pull.tip)
    assert json.loads(run("pr", "list", "--json", "--repo", str(repo)).stdout) == [data]


def test_a_diff_can_be_piped_into_git_apply(repo: Path, pull: PullRequest, git: Git) -> None:
    patch = run("pr", "diff", "1", "--repo", str(repo)).stdout_bytes
    subprocess.run(["git", "apply"], cwd=repo, input=patch, check=True)
    assert (repo / "greet.py").read_bytes() == b"caf\xe9\n"


def test_a_diff_is_coloured_and_harmless_on_a_terminal(repo: Path, pull: PullRequest) -> None:
    GitBranches(GitRepository(str(repo))).open(BRANCH).commit({"evil.txt": "\x1b]0;owned\x07\n"}, "x")
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "gitagent", "pr", "diff", "1", "--repo", str(repo)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
    with subprocess.Popen(command, stdout=slave, stdin=slave, env=environment) as process:
        os.close(slave)
        said = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the terminal's other end was closed
                break
            if not part:
                break
            said += part
    os.close(master)
    assert process.returncode == 0
    assert b"\x1b[36m@@ -1,2 +1 @@" in said
    assert b"\x1b[31m-def greet(name):" in said
    assert b"\x1b]0;" not in said
    assert b"\\x1b]0;owned" in said


def test_merging_moves_the_base_and_may_delete_the_branch(repo: Path, pull: PullRequest, git: Git) -> None:
    said = run("pr", "merge", "1", "--delete-branch", "--repo", str(repo))
    assert said.stdout == f"Merged #1 into main.\nDeleted branch {BRANCH} (was {pull.tip[:12]}).\n"
    assert git(repo, "rev-parse", "main^2") == pull.tip
    assert git(repo, "branch", "--list", BRANCH) == ""
    again = run("pr", "merge", "1", "--repo", str(repo))
    assert again.exit_code == 7
    assert again.stderr.startswith("error: pull request 1 is merged already\nhint: ")


def test_closing_keeps_the_branch_unless_told_otherwise(repo: Path, pull: PullRequest, git: Git) -> None:
    run("pr", "close", "1", "--repo", str(repo))
    assert git(repo, "branch", "--list", BRANCH)
    LocalForge(GitRepository(str(repo))).publish(replace(pull, number=0))
    assert "Deleted branch" in run("pr", "close", "2", "--delete-branch", "--repo", str(repo)).stdout
    assert git(repo, "branch", "--list", BRANCH) == ""
    assert b"+caf\xe9" in run("pr", "diff", "2", "--repo", str(repo)).stdout_bytes


def test_mistakes_are_one_error_line_and_a_hint(repo: Path, tmp_path: Path) -> None:
    said = run("pr", "show", "9", "--repo", str(repo))
    assert said.exit_code == 7
    assert said.stderr == "error: there is no pull request 9 here\nhint: gitagent pr list --state all\n"
    said = run("pr", "list", "--repo", str(tmp_path))
    assert said.exit_code == 3
    assert "is in no git repository" in said.stderr


def test_the_forge_can_be_chosen_by_hand_where_the_remote_is_on_github(
    repo: Path, pull: PullRequest, git: Git
) -> None:
    git(repo, "remote", "add", "origin", "git@github.com:a/b.git")
    assert run("pr", "list", "--forge", "local", "--repo", str(repo)).stdout.startswith("#1")
    git(repo, "remote", "set-url", "origin", "https://gitlab.example.org/a/b")
    assert run("pr", "list", "--repo", str(repo)).stdout.startswith("#1")


def test_a_patch_is_coloured_line_by_line() -> None:
    said = coloured(b"diff --git a/x b/x\n@@ -1 +1 @@\n-\xff\n+\x1b[2J\n same\n")
    assert said == (
        "\x1b[1mdiff --git a/x b/x\x1b[0m\n\x1b[36m@@ -1 +1 @@\x1b[0m\n"
        "\x1b[31m-\ufffd\x1b[0m\n\x1b[32m+\\x1b[2J\x1b[0m\n same\x1b[0m"
    )


def test_strangers_text_is_made_harmless_and_cut() -> None:
    assert harmless("a\x1b[2J\tb\n\u202ec\udce9") == "a\\x1b[2J\tb\n\\u202ec\\udce9"
    assert one_line("a\n b\t c") == "a b c"
    assert one_line("abcdef", 4) == "abc…"
