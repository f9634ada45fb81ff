"""Branches and commits in the object database, with everything of the user's left as it was."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitagent.adapters.git import GitBranches, GitRepository, GitScratch, clean_message
from gitagent.errors import DiffError, RepositoryError

Git = Callable[..., str]
Untouched = Callable[[Path], str]
BRANCH = "gitagent/1-fix"
FIXED = "def add(a, b):\n    return a + b\n"


def scratch_of(root: Path, branch: str = BRANCH) -> GitScratch:
    repository = GitRepository(str(root))
    return GitBranches(repository).create(branch, repository.head().oid)


def assert_sound(git: Git, root: Path) -> None:
    command = ["git", "-C", str(root), "fsck", "--strict", "--no-dangling"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "error" not in said.stderr + said.stdout
    assert "warning" not in said.stderr + said.stdout


def as_it_is(root: Path, git: Git) -> Path:
    return root


def with_local_changes(root: Path, git: Git) -> Path:
    (root / "greet.py").write_text("changed\n")
    return root


def with_staged_changes(root: Path, git: Git) -> Path:
    (root / "greet.py").write_text("staged\n")
    git(root, "add", ".")
    (root / "greet.py").write_text("and changed\n")
    git(root, "rm", "--quiet", "--cached", "run.sh")
    return root


def with_untracked_files(root: Path, git: Git) -> Path:
    (root / "notes.txt").write_text("mine\n")
    (root / "pkg" / "deep" / "new.py").write_text("mine too\n")
    return root


def with_a_stash_hooks_and_packed_refs(root: Path, git: Git) -> Path:
    (root / "greet.py").write_text("stashed\n")
    git(root, "stash", "--quiet")
    for name in ["post-commit", "commit-msg", "reference-transaction", "post-index-change", "pre-commit"]:
        hook = root / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\necho ran >> '{root}/hook-ran'\nexit 1\n")
        hook.chmod(0o755)
    git(root, "config", "core.hooksPath", str(root / ".git" / "hooks"))
    git(root, "config", "commit.gpgSign", "true")
    git(root, "config", "gpg.program", "false")
    (root / ".git" / "hooks" / "reference-transaction").unlink()
    git(root, "pack-refs", "--all")
    return root


def with_a_detached_head(root: Path, git: Git) -> Path:
    git(root, "checkout", "--quiet", "--detach")
    return root


def from_a_linked_work_tree(root: Path, git: Git) -> Path:
    git(root, "worktree", "add", "--quiet", str(root.parent / "linked"), "-b", "other")
    (root.parent / "linked" / "greet.py").write_text("changed there\n")
    return root.parent / "linked"


def in_a_bare_repository(root: Path, git: Git) -> Path:
    git(root, "clone", "--quiet", "--bare", ".", str(root.parent / "bare.git"))
    return root.parent / "bare.git"


def in_a_shallow_clone(root: Path, git: Git) -> Path:
    git(root.parent, "clone", "--quiet", "--depth", "1", f"file://{root}", "shallow")
    return root.parent / "shallow"


@pytest.mark.parametrize(
    "prepared",
    [
        as_it_is,
        with_local_changes,
        with_staged_changes,
        with_untracked_files,
        with_a_stash_hooks_and_packed_refs,
        with_a_detached_head,
        from_a_linked_work_tree,
        in_a_bare_repository,
        in_a_shallow_clone,
    ],
)
def test_a_commit_lands_on_the_scratch_branch_and_nowhere_else(
    repo: Path, git: Git, untouched: Untouched, prepared: Callable[[Path, Git], Path]
) -> None:
    place = prepared(repo, git)
    before = untouched(repo.parent)
    repository = GitRepository(str(place))
    base = repository.head().oid
    repository.is_dirty()
    commit = GitBranches(repository).create(BRANCH, base).commit({"pkg/deep/sums.py": FIXED}, "sums: add")
    assert untouched(repo.parent) == before
    assert git(place, "show", f"{BRANCH}:pkg/deep/sums.py") + "\n" == FIXED
    assert git(place, "rev-parse", BRANCH, f"{BRANCH}^") == f"{commit.oid}\n{base}"
    assert git(place, "rev-parse", f"{BRANCH}^{{tree}}") == commit.tree
    assert git(place, "diff", "--name-only", base, BRANCH) == "pkg/deep/sums.py"
    GitBranches(repository).drop(BRANCH, commit.oid)
    assert untouched(repo.parent) == before
    assert_sound(git, place)


def test_a_commit_is_the_bots_committed_by_the_user(repo: Path, git: Git, home: Path) -> None:
    scratch = scratch_of(repo)
    scratch.commit({"a.py": "a\n"}, "one")
    line = "%an <%ae> by %cn <%ce>: %s"
    assert git(repo, "log", "-1", f"--format={line}", BRANCH) == (
        "gitagent <gitagent@localhost> by Ada Tester <ada@example.org>: one"
    )
    (home / ".gitconfig").write_text("")
    scratch_of(repo, "gitagent/2").commit({"a.py": "a\n"}, "one")
    assert git(repo, "log", "-1", "--format=%cn <%ce>", "gitagent/2") == "gitagent <gitagent@localhost>"


def test_a_name_that_git_does_not_take_is_no_reason_to_fail(repo: Path, git: Git) -> None:
    git(repo, "config", "user.name", "<>")
    scratch_of(repo).commit({"a.py": "a\n"}, "one")
    assert git(repo, "log", "-1", "--format=%cn", BRANCH) == "gitagent"


def test_the_environment_names_the_committer_first(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Runner")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "runner@example.org")
    scratch_of(repo).commit({"a.py": "a\n"}, "one")
    assert git(repo, "log", "-1", "--format=%cn <%ce>", BRANCH) == "Runner <runner@example.org>"


def test_commits_follow_each_other_and_tree_of_tells_what_the_next_records(repo: Path, git: Git) -> None:
    scratch = scratch_of(repo)
    first = scratch.commit({"a.py": "a\n"}, "one")
    expected = scratch.tree_of({"b/c.py": "c\n"})
    assert git(repo, "rev-parse", BRANCH) == first.oid
    second = scratch.commit({"b/c.py": "c\n"}, "two\n\nTask: 2\n")
    assert second.tree == expected
    assert git(repo, "log", "--format=%s", "-3", BRANCH) == "two\none\npkg: add sums"
    assert git(repo, "log", "-1", "--format=%(trailers:key=Task,valueonly)", BRANCH).strip() == "2"
    assert_sound(git, repo)


def test_modes_links_and_submodules_are_kept(repo: Path, git: Git) -> None:
    (repo / "link").symlink_to("greet.py")
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{git(repo, 'rev-parse', 'HEAD')},sub")
    git(repo, "add", "link")
    git(repo, "commit", "--quiet", "-m", "link and sub")
    scratch_of(repo).commit({"run.sh": "#!/bin/sh\necho more\n", "new.py": "n\n"}, "one")
    raw = git(repo, "diff", "--raw", "--abbrev=4", "main", BRANCH).split("\n")
    assert [line[1:14] + line[-8:] for line in raw] == ["000000 100644A\tnew.py", "100755 100755M\trun.sh"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("link", "symbolic link"),
        ("way/x.py", "symbolic link"),
        ("sub", "submodule"),
        ("sub/x.py", "submodule"),
        ("pkg", "is a directory"),
        ("greet.py/x.py", "which is a file"),
        ("Greet.py", "differs only in case from greet.py"),
        ("PKG/x.py", "differs only in case from pkg"),
        ("pkg/deep/Sums.py", "differs only in case"),
        ("../x.py", "leaves the repository"),
        ("/x.py", "absolute"),
        (".git/config", "git's own"),
        ("pkg/.GIT/hooks/x", "git's own"),
        ("GIT~1", "git's own"),
    ],
)
def test_a_path_that_may_not_be_written_is_refused_by_name(
    repo: Path, git: Git, untouched: Untouched, path: str, why: str
) -> None:
    (repo / "link").symlink_to("greet.py")
    (repo / "way").symlink_to("pkg")
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{git(repo, 'rev-parse', 'HEAD')},sub")
    git(repo, "add", "link", "way")
    git(repo, "commit", "--quiet", "-m", "link and sub")
    before = untouched(repo)
    scratch = scratch_of(repo)
    with pytest.raises(DiffError, match=why) as caught:
        scratch.commit({"fine.py": "fine\n", path: "text\n"}, "one")
    assert str(caught.value).startswith(path)
    assert git(repo, "rev-parse", BRANCH) == git(repo, "rev-parse", "main")
    assert untouched(repo) == before


def test_two_new_files_that_differ_only_in_case_are_refused(repo: Path) -> None:
    with pytest.raises(DiffError, match=r"New\.py: differs only in case from new\.py"):
        scratch_of(repo).commit({"new.py": "a\n", "New.py": "b\n"}, "one")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nope.py", "no such file"),
        ("pkg", "no such file"),
        ("greet.py/x", "no such file"),
        ("no/such.py", "no such file"),
        ("sub", "submodule"),
    ],
)
def test_only_a_file_that_is_there_can_be_deleted(repo: Path, git: Git, path: str, why: str) -> None:
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{git(repo, 'rev-parse', 'HEAD')},sub")
    git(repo, "commit", "--quiet", "-m", "sub")
    with pytest.raises(DiffError, match=f"{path}: .*{why}"):
        scratch_of(repo).commit({path: None}, "one")


def test_a_deleted_file_takes_its_empty_directories_along(repo: Path, git: Git) -> None:
    scratch = scratch_of(repo)
    scratch.commit({"pkg/deep/sums.py": None}, "one")
    assert git(repo, "ls-tree", "-r", "-t", "--name-only", BRANCH) == "greet.py\npkg\npkg/__init__.py\nrun.sh"
    scratch.commit({"pkg/__init__.py": None, "greet.py": None, "run.sh": None}, "two")
    assert git(repo, "ls-tree", "-r", "-t", "--name-only", BRANCH) == ""
    assert_sound(git, repo)


def test_a_file_gives_way_to_a_directory_and_back_when_deleted_in_the_same_commit(repo: Path, git: Git) -> None:
    scratch = scratch_of(repo)
    scratch.commit({"greet.py": None, "greet.py/part.py": "x\n", "Run.sh": "x\n", "run.sh": None}, "one")
    assert "greet.py/part.py\npkg/__init__.py" in git(repo, "ls-tree", "-r", "--name-only", BRANCH)
    scratch.commit({"pkg": "now a file\n", "pkg/__init__.py": None, "pkg/deep/sums.py": None}, "two")
    assert git(repo, "ls-tree", "-r", "--name-only", BRANCH) == "Run.sh\ngreet.py/part.py\npkg"
    assert_sound(git, repo)


def test_directories_sort_as_git_sorts_them(repo: Path, git: Git) -> None:
    files = {f"{name}": "x\n" for name in ["pkg-a", "pkg.py", "pkg0", "a/b", "a-b", "a.b", "a0"]}
    scratch_of(repo).commit(dict(files), "one")
    assert_sound(git, repo)


def test_texts_and_paths_that_are_no_utf8_round_trip(repo: Path, git: Git) -> None:
    (repo / ".gitattributes").write_text("* text eol=crlf\n")
    data = bytes(range(256)) + b"\r\n\n\r"
    text = data.decode("utf-8", "surrogateescape")
    scratch_of(repo).commit({"caf\udce9/\udcff.py": text, "ü.txt": "a\r\nb\n"}, "one")
    repository = GitRepository(str(repo))
    entries = {entry.path: entry.oid for entry in repository.entries(repository.resolve(BRANCH))}
    assert repository.read(entries["caf\udce9/\udcff.py"]) == data
    assert repository.read(entries["ü.txt"]) == b"a\r\nb\n"
    assert_sound(git, repo)


def test_a_text_that_no_bytes_stand_for_is_refused_by_name(repo: Path) -> None:
    with pytest.raises(DiffError, match=r"a\.py: its text"):
        scratch_of(repo).commit({"a.py": "\ud800"}, "one")


def test_a_commit_that_changes_nothing_is_refused(repo: Path) -> None:
    scratch = scratch_of(repo)
    with pytest.raises(DiffError, match=r"greet\.py: nothing would change"):
        scratch.commit({"greet.py": (repo / "greet.py").read_text()}, "one")
    with pytest.raises(DiffError, match="nothing would change"):
        scratch.commit({}, "one")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "a/b", "a/c", "b/c/d", "b/c/e", "a.x", "a-x", "b/c.y"]),
            st.sampled_from(["1\n", "2\n", None]),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_row_of_edits_ends_in_the_tree_that_git_would_write(
    tmp_path_factory: pytest.TempPathFactory, edits: list[dict[str, str | None]]
) -> None:
    root = tmp_path_factory.mktemp("any")
    git = pygit2.init_repository(str(root), bare=True)
    me = pygit2.Signature("a", "b")
    empty = git.TreeBuilder().write()
    oid = git.create_commit("refs/heads/main", me, me, "x", empty, [])
    git.set_head("refs/heads/main")
    scratch = GitBranches(GitRepository(str(root))).create("s", str(oid))
    known: dict[str, str] = {}
    for edit in edits:
        after = {path: text for path, text in (known | edit).items() if text is not None}
        try:
            commit = scratch.commit(edit, "edit")
        except DiffError:
            continue
        known = after
        index = pygit2.Index()
        for path, text in known.items():
            index.add(pygit2.IndexEntry(path, git.create_blob(text.encode()), pygit2.enums.FileMode.BLOB))
        assert str(index.write_tree(git)) == commit.tree


def test_a_branch_that_somebody_moved_is_not_written(repo: Path, git: Git) -> None:
    scratch = scratch_of(repo)
    git(repo, "branch", "--force", BRANCH, "HEAD~1")
    with pytest.raises(RepositoryError, match="was moved or deleted by someone else"):
        scratch.commit({"a.py": "a\n"}, "one")
    assert git(repo, "rev-parse", BRANCH) == git(repo, "rev-parse", "HEAD~1")
    git(repo, "branch", "-D", BRANCH)
    with pytest.raises(RepositoryError, match="was moved or deleted"):
        scratch.commit({"a.py": "a\n"}, "one")
    assert git(repo, "branch", "--list", BRANCH) == ""


COMMITTER = """
import sys
from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.errors import RepositoryError
repository = GitRepository(sys.argv[1])
made = refused = 0
while made < 12:
    try:
        GitBranches(repository).open(sys.argv[2]).commit({f"by/{sys.argv[3]}/{made}": "x\\n"}, "x")
        made += 1
    except RepositoryError as error:
        refused += 1
        assert "moved" in str(error) or "is there" in str(error) or "changed" in str(error), error
