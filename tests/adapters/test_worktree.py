import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitagent.adapters.worktree import Worktree
from gitagent.errors import DiffError, RepositoryError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    (root / "src").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "src" / "a.py").write_bytes(b"a\r\n\xff\n")
    (root / "src" / "run.sh").write_text("run\n")
    (root / "src" / "run.sh").chmod(0o755)
    return root


@pytest.fixture
def worktree(root: Path) -> Worktree:
    return Worktree(root, root / ".git")


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_texts_are_written_to_the_byte_and_read_back(root: Path, worktree: Worktree) -> None:
    text = worktree.read("src/a.py")
    assert text == "a\r\n\udcff\n"
    worktree.write({"src/a.py": text + "b", "new/deep/c.py": "c\n", "src/run.sh": None})
    assert snapshot(root) == {"src/a.py": b"a\r\n\xff\nb", "new/deep/c.py": b"c\n"}
    assert worktree.read("src/none.py") is None
    assert worktree.read("src/a.py/below") is None


def test_modes_are_kept_or_changed_as_asked(root: Path, worktree: Worktree) -> None:
    worktree.write({"src/run.sh": "go\n", "src/a.py": "x\n"}, {"src/a.py": 0o100755})
    assert os.access(root / "src" / "run.sh", os.X_OK)
    assert os.access(root / "src" / "a.py", os.X_OK)
    worktree.write({"src/run.sh": "stay\n"}, {"src/run.sh": 0o100644})
    assert (root / "src" / "run.sh").stat().st_mode & 0o111 == 0


def test_directories_that_become_empty_go_away(root: Path, worktree: Worktree) -> None:
    worktree.write({"src/a.py": None, "src/run.sh": None})
    assert not (root / "src").exists()
    worktree.write({})


def test_nothing_is_written_if_one_file_cannot_be(root: Path, worktree: Worktree) -> None:
    before = snapshot(root)
    with pytest.raises(RepositoryError, match=r"src/a\.py.*Nothing was changed"):
        worktree.write({"fresh/x.py": "x\n", "src/a.py/y.py": "y\n"})
    assert snapshot(root) == before
    assert not (root / "fresh").exists()


def test_symlinks_and_hostile_paths_are_refused(root: Path, worktree: Worktree, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path)
    for path in ("out/x.py", "out"):
        with pytest.raises(RepositoryError, match="symlink"):
            worktree.write({path: "x\n"})
        with pytest.raises(RepositoryError, match="symlink"):
            worktree.read(path)
    with pytest.raises(DiffError):
        worktree.write({".git/config": "x"})
    with pytest.raises(RepositoryError, match="not a plain file"):
        worktree.read("src")
    assert not (tmp_path / "x.py").exists()


def test_a_writing_killed_half_way_is_finished_by_the_next(root: Path, worktree: Worktree) -> None:
    # The process dies after the first of two renames: os.replace kills it the third time (plan, a, b).
    script = """
import os, pathlib, signal, sys
from gitagent.adapters.worktree import Worktree
real, calls = os.replace, []
def dying(*args, **kwargs):
    calls.append(args)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
os.replace = dying
root = pathlib.Path(sys.argv[1])
Worktree(root, root / ".git").write({"src/a.py": "A\\n", "src/b.py": "B\\n"})
"""
    done = subprocess.run([sys.executable, "-c", script, str(root)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (root / "src" / "a.py").read_text() == "A\n"
    assert not (root / "src" / "b.py").exists()
    assert worktree.recover()
    assert snapshot(root) == {"src/a.py": b"A\n", "src/b.py": b"B\n", "src/run.sh": b"run\n"}
    assert not worktree.recover()


def test_an_unreadable_plan_is_named(root: Path, worktree: Worktree) -> None:
    plan = root / ".git" / "gitagent" / "worktree-plan.json"
    plan.parent.mkdir()
    plan.write_text("{")
    with pytest.raises(RepositoryError, match="unreadable plan"):
        worktree.write({"src/a.py": "x\n"})
    plan.write_text(json.dumps([["src/a.py", None]]))
    assert worktree.recover()
    assert not (root / "src" / "a.py").exists()
