"""Test runs kept in git, bounded, and shared by several processes."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_verdicts import REF, GitVerdicts
from gitagent.core import known
from gitagent.records import TestResult, TestRun

Git = Callable[..., str]
ROOT = Path(__file__).parents[2]
RESULTS = (
    TestResult(id="t.py::a", outcome="passed", seconds=0.5),
    TestResult(id="t.py::b", outcome="failed", message="E assert \udce9"),
)
RUN = TestRun(tree="1" * 40, sandbox="docker:sha256:2", argv=("pytest", "-q"), state="failed", results=RESULTS,
              exit_code=1, seconds=1.25, reason="1 passed, 1 failed", output="bell \x07 \udce9")  # fmt: skip


def test_a_run_is_known_by_tree_environment_and_command_alone(
    repo: Path, git: Git, untouched: Callable[[Path], str]
) -> None:
    before = untouched(repo)
    verdicts = GitVerdicts(GitRepository(str(repo)))
    assert verdicts.get(RUN.tree, RUN.sandbox, RUN.argv) is None
    verdicts.put(RUN, maker="r1")
    again = GitVerdicts(GitRepository(str(repo)))
    assert again.get(RUN.tree, RUN.sandbox, RUN.argv) == RUN
    assert again.get("3" * 40, RUN.sandbox, RUN.argv) is None
    assert again.get(RUN.tree, "docker:sha256:3", RUN.argv) is None
    assert again.get(RUN.tree, RUN.sandbox, ("pytest",)) is None
    assert again.get(RUN.tree, RUN.sandbox, RUN.argv, turn=1) is None
    assert untouched(repo) == before
    git(repo, "fsck", "--strict")


def test_who_asks_for_a_run_of_its_own_gets_no_other(repo: Path) -> None:
    verdicts = GitVerdicts(GitRepository(str(repo)))
    verdicts.put(RUN, maker="r1")
    assert verdicts.get(RUN.tree, RUN.sandbox, RUN.argv, maker="r2") is None
    assert verdicts.get(RUN.tree, RUN.sandbox, RUN.argv, maker="r1") == RUN


def test_what_could_not_judge_and_what_is_too_large_is_not_kept(repo: Path, git: Git) -> None:
    verdicts = GitVerdicts(GitRepository(str(repo)))
    verdicts.put(replace(RUN, state="inconclusive"))
    verdicts.put(replace(RUN, output="x" * known.MOST_CHARACTERS))
    assert git(repo, "for-each-ref", REF) == ""


def test_the_oldest_runs_are_forgotten_and_nothing_holds_them(repo: Path, git: Git) -> None:
    verdicts = GitVerdicts(GitRepository(str(repo)), most=3)
    runs = [replace(RUN, tree=f"{number:040x}") for number in range(10)]
    for run in runs:
        verdicts.put(run)
    kept = [run for run in runs if verdicts.get(run.tree, run.sandbox, run.argv) == run]
    assert kept == runs[-len(kept) :] and 3 <= len(kept) <= 6
    assert len(git(repo, "ls-tree", "-r", "--name-only", REF).split()) == len(kept)
    assert git(repo, "rev-list", "--count", REF) == "1"
    git(repo, "fsck", "--strict")


def test_a_run_that_somebody_else_wrote_or_broke_is_not_known(repo: Path, git: Git) -> None:
    verdicts = GitVerdicts(GitRepository(str(repo)))
    name = known.key_of(RUN.tree, RUN.sandbox, RUN.argv)
    lie = known.text_of(replace(RUN, tree="4" * 40), "r1")
    for text in ("", "{}", lie, known.text_of(RUN, "r1")[:-3]):
        git(repo, "update-ref", "-d", REF)
        blob = _piped(repo, text, "hash-object", "-w", "--stdin")
        below = _piped(repo, f"100644 blob {blob}\t{name}\n", "mktree")
        tree = _piped(repo, f"040000 tree {below}\tnew\n100644 blob {blob}\told\n", "mktree")
        git(repo, "update-ref", REF, git(repo, "commit-tree", "-m", "x", tree))
        assert verdicts.get(RUN.tree, RUN.sandbox, RUN.argv) is None
    git(repo, "update-ref", REF, git(repo, "rev-parse", "HEAD"))
    verdicts.put(RUN)
    assert verdicts.get(RUN.tree, RUN.sandbox, RUN.argv) == RUN


def test_a_cache_that_cannot_be_written_is_let_go(repo: Path) -> None:
    (repo / ".git/refs/gitagent").write_text("in the way")
    GitVerdicts(GitRepository(str(repo))).put(RUN)


def test_several_processes_keep_their_runs_at_once(repo: Path, git: Git) -> None:
    script = (
        "import sys\nfrom dataclasses import replace\nfrom gitagent.adapters.git import GitRepository\n"
        "from gitagent.adapters.git_verdicts import GitVerdicts\n"
        "from tests.adapters.test_git_verdicts import RUN\n"
        "verdicts = GitVerdicts(GitRepository(sys.argv[1]))\nsys.stdin.readline()\n"
        "for number in range(5):\n    verdicts.put(replace(RUN, tree=sys.argv[2] * 39 + str(number)))\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(repo), letter], cwd=ROOT, stdin=subprocess.PIPE)
        for letter in "abc"
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(git(repo, "ls-tree", "-r", "--name-only", REF).split()) == 15
    git(repo, "fsck", "--strict")


def _piped(repo: Path, text: str, *command: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repo), *command], input=text, text=True, capture_output=True, check=True
    )
    return done.stdout.strip()