"""


def test_two_processes_on_one_branch_lose_no_commit(repo: Path, git: Git) -> None:
    scratch_of(repo)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    workers = [
        subprocess.Popen([sys.executable, "-c", COMMITTER, str(repo), BRANCH, name], env=environment)
        for name in ("one", "two")
    ]
    assert [worker.wait() for worker in workers] == [0, 0]
    assert git(repo, "rev-list", "--count", f"main..{BRANCH}") == "24"
    assert len(git(repo, "ls-tree", "-r", "--name-only", BRANCH, "by/").split("\n")) == 24


def test_a_branch_that_exists_is_refused_and_kept_when_started_anew(repo: Path, git: Git) -> None:
    repository = GitRepository(str(repo))
    branches = GitBranches(repository)
    old = branches.create(BRANCH, "HEAD").commit({"a.py": "a\n"}, "one").oid
    with pytest.raises(RepositoryError, match=f"branch {BRANCH} already exists") as caught:
        branches.create(BRANCH, "HEAD")
    assert "--again" in caught.value.hint
    assert git(repo, "rev-parse", BRANCH) == old
    newer = branches.create(BRANCH, "HEAD~1", again=True).commit({"b.py": "b\n"}, "two").oid
    branches.create(BRANCH, "HEAD", again=True)
    assert git(repo, "rev-parse", BRANCH) == git(repo, "rev-parse", "HEAD")
    assert git(repo, "rev-parse", f"refs/gitagent/replaced/{BRANCH}/1", f"refs/gitagent/replaced/{BRANCH}/2") == (
        f"{old}\n{newer}"
    )


@pytest.mark.parametrize("name", ["", "a..b", "-a", "a b", "HEAD", "a.lock", "a/", "/a", "@{", "\udc80", "a\0b"])
def test_a_name_that_git_does_not_take_for_a_branch_is_refused(repo: Path, name: str) -> None:
    with pytest.raises(RepositoryError, match="is no valid branch name"):
        GitBranches(GitRepository(str(repo))).create(name, "HEAD")


def test_a_branch_below_another_is_refused_by_name(repo: Path, git: Git) -> None:
    git(repo, "branch", "gitagent")
    with pytest.raises(RepositoryError, match=f"{BRANCH} cannot be made") as caught:
        GitBranches(GitRepository(str(repo))).create(BRANCH, "HEAD")
    assert "gitagent" in caught.value.hint
    with pytest.raises(RepositoryError, match="there is no branch"):
        GitBranches(GitRepository(str(repo))).open("nope")


@pytest.mark.parametrize("how", ["linked", "main", "rebase"])
def test_a_branch_that_is_checked_out_somewhere_is_never_moved(repo: Path, git: Git, how: str) -> None:
    scratch = scratch_of(repo)
    tip = scratch.commit({"greet.py": "one\n"}, "one").oid
    where = repo
    if how == "linked":
        where = repo.parent / "linked"
        git(repo, "worktree", "add", "--quiet", str(where), BRANCH)
    elif how == "main":
        git(repo, "switch", "--quiet", BRANCH)
    else:
        (repo / "greet.py").write_text("other\n")
        git(repo, "commit", "--quiet", "-am", "other")
        git(repo, "rebase", "main", BRANCH, check=False)
        assert git(repo, "status").startswith("interactive rebase in progress")
    branches = GitBranches(GitRepository(str(repo)))
    for attempt in (
        lambda: scratch.commit({"a.py": "a\n"}, "two"),
        lambda: branches.create(BRANCH, "HEAD~1", again=True),
        lambda: branches.drop(BRANCH, tip),
    ):
        with pytest.raises(RepositoryError, match=f"checked out in {where}"):
            attempt()
    assert git(repo, "rev-parse", f"refs/heads/{BRANCH}") == tip
    assert git(repo, "for-each-ref", "refs/gitagent") == ""


def test_a_work_tree_that_is_gone_holds_no_branch(repo: Path, git: Git) -> None:
    scratch = scratch_of(repo)
    git(repo, "worktree", "add", "--quiet", str(repo.parent / "linked"), BRANCH)
    (repo.parent / "linked").rename(repo.parent / "elsewhere")
    scratch.commit({"a.py": "a\n"}, "one")


def test_a_bare_repositorys_head_is_no_checkout(repo: Path, git: Git, tmp_path: Path) -> None:
    git(repo, "clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    scratch = scratch_of(tmp_path / "bare.git")
    git(tmp_path / "bare.git", "symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
    scratch.commit({"a.py": "a\n"}, "one")
    (tmp_path / "bare.git" / "config").write_text("")
    scratch.commit({"a.py": "b\n"}, "two")


def test_a_dropped_branch_is_gone_unless_it_moved(repo: Path, git: Git) -> None:
    scratch = scratch_of(repo)
    tip = scratch.commit({"a.py": "a\n"}, "one").oid
    branches = GitBranches(GitRepository(str(repo)))
    branches.drop(BRANCH, git(repo, "rev-parse", "main"))
    assert git(repo, "rev-parse", BRANCH) == tip
    branches.drop(BRANCH, tip)
    assert git(repo, "branch", "--list", BRANCH) == ""
    branches.drop(BRANCH, tip)


def test_a_stale_lock_is_named_and_nothing_is_changed(repo: Path, git: Git) -> None:
    scratch = scratch_of(repo)
    lock = repo / ".git" / "refs" / "heads" / f"{BRANCH}.lock"
    lock.write_text("")
    with pytest.raises(RepositoryError, match=f"{lock} is there") as caught:
        scratch.commit({"a.py": "a\n"}, "one")
    assert caught.value.hint.startswith(f"rm '{lock}'")
    branches = GitBranches(GitRepository(str(repo)))
    with pytest.raises(RepositoryError, match="is there"):
        branches.create(BRANCH, "HEAD~1", again=True)
    assert git(repo, "for-each-ref", "refs/gitagent") == ""
    with pytest.raises(RepositoryError, match="is there"):
        branches.drop(BRANCH, git(repo, "rev-parse", "main"))
    assert git(repo, "rev-parse", BRANCH) == git(repo, "rev-parse", "main")
    lock.unlink()
    scratch.commit({"a.py": "a\n"}, "one")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small or read-only file system")
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_disk_that_takes_no_more_is_one_error_and_nothing_is_half_written(
    repo: Path, git: Git, tmp_path: Path, how: str
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        git(repo, "clone", "--quiet", "--bare", ".", str(small / "r.git"))
        scratch = scratch_of(small / "r.git")
        if how == "full":
            with open(small / "filler", "wb", buffering=0) as filler:
                try:
                    while filler.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        why = "No space left on device" if how == "full" else "[Rr]ead-only file system"
        with pytest.raises(RepositoryError, match=f"{why}.*Nothing was changed") as caught:
            scratch.commit({"a.py": "a\n" * 20_000}, "one")
        assert "\n" not in str(caught.value)
        assert caught.value.hint
        with pytest.raises(RepositoryError):
            GitBranches(GitRepository(str(small / "r.git"))).create("gitagent/2", "HEAD")
        if how == "read-only":
            subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
        assert list(small.rglob("*.lock")) == []
        assert git(small / "r.git", "branch", "--format=%(refname:short)") == f"{BRANCH}\nmain"
        (small / "filler").unlink(missing_ok=True)
        assert_sound(git, small / "r.git")
        scratch.commit({"a.py": "a\n"}, "one")
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


def test_a_message_is_stored_whatever_it_holds(repo: Path, git: Git) -> None:
    scratch_of(repo).commit({"a.py": "a\n"}, "caf\udce9 \0 ü\n\n")
    assert git(repo, "log", "-1", "--format=%B", BRANCH).strip() == "caf\\udce9 \\0 ü"
    assert clean_message("x") == "x\n"
    assert_sound(git, repo)


def test_commits_of_a_run_that_was_cut_short_are_taken_as_they_are_and_not_made_again(
    repo: Path, git: Git
) -> None:
    branches, message = GitBranches(GitRepository(str(repo))), "one: change\n\nGitagent-Run: r1\n"
    scratch = branches.create("gitagent/1-x", "HEAD")
    first = scratch.commit({"one.txt": "1\n"}, message)
    second = scratch.commit({"two.txt": "2\n"}, message)
    again = branches.resume("gitagent/1-x", "HEAD", "r1")
    assert again.commit({"one.txt": "1\n"}, message) == first
    assert git(repo, "rev-parse", "gitagent/1-x") == second.oid
    other = again.commit({"two.txt": "other\n"}, message)  # what comes out otherwise takes the place of the rest
    assert git(repo, "rev-list", "main..gitagent/1-x").split() == [other.oid, first.oid]
    assert git(repo, "rev-parse", "refs/gitagent/replaced/gitagent/1-x/1") == second.oid  # and is not lost


def test_a_merge_that_was_made_is_taken_as_it_is_by_the_run_that_goes_on(repo: Path, git: Git) -> None:
    repository, message = GitRepository(str(repo)), "Merge main\n\nGitagent-Run: r1\n"
    branches = GitBranches(repository)
    ours = branches.create("gitagent/1-x", "HEAD").commit({"one.txt": "1\n", "both.txt": "a\n"}, "one").oid
    theirs = branches.create("gitagent/2-y", "HEAD").commit({"two.txt": "2\n", "both.txt": "b\n"}, "two").oid
    tree, conflicts = repository.joined(ours, theirs)
    assert conflicts == ("both.txt",)
    assert git(repo, "show", f"{tree}:both.txt") == "b" and git(repo, "show", f"{tree}:one.txt") == "1"
    joined = branches.resume("gitagent/1-x", ours, "r1").join(tree, theirs, message)
    assert git(repo, "log", "-1", "--format=%P", "gitagent/1-x").split() == [ours, theirs]
    again = branches.resume("gitagent/1-x", ours, "r1")
    assert again.join(tree, theirs, message) == joined
    assert repository.paths_of(ours) == {"one.txt", "both.txt"}
    assert_sound(git, repo)


def test_a_branch_with_commits_of_somebody_else_is_not_taken_up_again(repo: Path, git: Git) -> None:
    branches = GitBranches(GitRepository(str(repo)))
    branches.create("gitagent/1-x", "HEAD").commit({"one.txt": "1\n"}, "one\n\nGitagent-Run: r1\n")
    with pytest.raises(RepositoryError, match="commits that run r2 did not make"):
        branches.resume("gitagent/1-x", "HEAD", "r2")
    assert branches.resume("gitagent/2-y", "HEAD", "r2").branch == "gitagent/2-y"
