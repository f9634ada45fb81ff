"""A request that has a branch already: its proof, a base that moved, a human's commits, a closed pull request."""

import pytest

from tests.e2e.running import CALC, RED, Project
from tests.e2e.test_api import endpoint
from tests.scripted_server import Answer, Asked, ScriptedServer

FIXED = CALC["calc.py"].replace("a - b", "a + b")


@pytest.fixture
def fixed(calc: Project) -> tuple[Project, str]:
    """A repository whose request has a proven branch, and that branch."""
    assert calc.gitagent("fix", "--test", RED).code == 0
    (branch,) = calc.branches()
    return calc, branch


def on_main(calc: Project, files: dict[str, str | bytes | None]) -> str:
    """A commit on the base branch, made while nobody looks: HEAD and work tree stay as the fixture holds them."""
    place = calc.root.parent / "elsewhere"
    calc.git("worktree", "add", "--quiet", "--detach", str(place), "main")
    there = Project(place, calc.root.parent / "temporary-elsewhere")
    oid = there.commit(files, "main goes on")
    calc.git("worktree", "remove", str(place))
    calc.git("branch", "--force", "moved", oid)
    return oid


def test_a_base_that_moved_is_merged_and_the_proof_made_anew_without_asking_a_worker(
    fixed: tuple[Project, str],
) -> None:
    calc, branch = fixed
    first = calc.git("rev-parse", branch)
    base = on_main(calc, {"other.py": "x = 1\n"})
    done = calc.gitagent("fix", "--test", RED, "--base", "moved", "--json")
    assert done.code == 0 and done.event("run_finished")["tried"] == 0
    assert calc.git("log", "-1", "--format=%P", branch).split() == [first, base]
    assert calc.git("show", f"{branch}:calc.py") == FIXED.rstrip("\n") and calc.git("show", f"{branch}:other.py")
    assert calc.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]
    assert "use + for - in line 2" in calc.pull() and base[:12] not in first
    assert calc.gitagent("verify", "1", "--no-run").code in (0, 125)
    again = calc.gitagent("fix", "--test", RED, "--base", "moved")
    assert again.code == 0 and "is proven already" in again.err


def test_what_conflicts_with_the_base_is_worked_on_anew(fixed: tuple[Project, str]) -> None:
    calc, branch = fixed
    moved = CALC["calc.py"].replace(
        "def add(a, b):\n    return a - b", "def add(a, b):\n    return (a) - b  # moved"
    )
    base = on_main(calc, {"calc.py": moved})
    done = calc.gitagent("fix", "--test", RED, "--base", "moved", "--json")
    assert done.code == 0, done.err
    assert "calc.py changed on both sides" in str([event for event in done.events if event["event"] == "noted"])
    assert calc.git("show", f"{branch}:calc.py").split("\n")[1] == "    return (a) + b  # moved"
    assert calc.git("merge-base", branch, base) == base and "Gitagent-Run" in calc.git(
        "log", "-1", "--format=%B", branch
    )
    assert calc.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]


def test_a_humans_commits_are_kept_and_never_merged_away(fixed: tuple[Project, str]) -> None:
    calc, branch = fixed
    place = calc.root.parent / "theirs"
    calc.git("worktree", "add", "--quiet", str(place), branch.removeprefix("refs/heads/"))
    theirs = Project(place, calc.root.parent / "temporary-theirs").commit({"calc.py": FIXED + "# mine\n"}, "mine")
    calc.git("worktree", "remove", str(place))
    done = calc.gitagent("fix", "--test", RED, "--json")
    assert done.code == 0 and calc.git("rev-parse", branch) == theirs
    assert done.event("verdict_reached")["state"] == "passed" and "somebody else" in calc.pull()
    on_main(calc, {"calc.py": CALC["calc.py"] + "# theirs\n"})
    refused = calc.gitagent("fix", "--test", RED, "--base", "moved")
    assert (
        refused.code == 3
        and f"commit {theirs[:12]}" in refused.told[0]
        and "both changed calc.py" in refused.told[0]
    )
    assert "git merge" in refused.told[1] and calc.git("rev-parse", branch) == theirs


def test_a_closed_pull_request_means_stop_until_asked_again(fixed: tuple[Project, str]) -> None:
    calc, _ = fixed
    assert calc.gitagent("pr", "close", "1").code == 0
    refused = calc.gitagent("fix", "--test", RED)
    assert refused.code == 7 and refused.told[0] == "pull request 1 of this request was closed. Nothing was run."
    assert calc.gitagent("fix", "--test", RED, "--again").code == 0
    assert len(calc.refs("refs/gitagent/pulls/")) == 2 and len(calc.branches()) == 1


def test_a_branch_that_came_to_no_proof_is_built_upon(calc: Project) -> None:
    def script(asked: Asked) -> Answer:
        good = "Refused last time" in asked.prompt
        sign = "+" if good else "*"
        return Answer(text=f"--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n"
                      f"+    return a {sign} b\n")  # fmt: skip

    place = calc.root.parent / "theirs"
    assert calc.gitagent("fix", "--test", RED).code == 0
    (branch,) = calc.branches()
    calc.git("worktree", "add", "--quiet", str(place), branch.removeprefix("refs/heads/"))
    theirs = Project(place, calc.root.parent / "temporary-theirs").commit({"calc.py": CALC["calc.py"]}, "revert")
    calc.git("worktree", "remove", str(place))
    with ScriptedServer(script) as server:
        done = calc.gitagent(
            "fix", "--test", RED, "--api", env=endpoint(server) | {"GITAGENT_TEMPLATES_ENABLED": "false"}
        )
    assert done.code == 0, done.err
    assert calc.git("rev-parse", f"{branch}^") == theirs and calc.refs("refs/gitagent/pulls/") == [
        "refs/gitagent/pulls/1"
    ]


def test_what_was_fetched_of_the_branch_is_built_upon_too(fixed: tuple[Project, str]) -> None:
    calc, branch = fixed
    place = calc.root.parent / "fetched"
    calc.git("worktree", "add", "--quiet", "--detach", str(place), branch)
    theirs = Project(place, calc.root.parent / "temporary-fetched").commit({"calc.py": FIXED + "# mine\n"}, "mine")
    calc.git("worktree", "remove", str(place))
    calc.git("update-ref", branch.replace("refs/heads/", "refs/remotes/origin/"), theirs)
    assert calc.gitagent("fix", "--test", RED).code == 0
    assert calc.git("rev-parse", branch) == theirs and calc.refs("refs/gitagent/pulls/") == [
        "refs/gitagent/pulls/1"
    ]
