import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.local_forge import LocalForge
from gitagent.errors import ForgeError, RepositoryError
from gitagent.records import PullRequest

Git = Callable[..., str]
BRANCH = "gitagent/1-fix"
FIXED = "def add(a, b):\n    return a + b\n"


def proposed(root: Path, branch: str = BRANCH, texts: dict[str, str | None] | None = None) -> PullRequest:
    """A pull request for one commit on a new scratch branch; not published."""
    repository = GitRepository(str(root))
    base = repository.head().oid
    tip = (
        GitBranches(repository).create(branch, base).commit(texts or {"pkg/deep/sums.py": FIXED}, "sums: add").oid
    )
    return PullRequest(
        title="sums: add, not subtract",
        body="What was asked.\n",
        branch=branch,
        base_branch="main",
        base=base,
        tip=tip,
        key="k1",
    )


def test_a_published_pull_request_is_numbered_and_read_back(
    repo: Path, git: Git, untouched: Callable[[Path], str]
) -> None:
    before = untouched(repo)
    forge = LocalForge(GitRepository(str(repo)))
    assert forge.pulls() == ()
    one = forge.publish(proposed(repo))
    two = forge.publish(replace(proposed(repo, "gitagent/2"), body="caf\udce9 ü\r\n", title="\udce9"))
    assert (one.number, one.url, one.state, one.draft) == (1, "refs/gitagent/pulls/1", "open", True)
    assert forge.pulls() == (two, one)
    assert forge.pull(2) == two
    assert git(repo, "show", "refs/gitagent/pulls/1:body.md") == "What was asked."
    assert untouched(repo) == before
    git(repo, "fsck", "--strict")


def test_publishing_a_branch_again_updates_its_open_pull_request(repo: Path, git: Git) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    pull = forge.publish(proposed(repo))
    again = forge.publish(replace(pull, number=0, title="better"))
    assert (again.number, again.title) == (1, "better")
    assert git(repo, "log", "--format=%s", "--first-parent", "-2", "refs/gitagent/pulls/1") == (
        "Update pull request #1: better\nOpen pull request #1: sums: add, not subtract"
    )
    forge.close(1)
    assert forge.publish(pull).number == 2


PUBLISHER = """
import sys
from dataclasses import replace
from gitagent.adapters.git import GitRepository
from gitagent.adapters.local_forge import LocalForge
from gitagent.records import PullRequest
repository = GitRepository(sys.argv[1])
oid = repository.head().oid
for turn in range(6):
    LocalForge(repository).publish(PullRequest(
        title="t", body="", branch=f"{sys.argv[2]}/{turn}", base_branch="main", base=oid, tip=oid, key=""))
"""


