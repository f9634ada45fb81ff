import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitagent.cli import main

FILE = "def f(a):\n    if a:\n        return 1\n    return 2\n"
DIFF = "Sure:\n```diff\n--- a/m.py\n+++ b/m.py\n@@ -90,1 +90,1 @@\n-  return 2\n+  return 4\n```\n"
STALE = "--- a/m.py\n+++ b/m.py\n@@ -1 +1 @@\n-    return 9\n+    return 4\n"


def git(directory: Path, *arguments: str) -> str:
    names = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = os.environ | names | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", "-c", "init.defaultBranch=main", *arguments]
    done = subprocess.run(argv, cwd=directory, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q")
    (repo / "m.py").write_text(FILE)
    (repo / "link").symlink_to("m.py")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "first")
    return repo


def apply(repo: Path, *arguments: str, stdin: str = DIFF) -> Result:
    return CliRunner().invoke(main, ["apply", "--repo", str(repo), *arguments], input=stdin)


def test_a_reply_from_standard_input_lands_on_the_work_tree(repo: Path) -> None:
    result = apply(repo)
    assert (result.exit_code, result.output) == (0, "m.py: +1 -1, applied\n")
    assert (repo / "m.py").read_text() == FILE.replace("return 2", "return 4")


def test_check_with_show_prints_a_diff_that_git_takes_and_changes_nothing(repo: Path, tmp_path: Path) -> None:
    file = tmp_path / "reply.md"
    file.write_text(DIFF)
    result = apply(repo, "--check", "--show", str(file))
    assert result.exit_code == 0
    assert (repo / "m.py").read_text() == FILE
    (tmp_path / "clean.diff").write_text(result.stdout)
    git(repo, "apply", str(tmp_path / "clean.diff"))
    assert (repo / "m.py").read_text() == FILE.replace("return 2", "return 4")


def test_a_branch_gets_a_commit_and_the_work_tree_nothing(repo: Path) -> None:
    result = apply(repo, "--branch", "try", "-m", "m: four", "--json")
    told = json.loads(result.output)
    assert told["paths"] == ["m.py"]
    assert git(repo, "rev-parse", "try").strip() == told["commit"]
    assert git(repo, "show", "try:m.py") == FILE.replace("return 2", "return 4")
    assert git(repo, "status", "--porcelain") == ""
    again = apply(
        repo, "--branch", "try", stdin=DIFF.replace("return 2", "return 4").replace("+  return 4", "+  return 5")
    )
    assert again.exit_code == 0
    assert git(repo, "rev-list", "--count", "main..try").strip() == "2"


def test_a_refusal_names_file_and_line_and_changes_nothing(repo: Path) -> None:
    result = apply(repo, stdin=STALE)
    assert result.exit_code == 5
    assert "error: m.py: hunk 1 removes" in result.output
    assert "line 4 of the diff" in result.output
    told = json.loads(apply(repo, "--json", stdin=STALE).output)
    assert (told["applied"], told["kind"], told["path"], told["line"]) == (False, "not found", "m.py", 4)
    assert git(repo, "status", "--porcelain") == ""
    assert git(repo, "branch", "--list", "none") == ""
    assert apply(repo, "--branch", "none", stdin=STALE).exit_code == 5
    assert git(repo, "branch", "--list", "none") == ""


def test_a_refusal_for_two_good_places_shows_both(repo: Path) -> None:
    (repo / "m.py").write_text(FILE + FILE.replace("def f", "def g"))
    result = apply(repo, stdin="--- a/m.py\n+++ b/m.py\n@@\n     if a:\n-        return 1\n+        return 3\n")
    assert result.exit_code == 5
    assert (
        'fits at line 2 ("if a:", 1 below "def f(a):") and at line 6 ("if a:", 1 below "def g(a):")'
        in result.output
    )
    assert (repo / "m.py").read_text() == FILE + FILE.replace("def f", "def g")


@pytest.mark.parametrize("path", ["link", "M.py", "m.py/x", "../m.py", ".git/x"])
def test_paths_that_the_tree_forbids_are_refused(repo: Path, path: str) -> None:
    new = f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
    result = apply(repo, stdin=new)
    assert result.exit_code == 5
    assert git(repo, "status", "--porcelain") == ""


def test_only_named_files_may_be_changed(repo: Path) -> None:
    assert apply(repo, "--only", "other.py").exit_code == 5
    assert apply(repo, "--only", "m.py").exit_code == 0


def test_what_cannot_be_is_said_in_one_line(repo: Path, tmp_path: Path) -> None:
    assert apply(repo, "--check", "--branch", "x").exit_code == 2
    assert apply(repo, str(tmp_path / "none.diff")).exit_code == 2
    assert apply(tmp_path / "none").exit_code == 3
    assert apply(tmp_path).exit_code == 3
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(repo), str(bare))
    assert apply(bare).exit_code == 3
    assert apply(bare, "--branch", "try").exit_code == 0
    mode = "diff --git a/m.py b/m.py\nold mode 100644\nnew mode 100755\n"
    assert apply(repo, "--branch", "x", stdin=mode).exit_code == 0
    assert git(repo, "ls-tree", "x", "m.py").startswith("100755 ")
    made = "diff --git a/n.sh b/n.sh\nnew file mode 100755\n--- /dev/null\n+++ b/n.sh\n@@ -0,0 +1 @@\n+true\n"
    assert apply(repo, "--branch", "x", stdin=made).exit_code == 0
    assert git(repo, "ls-tree", "x", "n.sh").startswith("100755 ")
    back = "diff --git a/m.py b/m.py\nold mode 100755\nnew mode 100644\n"
    assert apply(repo, "--branch", "x", stdin=back).exit_code == 0
    assert git(repo, "ls-tree", "x", "m.py").startswith("100644 ")
    moved = "diff --git a/n.sh b/k.sh\nsimilarity index 100%\nrename from n.sh\nrename to k.sh\n"
    assert apply(repo, "--branch", "x", stdin=moved).exit_code == 0
    assert git(repo, "ls-tree", "x", "k.sh").startswith("100755 ")
    assert git(repo, "ls-tree", "main", "m.py").startswith("100644 ")
    assert apply(repo, stdin=mode).exit_code == 0
    assert os.access(repo / "m.py", os.X_OK)
