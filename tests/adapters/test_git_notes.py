"""Notes on commits, beside git's own and beside other processes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_notes import GitNotes
from gitagent.errors import RepositoryError

Git = Callable[..., str]
ROOT = Path(__file__).parents[2]


def test_a_note_is_written_where_git_shows_it_and_nothing_else_changes(
    repo: Path, git: Git, untouched: Callable[[Path], str]
) -> None:
    head, before = git(repo, "rev-parse", "HEAD"), untouched(repo)
    notes = GitNotes(GitRepository(str(repo)))
    assert notes.read(head) is None
    notes.write(head, "one\n")
    notes.write(head, "two\n")
    assert git(repo, "notes", "--ref", "gitagent", "show", head) == "two"
    assert notes.read(head) == "two\n" and notes.read("0" * 40) is None
    git(repo, "fsck", "--strict")
    assert untouched(repo) == before


def test_notes_of_others_stay_and_are_read_at_any_depth(repo: Path, git: Git) -> None:
    head, first = git(repo, "rev-parse", "HEAD"), git(repo, "rev-parse", "HEAD~1")
    git(repo, "notes", "--ref", "gitagent", "add", "-m", "by hand", first)
    blob = git(repo, "rev-parse", f"refs/notes/gitagent:{first}")
    deep = f"{first[:2]}/{first[2:4]}/{first[4:]}"
    tree = _spread(repo, {deep: blob})
    git(repo, "update-ref", "refs/notes/gitagent", _commit(git, repo, tree))
    notes = GitNotes(GitRepository(str(repo)))
    assert notes.read(first) == "by hand\n"
    notes.write(head, "ours\n")
    notes.write(first, "ours too\n")
    assert git(repo, "notes", "--ref", "gitagent", "show", first) == "ours too"
    assert git(repo, "notes", "--ref", "gitagent", "show", head) == "ours"
    assert len(git(repo, "ls-tree", "-r", "--name-only", "refs/notes/gitagent").split()) == 2


def test_a_new_note_goes_as_deep_as_gits_own_directories(repo: Path, git: Git) -> None:
    head = git(repo, "rev-parse", "HEAD")
    blob = subprocess.run(["git", "-C", str(repo), "hash-object", "-w", "--stdin"], input="x", text=True,
                          capture_output=True, check=True).stdout.strip()  # fmt: skip
    tree = _spread(repo, {f"{head[:2]}/{'0' * 38}": blob})
    git(repo, "update-ref", "refs/notes/gitagent", _commit(git, repo, tree))
    GitNotes(GitRepository(str(repo))).write(head, "ours\n")
    assert f"{head[:2]}/{head[2:]}" in git(repo, "ls-tree", "-r", "--name-only", "refs/notes/gitagent").split()


def test_a_directory_where_a_note_should_be_is_no_note(repo: Path, git: Git) -> None:
    head = git(repo, "rev-parse", "HEAD")
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    entry = f"40000 tree {tree}\t{head}\n"
    odd = subprocess.run(["git", "-C", str(repo), "mktree"], input=entry, text=True,
                         capture_output=True, check=True).stdout.strip()  # fmt: skip
    git(repo, "update-ref", "refs/notes/gitagent", _commit(git, repo, odd))
    assert GitNotes(GitRepository(str(repo))).read(head) is None


def test_several_processes_write_at_once_and_every_note_is_there(repo: Path, git: Git) -> None:
    script = (
        "import sys\nfrom gitagent.adapters.git import GitRepository\n"
        "from gitagent.adapters.git_notes import GitNotes\n"
        "notes = GitNotes(GitRepository(sys.argv[1]))\n"
        "sys.stdin.readline()\n"
        "for number in range(6):\n    notes.write(sys.argv[2] * 39 + str(number), sys.argv[2])\n"
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
    notes = GitNotes(GitRepository(str(repo)))
    for letter in "abc":
        assert [notes.read(letter * 39 + str(number)) for number in range(6)] == [letter] * 6
    git(repo, "fsck", "--strict")


def test_a_ref_that_stays_locked_is_an_error_that_names_it(repo: Path, git: Git) -> None:
    lock = repo / ".git/refs/notes/gitagent.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(RepositoryError, match=r"refs/notes/gitagent cannot be written: .*lock"):
        GitNotes(GitRepository(str(repo))).write(git(repo, "rev-parse", "HEAD"), "x")


def _spread(repo: Path, blobs: dict[str, str]) -> str:
    """The oid of a tree with these blobs at these paths."""
    index = repo / ".git/spread-index"
    entries = "".join(f"100644 {blob}\t{path}\n" for path, blob in blobs.items())
    environment = {"GIT_INDEX_FILE": str(index), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    command = ["git", "-C", str(repo), "update-index", "--add", "--index-info"]
    subprocess.run(command, input=entries, text=True, env=environment, check=True)
    written = subprocess.run(["git", "-C", str(repo), "write-tree"], env=environment, check=True, text=True,
                             capture_output=True)  # fmt: skip
    index.unlink()
    return written.stdout.strip()


def _commit(git: Git, repo: Path, tree: str) -> str:
    return git(repo, "commit-tree", "-m", "notes", tree)