def test_two_processes_never_take_the_same_number(repo: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    workers = [
        subprocess.Popen([sys.executable, "-c", PUBLISHER, str(repo), name], env=environment) for name in "ab"
    ]
    assert [worker.wait() for worker in workers] == [0, 0]
    pulls = LocalForge(GitRepository(str(repo))).pulls()
    assert [pull.number for pull in pulls] == list(range(12, 0, -1))
    assert len({pull.branch for pull in pulls}) == 12


def test_there_are_no_issues_and_no_unknown_numbers(repo: Path) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    with pytest.raises(ForgeError, match=r"issue 7: .*no hosting site") as caught:
        forge.issue(7)
    assert caught.value.hint.startswith("gitagent fix ")
    for number in (3, 0, -1):
        with pytest.raises(ForgeError, match=f"no pull request {number} here"):
            forge.pull(number)
    with pytest.raises(ForgeError, match="no state of a pull request"):
        forge.pulls("draft")


def test_a_merge_makes_a_merge_commit_and_brings_the_work_tree_along(repo: Path, git: Git) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    pull = forge.publish(proposed(repo))
    (repo / "greet.py").write_text("changed, elsewhere\n")
    (repo / "notes.txt").write_text("mine\n")
    merged = forge.merge(1)
    assert (merged.state, merged.draft) == ("merged", False)
    assert git(repo, "rev-parse", "main^1", "main^2") == f"{pull.base}\n{pull.tip}"
    assert git(repo, "log", "-1", "--format=%an|%cn|%B", "main").strip() == (
        f"Ada Tester|Ada Tester|Merge pull request #1 from {BRANCH}\n\nsums: add, not subtract"
    )
    assert (repo / "pkg" / "deep" / "sums.py").read_text() == FIXED
    assert (repo / "greet.py").read_text() == "changed, elsewhere\n"
    assert git(repo, "status", "--porcelain") == " M greet.py\n?? notes.txt"
    assert forge.pulls() == ()
    assert [each.number for each in forge.pulls("merged")] == [1]
    with pytest.raises(ForgeError, match="is merged already"):
        forge.merge(1)
    with pytest.raises(ForgeError, match="is merged already"):
        forge.close(1)


@pytest.mark.parametrize("place", ["elsewhere", "detached", "bare"])
def test_a_base_branch_that_nobody_stands_on_moves_alone(
    repo: Path, git: Git, tmp_path: Path, untouched: Callable[[Path], str], place: str
) -> None:
    root = repo
    if place == "bare":
        git(repo, "clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
        root = tmp_path / "bare.git"
    elif place == "detached":
        git(repo, "checkout", "--quiet", "--detach")
    else:
        git(repo, "switch", "--quiet", "-c", "mine")
    status = git(root, "status", "--porcelain") if place != "bare" else ""
    index = (repo / ".git" / "index").read_bytes()
    forge = LocalForge(GitRepository(str(root)))
    pull = forge.publish(proposed(root))
    forge.merge(1)
    assert git(root, "rev-parse", "main^1", "main^2") == f"{pull.base}\n{pull.tip}"
    assert git(root, "diff", "--name-only", "main^1", "main") == "pkg/deep/sums.py"
    assert (git(root, "status", "--porcelain") if place != "bare" else "") == status
    assert (repo / ".git" / "index").read_bytes() == index
    git(root, "fsck", "--strict")


def test_a_merge_goes_into_the_linked_work_tree_that_holds_the_base(repo: Path, git: Git, tmp_path: Path) -> None:
    git(repo, "switch", "--quiet", "-c", "mine")
    git(repo, "worktree", "add", "--quiet", str(tmp_path / "linked"), "main")
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(proposed(repo))
    forge.merge(1)
    assert (tmp_path / "linked" / "pkg" / "deep" / "sums.py").read_text() == FIXED
    assert (repo / "pkg" / "deep" / "sums.py").read_text() != FIXED
    assert git(tmp_path / "linked", "status", "--porcelain") == ""


@pytest.mark.parametrize("checked_out", [True, False])
def test_a_conflict_is_refused_by_file_with_nothing_changed(
    repo: Path, git: Git, untouched: Callable[[Path], str], checked_out: bool
) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(proposed(repo))
    (repo / "pkg" / "deep" / "sums.py").write_text("def add(a, b):\n    return 0\n")
    git(repo, "commit", "--quiet", "-am", "other")
    if not checked_out:
        git(repo, "checkout", "--quiet", "--detach")
    before, main = untouched(repo), git(repo, "rev-parse", "main")
    with pytest.raises(RepositoryError, match=r"both changed pkg/deep/sums\.py\. Nothing was merged"):
        forge.merge(1)
    assert untouched(repo) == before
    assert git(repo, "rev-parse", "main") == main
    assert forge.pull(1).state == "open"


@pytest.mark.parametrize("how", ["local", "staged", "untracked", "other staged"])
def test_changes_in_the_merges_way_are_kept_and_named(repo: Path, git: Git, how: str) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(proposed(repo, texts={"pkg/deep/sums.py": FIXED, "new.py": "new\n"}))
    name = {"untracked": "new.py", "other staged": "greet.py"}.get(how, "pkg/deep/sums.py")
    (repo / name).write_text("mine\n")
    if "staged" in how:
        git(repo, "add", ".")
    main = git(repo, "rev-parse", "main")
    with pytest.raises(RepositoryError, match=f"changes of its own in {name}") as caught:
        forge.merge(1)
    assert "git stash" in caught.value.hint
    assert (repo / name).read_text() == "mine\n"
    assert git(repo, "rev-parse", "main") == main
    assert (
        git(repo, "status", "--porcelain")
        == {
            "local": " M pkg/deep/sums.py",
            "staged": "M  pkg/deep/sums.py",
            "untracked": "?? new.py",
            "other staged": "M  greet.py",
        }[how]
    )
    assert forge.pull(1).state == "open"


def test_a_merge_that_a_hook_refuses_leaves_no_half_merge(repo: Path, git: Git) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(proposed(repo))
    hook = repo / ".git" / "hooks" / "commit-msg"
    hook.write_text("#!/bin/sh\necho no ticket >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(RepositoryError, match="git merge refused"):
        forge.merge(1)
    assert git(repo, "status", "--porcelain") == ""
    assert not (repo / ".git" / "MERGE_HEAD").exists()


def test_a_merge_of_the_users_own_is_not_disturbed(repo: Path, git: Git) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(proposed(repo))
    git(repo, "switch", "--quiet", "-c", "side", "HEAD~1")
    git(repo, "commit", "--allow-empty", "-qm", "side")
    git(repo, "switch", "--quiet", "main")
    git(repo, "merge", "--no-commit", "--no-ff", "side")
    with pytest.raises(RepositoryError, match=r"in the middle of something \(MERGE_HEAD\)"):
        forge.merge(1)
    assert (repo / ".git" / "MERGE_HEAD").exists()


def test_a_merge_that_only_gits_own_drivers_refuse_is_taken_back(repo: Path, git: Git) -> None:
    (repo / ".gitattributes").write_text("greet.py merge=never\n")
    git(repo, "config", "merge.never.driver", "false")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "attributes")
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(proposed(repo, texts={"greet.py": "# first\n" + (repo / "greet.py").read_text()}))
    (repo / "greet.py").write_text((repo / "greet.py").read_text() + "\n\n\n\n# last\n")
    git(repo, "commit", "--quiet", "-am", "other")
    with pytest.raises(RepositoryError, match=r"both changed greet\.py"):
        forge.merge(1)
    assert git(repo, "status", "--porcelain") == ""


def test_without_an_identity_the_merge_is_made_all_the_same(repo: Path, git: Git, home: Path) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(proposed(repo))
    (home / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    forge.merge(1)
    assert git(repo, "log", "-1", "--format=%an", "main") == "gitagent"


def test_a_pull_request_follows_its_branch_and_outlives_it(repo: Path, git: Git) -> None:
    repository = GitRepository(str(repo))
    forge = LocalForge(repository)
    pull = forge.publish(proposed(repo))
    tip = GitBranches(repository).open(BRANCH).commit({"more.py": "x\n"}, "more").oid
    assert forge.pull(1).tip == tip
    forge.drop_branch(replace(pull, tip=tip))
    assert git(repo, "branch", "--list", BRANCH) == ""
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "--quiet", "--prune=now")
    assert LocalForge(GitRepository(str(repo))).pull(1).tip == pull.tip
    assert LocalForge(GitRepository(str(repo))).merge(1).state == "merged"


def test_a_pull_request_merged_by_hand_is_merged(repo: Path, git: Git) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(proposed(repo))
    git(repo, "merge", "--quiet", "--no-ff", "-m", "by hand", BRANCH)
    assert forge.pull(1).state == "merged"
    assert forge.pulls() == ()


def test_a_base_branch_that_is_gone_is_named(repo: Path, git: Git) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(replace(proposed(repo), base_branch="gone"))
    with pytest.raises(RepositoryError, match="no branch gone to merge into"):
        forge.merge(1)


@pytest.mark.parametrize("text", ["", "[]", '{"title": 1}', "[" * 100_000])
def test_a_ref_that_holds_no_pull_request_is_refused_by_name(repo: Path, git: Git, text: str) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(proposed(repo))
    forge._states.write("1", {"pull.json": text}, "x", after=forge._states.tip("1"))
    with pytest.raises(ForgeError, match="refs/gitagent/pulls/1 holds no pull request"):
        forge.pull(1)


def test_a_pull_request_whose_commits_are_gone_is_shown_as_recorded(repo: Path, git: Git) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    forge.publish(proposed(repo))
    git(repo, "branch", "-D", BRANCH)
    text = git(repo, "show", "refs/gitagent/pulls/1:pull.json").replace(forge.pull(1).tip, "0" * 39 + "1")
    forge._states.write("1", {"pull.json": text}, "x", after=forge._states.tip("1"))
    assert forge.pull(1).state == "open"


def test_a_number_that_no_ref_can_have_is_an_error(repo: Path, git: Git) -> None:
    git(repo, "update-ref", "refs/gitagent/pulls/1/odd", "HEAD")
    with pytest.raises(RepositoryError, match="refs/gitagent/pulls/1 cannot be recorded"):
        LocalForge(GitRepository(str(repo))).publish(proposed(repo))


def test_a_recorded_name_that_git_does_not_take_is_shown_as_it_is(repo: Path) -> None:
    forge = LocalForge(GitRepository(str(repo)))
    pull = forge.publish(replace(proposed(repo), branch="no..name"))
    assert forge.pull(1) == pull
