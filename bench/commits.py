"""Committing a micro-task: one changed file in a large tree, without touching the working copy."""

import os
import subprocess
import time
from pathlib import Path

from bench.measuring import median, table
from bench.repositories import Bug, git


def report(repositories: dict[int, tuple[Path, list[Bug]]], *, rounds: int) -> None:
    from gitagent.adapters.git import GitBranches, GitRepository

    rows = []
    for size, (directory, bugs) in repositories.items():
        bug = bugs[0]
        text = git(directory, "show", f"main:{bug.path}") + "\n"
        base = git(directory, "rev-parse", "main")
        scratch = GitBranches(GitRepository(str(directory))).create("gitagent/bench-commits", base)
        git(directory, "branch", "-f", "bench-plumbing", base)
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(rounds + 2):
            changed = f"{text}# {number}\n"
            began = time.perf_counter()
            scratch.commit({bug.path: changed}, f"books: change {number}\n")
            between = time.perf_counter()
            _plumbing(directory, bug.path, changed)
            ended = time.perf_counter()
            if number >= 2:
                ours.append(between - began)
                theirs.append(ended - between)
        git(directory, "update-ref", "-d", "refs/heads/gitagent/bench-commits")
        git(directory, "branch", "-D", "bench-plumbing")
        rows.append(
            [
                f"{size:,}",
                f"{median(ours) * 1000:.2f} ms",
                f"{max(ours) * 1000:.2f} ms",
                f"{median(theirs) * 1000:.1f} ms",
                f"{median(theirs) / median(ours):.0f}x",
            ]
        )
    head = ["Python files", "gitagent, median", "slowest", "git plumbing, median", "times faster"]
    table(f"Committing one changed file, {rounds} times", head, rows)


def _plumbing(directory: Path, path: str, text: str) -> None:
    """The same with git's own commands and an index of its own."""
    env = os.environ | {"GIT_INDEX_FILE": str(directory / ".git" / "bench-index")}

    def run(*words: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ("git", *words), cwd=directory, env=env, input=stdin, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    tip = run("rev-parse", "bench-plumbing")
    blob = run("hash-object", "-w", "--stdin", stdin=text.encode())
    run("read-tree", tip)
    run("update-index", "--cacheinfo", f"100644,{blob},{path}")
    commit = run("commit-tree", run("write-tree"), "-p", tip, "-m", "books: change")
    run("update-ref", "refs/heads/bench-plumbing", commit, tip)
