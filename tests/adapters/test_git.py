"""Reading a repository."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import ObjectType

from gitagent.adapters.git import GitRepository
from gitagent.errors import RepositoryError

Git = Callable[..., str]


def files_below(root: Path) -> dict[bytes, bytes]:
    found = {}
    for folder, below, names in os.walk(os.fsencode(root)):
        links = [name for name in below if os.path.islink(os.path.join(folder, name))]
        for name in names + links:
            path = os.path.join(folder, name)
            data = os.readlink(path) if os.path.islink(path) else Path(os.fsdecode(path)).read_bytes()
            found[os.path.relpath(path, os.fsencode(root))] = data
    return found


def test_head_tells_the_branch_and_commit_and_no_branch_when_detached(repo: Path, git: Git) -> None:
    oid = git(repo, "rev-parse", "HEAD")
    head = GitRepository(str(repo)).head()
    assert (head.branch, head.oid) == ("main", oid)
    git(repo, "checkout", "--quiet", "--detach", "HEAD~1")
    assert GitRepository(str(repo)).head().branch is None


def test_a_repository_without_a_commit_is_refused_by_name(tmp_path: Path, git: Git) -> None:
    git(tmp_path, "init", "--quiet")
    repository = GitRepository(str(tmp_path))
    with pytest.raises(RepositoryError, match="has no commit yet") as caught:
        repository.head()
    assert "git commit" in caught.value.hint
    with pytest.raises(RepositoryError, match="names no commit"):
        repository.resolve("HEAD")
    assert not repository.is_dirty()


def test_it_is_found_from_below_when_linked_and_when_bare(repo: Path, git: Git, tmp_path: Path) -> None:
    oid = git(repo, "rev-parse", "HEAD")
    git(repo, "worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "other")
    git(repo, "clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    assert GitRepository(str(repo / "pkg" / "deep")).head().oid == oid
    linked = GitRepository(str(tmp_path / "linked"))
    assert linked.head().branch == "other"
    assert linked.common_directory == str(repo / ".git")
    bare = GitRepository(str(tmp_path / "bare.git"))
    assert bare.head().oid == oid
    assert not bare.is_dirty()


def test_what_git_exports_to_a_hook_does_not_lead_elsewhere(repo: Path, git: Git, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    code = "from gitagent.adapters.git import GitRepository as R; print(R('.').head().oid, R('.').is_dirty())"
    hook = repo / ".git" / "hooks" / "post-commit"
    hook.write_text(f'#!/bin/sh\nexec {os.sys.executable} -c "{code}" >&2\n')
    hook.chmod(0o755)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["git", "commit", "--allow-empty", "-m", "x"], cwd=repo, env=environment, capture_output=True, text=True
    )
    assert f"{git(repo, 'rev-parse', 'HEAD')} False" in done.stderr
    foreign = environment | {"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other)}
    said = subprocess.run([os.sys.executable, "-c", code], cwd=repo, env=foreign, capture_output=True, text=True)
    assert git(repo, "rev-parse", "HEAD") in said.stdout


def test_a_place_that_is_no_repository_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=f"{tmp_path} is in no git repository") as caught:
        GitRepository(str(tmp_path))
    assert "git init" in caught.value.hint
    with pytest.raises(RepositoryError, match="is no directory"):
        GitRepository(str(tmp_path / "missing"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to somebody else")
def test_somebody_elses_repository_is_refused_until_git_is_told_it_is_safe(repo: Path, git: Git) -> None:
    for place in [repo, *repo.rglob("*")]:
        os.chown(place, 65534, 65534, follow_symlinks=False)
    with pytest.raises(RepositoryError, match="belongs to another user") as caught:
        GitRepository(str(repo))
    command = caught.value.hint
    assert command == f"git config --global --add safe.directory '{repo}'"
    subprocess.run(command, shell=True, check=True)
    assert GitRepository(str(repo)).head().branch == "main"


def test_a_sha256_repository_is_refused_by_name(tmp_path: Path, git: Git) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256")
    with pytest.raises(RepositoryError, match="SHA-256"):
        GitRepository(str(tmp_path))


def test_an_extension_that_libgit2_does_not_know_is_refused_in_one_line(repo: Path, git: Git) -> None:
    git(repo, "config", "core.repositoryFormatVersion", "1")
    git(repo, "config", "extensions.fancy", "true")
    with pytest.raises(RepositoryError, match=r"cannot be opened: .*fancy"):
        GitRepository(str(repo))


def test_revisions_are_read_as_git_reads_them(repo: Path, git: Git) -> None:
    git(repo, "tag", "-a", "v1", "-m", "one", "HEAD~1")
    repository = GitRepository(str(repo))
    for rev in ["HEAD", "main", "v1", "HEAD~1", "@", ":/greet", git(repo, "rev-parse", "--short", "HEAD")]:
        assert repository.resolve(rev) == git(repo, "rev-parse", f"{rev}^{{commit}}" if rev == "v1" else rev)


@pytest.mark.parametrize("rev", ["nope", "", "HEAD~9", "main..HEAD", "a\0b", "\udc80", "deadbeef" * 5, "--all"])
def test_a_revision_that_names_no_commit_is_refused(repo: Path, rev: str) -> None:
    with pytest.raises(RepositoryError, match="names no commit") as caught:
        GitRepository(str(repo)).resolve(rev)
    assert caught.value.hint


def test_a_revision_that_is_no_commit_or_ambiguous_is_refused(repo: Path, git: Git) -> None:
    with pytest.raises(RepositoryError, match="is a tree, not a commit"):
        GitRepository(str(repo)).resolve("HEAD^{tree}")
    store = pygit2.Repository(str(repo))
    seen: set[str] = set()
    short = ""
    while not short:
        oid = str(store.create_blob(f"blob {len(seen)}".encode()))
        short = oid[:4] if oid[:4] in seen else ""
        seen.add(oid[:4])
    with pytest.raises(RepositoryError, match="short for more than one"):
        GitRepository(str(repo)).resolve(short)


def test_a_commit_gives_its_tree_message_and_author(repo: Path, git: Git) -> None:
    repository = GitRepository(str(repo))
    oid = repository.head().oid
    assert repository.tree(oid) == git(repo, "rev-parse", "HEAD^{tree}")
    assert repository.message(oid) == "pkg: add sums\n\nWith a body.\n"
    assert repository.author(oid) == "Ada Tester <ada@example.org>"
    with pytest.raises(RepositoryError, match="is no commit"):
        repository.message(repository.tree(oid))


def test_a_message_in_another_encoding_is_read_and_a_false_one_kept(repo: Path, git: Git) -> None:
    git(repo, "-c", "i18n.commitEncoding=latin-1", "commit", "--allow-empty", "-qm", "caf\udce9")
    assert GitRepository(str(repo)).message(git(repo, "rev-parse", "HEAD")) == "café\n"
    git(repo, "-c", "i18n.commitEncoding=nonsense", "commit", "--allow-empty", "-qm", "caf\udce9")
    assert GitRepository(str(repo)).message(git(repo, "rev-parse", "HEAD")) == "caf\udce9\n"


def odd_files(repo: Path, git: Git) -> None:
    """Links, a submodule, an executable, CRLF with attributes, and names and texts that are no UTF-8."""
    inner = repo.parent / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet")
    (inner / "x").write_text("x")
    git(inner, "add", ".")
    git(inner, "commit", "--quiet", "-m", "x")
    git(repo, "submodule", "--quiet", "add", str(inner), "sub")
    (repo / "link").symlink_to("greet.py")
    (repo / "out").symlink_to("/etc")
    (repo / ".gitattributes").write_text("*.txt text eol=crlf\n*.id ident\n")
    (repo / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    (repo / "raw.bin").write_bytes(b"\xff\r\n\x00\xfe")
    (repo / "v.id").write_text("$Id$\n")
    (repo / "latin.py").write_bytes(b"# caf\xe9\r\nx = 1\n")
    with open(os.fsencode(repo) + b"/caf\xe9.py", "wb") as file:
        file.write(b"y = 2\n")
    (repo / "pkg.py").write_text("sorts before pkg/ in git\n")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "odd files")


def test_entries_are_every_file_in_gits_order(repo: Path, git: Git) -> None:
    odd_files(repo, git)
    repository = GitRepository(str(repo))
    listed = git(repo, "ls-tree", "-r", "-z", "--full-tree", "HEAD").split("\0")[:-1]
    wanted = []
    for line in listed:
        what, path = line.split("\t")
        mode, _, oid = what.split(" ")
        wanted.append((path, oid, int(mode, 8)))
    head = repository.head().oid
    assert [(entry.path, entry.oid, entry.mode) for entry in repository.entries(head)] == wanted
    assert repository.entries(head) is repository.entries(head)
    assert {entry.mode for entry in repository.entries(head)} == {0o100644, 0o100755, 0o120000, 0o160000}
    (repo / "pkg" / "new.py").write_text("new\n")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "new")
    assert "pkg/new.py" in {entry.path for entry in repository.entries(repository.head().oid)}
    assert "pkg/new.py" not in {entry.path for entry in repository.entries(head)}


def test_checkout_writes_the_bytes_as_stored(repo: Path, git: Git, tmp_path: Path) -> None:
    odd_files(repo, git)
    repository = GitRepository(str(repo))
    out = tmp_path / "out"
    out.mkdir()
    repository.checkout(repository.head().oid, str(out))
    entries = {e.path: e for e in repository.entries(repository.head().oid)}
    stored = {
        path.encode("utf-8", "surrogateescape"): repository.read(entry.oid)
        for path, entry in entries.items()
        if entry.mode != 0o160000
    }
    assert files_below(out) == stored
    assert stored[b"a.txt"] == b"one\ntwo\n"
    assert list((out / "sub").iterdir()) == []
    assert os.readlink(out / "out") == "/etc"
    assert (out / "run.sh").stat().st_mode & 0o111
    assert not (out / "greet.py").stat().st_mode & 0o111


def test_checkout_goes_into_an_empty_directory_outside_the_repository_only(repo: Path, tmp_path: Path) -> None:
    repository = GitRepository(str(repo))
    oid = repository.head().oid
    (repo / "inside").mkdir()
    with pytest.raises(RepositoryError, match="lies inside the repository"):
        repository.checkout(oid, str(repo / "inside"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    with pytest.raises(RepositoryError, match="is not empty"):
        repository.checkout(oid, str(tmp_path / "full"))
    with pytest.raises(RepositoryError, match="cannot be written to"):
        repository.checkout(oid, str(tmp_path / "missing"))
    assert (tmp_path / "full" / "x").read_text() == "mine"


def raw_tree(repo: Path, *entries: tuple[str, bytes, str]) -> str:
    data = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
    return str(pygit2.Repository(str(repo)).write(ObjectType.TREE, data))


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"a/b", b"git~1", b".g\xe2\x80\x8cit"])
def test_a_hostile_name_in_a_tree_is_refused(repo: Path, git: Git, tmp_path: Path, name: bytes) -> None:
    blob = git(repo, "rev-parse", "HEAD:greet.py")
    commit = git(repo, "commit-tree", raw_tree(repo, ("100644", name, blob)), "-m", "x")
    (tmp_path / "out").mkdir()
    repository = GitRepository(str(repo))
    with pytest.raises(RepositoryError, match="refused"):
        repository.checkout(commit, str(tmp_path / "out"))
    with pytest.raises(RepositoryError, match="refused"):
        repository.entries(commit)
    assert files_below(tmp_path / "out") == {}


def test_a_link_and_a_directory_of_one_name_lead_no_file_outside(repo: Path, git: Git, tmp_path: Path) -> None:
    blob = git(repo, "rev-parse", "HEAD:greet.py")
    target = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], cwd=repo, input=str(tmp_path), capture_output=True, text=True
    ).stdout[:40]
    below = raw_tree(repo, ("100644", b"escaped", blob))
    tree = raw_tree(repo, ("120000", b"a", target), ("40000", b"a", below))
    commit = git(repo, "commit-tree", tree, "-m", "x")
    (tmp_path / "out").mkdir()
    with pytest.raises(RepositoryError, match="two entries of one name"):
        GitRepository(str(repo)).checkout(commit, str(tmp_path / "out"))
    assert not (tmp_path / "escaped").exists()


def test_a_tree_without_end_is_refused(repo: Path, git: Git, tmp_path: Path) -> None:
    tree = git(repo, "rev-parse", "HEAD:pkg/deep")
    for _ in range(210):
        tree = raw_tree(repo, ("40000", b"d", tree))
    commit = git(repo, "commit-tree", tree, "-m", "x")
    (tmp_path / "out").mkdir()
    with pytest.raises(RepositoryError, match="directories deep"):
        GitRepository(str(repo)).entries(commit)
    with pytest.raises(RepositoryError, match="directories deep"):
        GitRepository(str(repo)).checkout(commit, str(tmp_path / "out"))
    shutil.rmtree(tmp_path / "out")


def test_a_damaged_tree_is_refused(repo: Path, git: Git) -> None:
    done = subprocess.run(
        ["git", "hash-object", "-t", "tree", "--literally", "-w", "--stdin"],
        cwd=repo,
        input=b"100644 cut off\0abc",
        capture_output=True,
        check=True,
    )
    commit = git(repo, "commit-tree", done.stdout.decode()[:40], "-m", "x", check=False)
    commit = (
        commit
        or subprocess.run(
            ["git", "hash-object", "-t", "commit", "--literally", "-w", "--stdin"],
            cwd=repo,
            input=b"tree " + done.stdout[:40] + b"\nauthor a <b> 1 +0000\ncommitter a <b> 1 +0000\n\nx\n",
            capture_output=True,
            check=True,
        ).stdout.decode()[:40]
    )
    with pytest.raises(RepositoryError, match="damaged"):
        GitRepository(str(repo)).entries(commit)


def test_a_shallow_clone_works_and_what_it_lacks_is_refused_by_name(repo: Path, git: Git, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{repo}", "shallow")
    repository = GitRepository(str(tmp_path / "shallow"))
    (tmp_path / "out").mkdir()
    repository.checkout(repository.head().oid, str(tmp_path / "out"))
    assert (tmp_path / "out" / "greet.py").read_bytes() == (repo / "greet.py").read_bytes()
    with pytest.raises(RepositoryError, match="in this shallow clone") as caught:
        repository.resolve("HEAD~1")
    assert caught.value.hint == "git fetch --unshallow"


def test_a_partial_clone_names_what_it_lacks_and_the_hint_mends_it(repo: Path, git: Git, tmp_path: Path) -> None:
    git(repo, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", "--no-checkout", "--filter=blob:none", f"file://{repo}", "partial")
    git(tmp_path / "partial", "config", "extensions.partialClone", "origin")
    repository = GitRepository(str(tmp_path / "partial"))
    blob = repository.entries(repository.head().oid)[0].oid
    with pytest.raises(RepositoryError, match=f"{blob} is not in this repository") as caught:
        repository.read(blob)
    git(tmp_path / "partial", *caught.value.hint.split()[1:])
    assert GitRepository(str(tmp_path / "partial")).read(blob)


def test_a_missing_or_wrong_object_is_refused(repo: Path, git: Git) -> None:
    repository = GitRepository(str(repo))
    for oid in ["0" * 39 + "1", "xyz"]:
        with pytest.raises(RepositoryError, match="is not in this repository"):
            repository.read(oid)
    with pytest.raises(RepositoryError, match="is no blob"):
        repository.read(repository.head().oid)


def test_dirty_is_whatever_differs_from_head(repo: Path, git: Git) -> None:
    repository = GitRepository(str(repo))
    assert not repository.is_dirty()
    (repo / ".gitignore").write_text("*.log\n")
    assert repository.is_dirty()
    git(repo, "add", ".")
    assert repository.is_dirty()
    git(repo, "commit", "--quiet", "-m", "ignore logs")
    (repo / "x.log").write_text("noise")
    assert not repository.is_dirty()
    (repo / "greet.py").write_text("changed\n")
    assert repository.is_dirty()
    git(repo, "checkout", "--quiet", "greet.py")
    (repo / "run.sh").unlink()
    assert repository.is_dirty()


def test_an_index_that_libgit2_cannot_read_is_compared_by_git(repo: Path, git: Git) -> None:
    git(repo, "update-index", "--split-index")
    assert not GitRepository(str(repo)).is_dirty()
    (repo / "greet.py").write_text("changed\n")
    git(repo, "update-index", "--split-index", "greet.py")
    assert GitRepository(str(repo)).is_dirty()
    (repo / ".git" / "index").write_bytes(b"nonsense")
    with pytest.raises(RepositoryError, match="cannot be compared"):
        GitRepository(str(repo)).is_dirty()


def test_a_diff_is_what_the_tip_changed_since_it_left(repo: Path, git: Git) -> None:
    git(repo, "switch", "--quiet", "-c", "side", "HEAD~1")
    (repo / "greet.py").write_bytes(b"# caf\xe9\n")
    git(repo, "commit", "--quiet", "-am", "side")
    diff = GitRepository(str(repo)).diff(git(repo, "rev-parse", "main"), git(repo, "rev-parse", "side"))
    assert b"+# caf\xe9\n" in diff
    assert b"sums.py" not in diff
    with pytest.raises(RepositoryError, match="cannot be compared"):
        GitRepository(str(repo)).diff("0" * 40, "1" * 40)


def test_a_remotes_address_is_known(repo: Path, git: Git) -> None:
    assert GitRepository(str(repo)).remote_url() == ""
    git(repo, "remote", "add", "origin", "git@github.com:a/b.git")
    assert GitRepository(str(repo)).remote_url() == "git@github.com:a/b.git"
