"""Every way to ask ends in a scratch branch, a verdict and a pull request; the user's work is untouched."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.running import CALC, RED, Done, Project

Digest = Callable[[Path], str]
TRAILERS = {"Task", "Worker", "Model", "Prompt", "Tokens", "Verdict", "Request", "Run", "Asked", "Build"}


def proven(project: Project, done: Done) -> str:
    """Holds a run's end against what every proven run leaves; the scratch branch's tip."""
    assert done.code == 0, done.err
    (branch,) = project.branches()
    tip = project.git("rev-parse", branch)
    assert project.git("rev-list", "--count", f"{tip}~1..{tip}") == "1"
    assert set(project.trailers(tip)) == {f"Gitagent-{name}" for name in TRAILERS}
    assert project.trailers(tip)["Gitagent-Verdict"] == "passed (1 red to green, 1 still green)"
    assert project.git("show", f"{tip}:calc.py").startswith("def add(a, b):\n    return a + b\n")
    assert project.git("log", "-1", "--format=%s", tip) == "calc: use + for - in line 2"
    assert project.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]
    return tip


def test_a_sentence_becomes_a_proven_pull_request_beside_unfinished_work(calc: Project, untouched: Digest) -> None:
    (calc.root / "calc.py").write_text(CALC["calc.py"] + "\n\nunfinished = 1\n")
    (calc.root / "staged.py").write_text("staged = 1\n")
    calc.git("add", "staged.py")
    (calc.root / "staged.py").write_text("staged = 2\n")
    (calc.root / "untracked.txt").write_text("mine\n")
    (calc.root / ".git/hooks/post-commit").write_text("#!/bin/sh\ntouch woken\n")
    (calc.root / ".git/hooks/post-commit").chmod(0o755)
    before = untouched(calc.root)
    done = calc.gitagent("fix", "add gives", "the wrong sum")
    assert untouched(calc.root) == before
    proven(calc, done)
    assert "uncommitted changes in the working copy are not part of this run" in done.err
    assert "gitagent pr merge 1" in done.err and done.out == ""
    body = calc.pull()
    for part in ("What was asked", "Proof", "Changes", "Plan", "Cost", "What was not done", "Look closer"):
        assert f"## {part}" in body
    assert f"| `{RED}` | red | green |" in body and "add gives the wrong sum" in body
    calc.git("reset", "--quiet", "--hard")
    (calc.root / "untracked.txt").unlink()


def test_a_failing_test_by_name_is_a_request(calc: Project, untouched: Digest) -> None:
    before = untouched(calc.root)
    done = calc.gitagent("fix", "--test", "./test_calc.py::test_add", "--json")
    assert untouched(calc.root) == before
    proven(calc, done)
    assert done.event("run_started")["source"] == "test"
    assert done.err == ""


def test_standard_input_is_a_request_whatever_bytes_come(
    making: Callable[..., Project], untouched: Digest
) -> None:
    calc = making(CALC)
    calc.git("switch", "--quiet", "--detach")
    before = untouched(calc.root)
    done = calc.gitagent("fix", "-", "--json", stdin="add gives\u202e the wrong sum\n")
    assert untouched(calc.root) == before
    proven(calc, done)
    started = done.event("run_started")
    assert (started["source"], started["title"]) == ("stdin", "add gives the wrong sum")
    # A detached HEAD has no branch to ask a merge into, so it is asked into main.
    assert '"base_branch": "main"' in calc.git("show", "refs/gitagent/pulls/1:pull.json")


@pytest.mark.parametrize("trailer", ["", "\n\nGitagent: fix the sum of add"])
def test_a_commit_asks_by_its_message_or_its_trailer(calc: Project, untouched: Digest, trailer: str) -> None:
    asking = calc.commit({"NOTES": "1\n"}, f"notes: add is wrong{trailer}")
    before = untouched(calc.root)
    done = calc.gitagent("fix", "--commit", "HEAD", "--json")
    assert untouched(calc.root) == before
    tip = proven(calc, done)
    assert calc.git("rev-parse", f"{tip}~1") == asking
    assert done.event("run_started")["title"] == ("fix the sum of add" if trailer else "notes: add is wrong")
    assert "(commit `" + asking in calc.pull()
    calc.git("reset", "--quiet", "--hard", "HEAD~1")


def test_a_linked_worktree_is_worked_in_like_any_other(calc: Project, untouched: Digest, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    calc.git("worktree", "add", "--quiet", "-b", "topic", str(linked))
    before = untouched(calc.root), untouched(linked)
    done = calc.gitagent("fix", "add gives the wrong sum", "--json", cwd=linked)
    assert (untouched(calc.root), untouched(linked)) == before
    proven(calc, done)
    assert '"base_branch": "topic"' in calc.git("show", "refs/gitagent/pulls/1:pull.json")
    calc.git("worktree", "remove", str(linked))


def test_a_bare_repository_needs_no_checkout(calc: Project, untouched: Digest, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    calc.git("clone", "--quiet", "--bare", str(calc.root), str(bare))
    inside = Project(bare, tmp_path / "temporary-2")
    before = untouched(bare)
    done = inside.gitagent("fix", "add gives the wrong sum", "--json")
    assert untouched(bare) == before
    proven(inside, done)


@pytest.mark.bubblewrap
def test_the_tests_run_in_bubblewrap_when_asked(calc: Project, untouched: Digest) -> None:
    before = untouched(calc.root)
    done = calc.gitagent("fix", "--test", RED, "--sandbox", "bubblewrap", "--python", sys.executable, "--json")
    assert untouched(calc.root) == before
    proven(calc, done)
    assert str(done.event("tests_started")["sandbox"]).startswith("bubblewrap")
