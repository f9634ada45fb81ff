"""The repository, through pygit2: reading it, and committing on scratch branches in the object database.

libgit2 runs no hooks, signs nothing and applies no filters when objects are made, so our commits cannot wake our
own hook, and HEAD, index and working copy stay as they are.
"""

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pygit2
from pygit2.enums import FileStatus, ObjectType

from gitagent.adapters.git_checkout import DEEPEST, check_out
from gitagent.adapters.git_joining import joined, paths_of
from gitagent.adapters.git_objects import FOREIGN, TREE, edited_tree, read_object, read_tree, reason_of, refusals
from gitagent.adapters.git_worktrees import holder_of, run_git
from gitagent.errors import DiffError, RepositoryError
from gitagent.records import Commit, FileEntry, Head

BOT = ("gitagent", "gitagent@localhost")
MOST_FILES = 1_000_000
_CACHED_TREES = 20_000

# Partial clones of older gits name this extension. What a partial clone lacks is refused by name when it is
# read, so opening one is safe.
pygit2.settings.set_extensions([*pygit2.settings.extensions, "partialclone"])


class GitRepository:
    """The repository a directory lies in, found upward as git does it.

    The directory decides alone: a GIT_DIR that a hook was given does not lead elsewhere.
    """

    def __init__(self, path: str = ".") -> None:
        self.git = _open(path)
        self._last: tuple[str, tuple[FileEntry, ...]] = ("", ())
        self._below: dict[tuple[bytes, bytes], tuple[FileEntry, ...]] = {}

    @property
    def common_directory(self) -> str:
        """The git directory that all work trees share, without a slash at its end."""
        own = Path(self.git.path)
        pointer = own / "commondir"
        return os.path.realpath(own / pointer.read_text().strip() if pointer.is_file() else own)

    @property
    def directory(self) -> str:
        """The root of the working copy; a bare repository has none, then its git directory."""
        return str(self.git.workdir or self.git.path).rstrip("/")

    def has_branch(self, name: str) -> bool:
        """Whether there is a local branch of this short name."""
        with refusals(f"branch {name} cannot be read"):
            return f"refs/heads/{name}" in self.git.references

    def tip_of(self, ref: str) -> str:
        """The commit a full ref name stands on, "" if there is none."""
        with refusals(f"{ref} cannot be read"):
            return _tip_of(self.git, ref) or ""

    def refs(self, prefix: str) -> list[str]:
        """The full names of refs that begin so, sorted."""
        with refusals(f"{prefix} cannot be listed"):
            return sorted(ref for ref in self.git.references if ref.startswith(prefix))

    def settings_text(self, name: str) -> str | None:
        """A settings file at the root as UTF-8: of the working copy, in a bare repository of HEAD's commit."""
        if self.git.is_bare:
            if self.git.head_is_unborn:
                return None
            found = [entry for entry in self.entries(self.head().oid) if entry.path == name]
            return self.read(found[0].oid).decode("utf-8", "replace") if found else None
        path = Path(self.directory) / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None

    def head(self) -> Head:
        if self.git.head_is_unborn:
            raise RepositoryError(
                f"{self.directory} has no commit yet", hint="git add -A && git commit -m 'First commit'"
            )
        with refusals("HEAD cannot be read"):
            head = self.git.head
            detached = self.git.head_is_detached
            name = None if detached else head.raw_shorthand.decode("utf-8", "surrogateescape")
            return Head(branch=name, oid=str(head.target))

    def resolve(self, rev: str) -> str:
        shown = rev.encode("utf-8", "backslashreplace").decode()
        try:
            found = self.git.revparse_single(rev) if "\0" not in rev else None
        except UnicodeEncodeError:
            found = None
        except FOREIGN as error:
            if "mbiguous" in type(error).__name__ + str(error):
                hint = f"git log --oneline --all | grep {shown[:7]}"
                raise RepositoryError(f"{shown!r} is short for more than one commit", hint=hint) from error
            found = None
        if found is None:
            more = " in this shallow clone" if self.git.is_shallow else ""
            hint = "git fetch --unshallow" if more else "git log --oneline --all"
            raise RepositoryError(f"{shown!r} names no commit{more}", hint=hint)
        try:
            return str(found.peel(pygit2.Commit).id)
        except FOREIGN as error:
            raise RepositoryError(f"{shown!r} is a {found.type_str}, not a commit") from error

    def tree(self, commit: str) -> str:
        found = re.match(rb"tree ([0-9a-f]{40})\n", self._commit(commit))
        if not found:
            raise RepositoryError(f"commit {commit} is damaged", hint="git fsck")
        return found[1].decode()

    def message(self, commit: str) -> str:
        header, _, message = self._commit(commit).partition(b"\n\n")
        return _decoded(message, header)

    def author(self, commit: str) -> str:
        header = self._commit(commit).partition(b"\n\n")[0]
        found = re.search(rb"^author (.*>)", header, re.MULTILINE)
        return _decoded(found[1], header) if found else ""

    def entries(self, commit: str) -> tuple[FileEntry, ...]:
        tree = self.tree(commit)
        if self._last[0] != tree:
            found: list[FileEntry] = []
            self._gather(bytes.fromhex(tree), b"", 0, found)
            self._last = (tree, tuple(found))
        return self._last[1]

    def read(self, blob: str) -> bytes:
        return read_object(self.git, blob, ObjectType.BLOB)

    def is_ancestor(self, ancestor: str, commit: str) -> bool:
        with refusals(f"the history of {commit[:12]} cannot be read"):
            return ancestor == commit or bool(self.git.descendant_of(commit, ancestor))

    def is_dirty(self) -> bool:
        if self.git.is_bare:
            return False
        try:
            status = self.git.status(untracked_files="normal", ignored=False)
        except FOREIGN:
            # libgit2 knows neither split nor sparse indexes; git does.
            said = run_git(self.git.workdir, "--no-optional-locks", "status", "--porcelain")
            if said.returncode:
                raise RepositoryError(f"the working copy cannot be compared: {said.stderr.strip()}") from None
            return bool(said.stdout)
        return any(flags not in (FileStatus.CURRENT, FileStatus.IGNORED) for flags in status.values())

    def checkout(self, commit: str, directory: str) -> None:
        target = os.path.realpath(directory)
        for ours in (self.git.workdir, self.git.path, self.common_directory):
            if ours and os.path.commonpath([target, os.path.realpath(ours)]) == os.path.realpath(ours):
                raise RepositoryError(f"{directory} lies inside the repository. Nothing was written")
        check_out(self.git, self.tree(commit), target)

    def diff(self, base: str, tip: str) -> bytes:
        """What `tip` changed since it left `base`'s history, as git's own patch."""
        with refusals("the commits cannot be compared"):
            fork = self.git.merge_base(base, tip)
            changes = self.git.diff(self.git[str(fork or base)].peel(pygit2.Tree), self.git[tip].peel(pygit2.Tree))
            changes.find_similar()
            return b"".join(patch.data for patch in changes if patch is not None)

    def remote_url(self, remote: str = "origin") -> str:
        """The remote's address, "" if there is no such remote."""
        with refusals(f"remote {remote} cannot be read"):
            return next((each.url or "" for each in self.git.remotes if each.name == remote), "")

    def between(self, base: str, tip: str) -> list[str]:
        """The commits of `tip` that are not in `base`, newest first. Raises RepositoryError if one is missing."""
        with refusals("the commits cannot be listed"):
            walker = self.git.walk(tip)
            walker.hide(base)
            return [str(commit.id) for commit in walker]

    def joined(self, ours: str, theirs: str) -> tuple[str, tuple[str, ...]]:
        return joined(self.git, ours, theirs)

    def paths_of(self, commit: str) -> frozenset[str]:
        return paths_of(self.git, commit)

    def _commit(self, commit: str) -> bytes:
        return read_object(self.git, commit, ObjectType.COMMIT)

    def _gather(self, oid: bytes, prefix: bytes, depth: int, found: list[FileEntry]) -> None:
        """Add a tree's files in path order; trees seen before at the same place are not read again."""
        if depth > DEEPEST or len(found) > MOST_FILES:
            most = f"{MOST_FILES:,} files or {DEEPEST} directories deep"
            raise RepositoryError(f"the tree has more than {most}, refused")
        known = self._below.get((oid, prefix)) if prefix else None
        if known is None:
            first = len(found)
            for name, (mode, entry) in read_tree(self.git, oid).items():
                if mode == TREE:
                    self._gather(entry, prefix + name + b"/", depth + 1, found)
                else:
                    path = (prefix + name).decode("utf-8", "surrogateescape")
                    found.append(FileEntry(path=path, oid=entry.hex(), mode=mode))
            if prefix:
                if len(self._below) > _CACHED_TREES:
                    self._below.clear()
                self._below[oid, prefix] = tuple(found[first:])
        else:
            found.extend(known)


class GitBranches:
    """Scratch branches: made, replaced and dropped only where nobody stands on them."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._git = repository.git

    def create(self, branch: str, base: str, *, again: bool = False) -> "GitScratch":
        ref = _branch_ref(branch)
        oid = self._repository.resolve(base)
        old = _tip_of(self._git, ref)
        doing = f"branch {branch} cannot be made"
        if old is None:
            self._refuse_below_another(branch)
            with refusals(doing):
                self._git.create_reference_direct(ref, pygit2.Oid(hex=oid), False, message="gitagent: created")
        elif not again:
            hint = "add --again to start anew; the old commits are kept"
            raise RepositoryError(f"branch {branch} already exists. Nothing was changed", hint=hint)
        else:
            _refuse_if_held(self._repository, branch, doing)
            with refusals(doing):
                current = self._git.references[ref]
            kept = _keep_aside(self._git, branch, old)
            try:
                with refusals(doing):
                    current.set_target(oid, "gitagent: started anew")
            except RepositoryError:
                self._git.references.delete(kept)
                raise
        return GitScratch(self._repository, branch, oid)

    def resume(self, branch: str, base: str, run: str, *, again: bool = False) -> "GitScratch":
        tip, oid = _tip_of(self._git, _branch_ref(branch)), self._repository.resolve(base)
        ahead: list[str] = []
        at = tip
        while at is not None and at != oid and f"\nGitagent-Run: {run}\n" in self._repository.message(at):
            ahead.insert(0, at)
            with refusals(f"branch {branch} cannot be read"):
                parents = self._git[at].peel(pygit2.Commit).parent_ids
            at = str(parents[0]) if parents else None
        if tip is not None and at == oid:
            return GitScratch(self._repository, branch, oid, ahead=ahead)
        if tip is not None and not again:
            raise RepositoryError(
                f"branch {branch} has commits that run {run} did not make. Nothing was changed",
                hint=f"git log {oid[:12]}..{branch}",
            )
        return self.create(branch, base, again=again)

    def open(self, branch: str) -> "GitScratch":
        """The scratch branch as it stands. Raises RepositoryError if there is none."""
        tip = _tip_of(self._git, _branch_ref(branch))
        if tip is None:
            raise RepositoryError(f"there is no branch {branch}", hint="git branch --list 'gitagent/*'")
        return GitScratch(self._repository, branch, tip)

    def drop(self, branch: str, tip: str) -> None:
        ref = _branch_ref(branch)
        if _tip_of(self._git, ref) != tip:
            return
        doing = f"branch {branch} cannot be deleted"
        _refuse_if_held(self._repository, branch, doing)
        with refusals(doing):
            current = self._git.references[ref]
            if str(current.target) == tip:
                current.delete()

    def _refuse_below_another(self, branch: str) -> None:
        parts = branch.split("/")
        for above in ("/".join(parts[:end]) for end in range(1, len(parts))):
            if _tip_of(self._git, f"refs/heads/{above}") is not None:
                raise RepositoryError(
                    f"branch {branch} cannot be made: a branch named {above} is in the way. Nothing was changed",
                    hint=f"git branch -m {above} {above}-old",
                )


class GitScratch:
    """Commits on the tip it made or was opened at; a branch that somebody else moved is never written.

    `ahead` are commits beyond the tip that the same run made before it was cut short, oldest first. One that is to
    be made and is there is taken as it is; at the first that comes out otherwise the rest are let go.
    """

    def __init__(self, repository: GitRepository, branch: str, tip: str, *, ahead: Sequence[str] = ()) -> None:
        self._ahead = list(ahead)
        self.branch = branch
        self._repository = repository
        self._git = repository.git
        self._tip = tip

    def commit(
        self, texts: Mapping[str, str | None], message: str, *, modes: Mapping[str, int] | None = None
    ) -> Commit:
        tree = self._tree(texts, modes or {})
        if tree == self._repository.tree(self._tip):
            self._current()
            raise DiffError(f"{', '.join(texts) or 'the diff'}: nothing would change. Nothing was committed")
        return self._record(tree, message)

    def join(self, tree: str, other: str, message: str) -> Commit:
        return self._record(tree, message, other)

    def _record(self, tree: str, message: str, *others: str) -> Commit:
        current, words = self._current(), clean_message(message)
        if self._ahead:
            made, self._ahead = self._ahead[0], self._ahead[1:]
            if self._repository.message(made) == words and self._repository.tree(made) == tree:
                self._tip = made
                return Commit(branch=self.branch, oid=made, tree=tree)
            _keep_aside(self._git, self.branch, self._ahead[-1] if self._ahead else made)
            self._ahead = []
        with refusals(f"the commit on {self.branch} cannot be made", self._git):
            author, committer = pygit2.Signature(*BOT), identity(self._git)
            parents = [self._tip, *others]
            oid = self._git.create_commit(None, author, committer, words, tree, parents)
            before = str(current.target)
            try:
                # Compares with what `current` was read as, under the ref's lock: a move in between is an error.
                current.set_target(oid, f"gitagent: {words.partition(chr(10))[0]}")
            except (pygit2.GitError, KeyError) as error:
                if _tip_of(self._git, current.name) != before:
                    raise self._moved() from error
                raise
        self._tip = str(oid)
        return Commit(branch=self.branch, oid=self._tip, tree=tree)

    def tree_of(self, texts: Mapping[str, str | None]) -> str:
        # What an earlier commit on the branch deleted is gone already.
        there: frozenset[str] = frozenset()
        if None in texts.values():
            there = frozenset(entry.path for entry in self._repository.entries(self._tip))
        return self._tree({path: text for path, text in texts.items() if text is not None or path in there}, {})

    def _tree(self, texts: Mapping[str, str | None], modes: Mapping[str, int]) -> str:
        files: dict[str, bytes | None] = {}
        for path, text in texts.items():
            try:
                files[path] = None if text is None else text.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError as error:
                shown = path.encode("utf-8", "backslashreplace").decode()
                raise DiffError(f"{shown}: its text holds what no bytes stand for") from error
        return edited_tree(self._git, self._repository.tree(self._tip), files, modes)

    def _current(self) -> pygit2.Reference:
        with refusals(f"branch {self.branch} cannot be read"):
            current = self._git.references.get(f"refs/heads/{self.branch}")
        if current is None or str(current.target) != (self._ahead[-1] if self._ahead else self._tip):
            raise self._moved()
        _refuse_if_held(self._repository, self.branch, "it is not written to")
        return current

    def _moved(self) -> RepositoryError:
        return RepositoryError(
            f"branch {self.branch} was moved or deleted by someone else; it was at {self._tip[:12]}. "
            "Nothing was committed",
            hint=f"git log --oneline {self._tip[:12]} (our work so far)",
        )


def _keep_aside(git: pygit2.Repository, branch: str, tip: str) -> str:
    """Make the tip reachable under a new ref; its name."""
    prefix = f"refs/gitagent/replaced/{branch}/"
    number = 1
    while _tip_of(git, f"{prefix}{number}") is not None:
        number += 1
    with refusals(f"the old tip of {branch} cannot be kept"):
        git.references.create(f"{prefix}{number}", tip)
    return f"{prefix}{number}"


def identity(git: pygit2.Repository) -> pygit2.Signature:
    """Who commits: git's environment variables, the user's configuration, or ourselves; never an error."""
    tries = [(os.environ.get("GIT_COMMITTER_NAME", ""), os.environ.get("GIT_COMMITTER_EMAIL", ""))]
    with contextlib.suppress(*FOREIGN):  # not set, or not readable
        tries.append((git.config["user.name"], git.config["user.email"]))
    for name, email in tries:
        try:
            return pygit2.Signature(" ".join(name.split()), " ".join(email.split()))
        except FOREIGN:
            continue
    return pygit2.Signature(*BOT)


def clean_message(message: str) -> str:
    """The message as git can store it: UTF-8, without zero bytes, a newline at its end."""
    text = message.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return text.rstrip() + "\n"


def _open(path: str) -> pygit2.Repository:
    try:
        return pygit2.Repository(path)
    except FOREIGN as error:
        said = str(error.args[-1]) if error.args else ""
        foreign = re.search(r"repository path '(.+?)' is not owned", said)
        if foreign:
            raise RepositoryError(
                f"{foreign[1]} belongs to another user, so what its git configuration says is not trusted",
                hint=f"git config --global --add safe.directory '{foreign[1].rstrip('/')}'",
            ) from error
        if "object format" in said:
            raise RepositoryError(f"{path} uses SHA-256 object names, which libgit2 does not read yet") from error
        if not os.path.isdir(path):
            raise RepositoryError(f"{path} is no directory", hint="gitagent … --repo DIR") from error
        if "not found" in said:
            where = os.path.realpath(path)
            raise RepositoryError(f"{where} is in no git repository", hint="git init, or --repo DIR") from error
        raise RepositoryError(f"the repository at {path} cannot be opened: {reason_of(error)}") from error


def _branch_ref(branch: str) -> str:
    ref = f"refs/heads/{branch}"
    try:
        valid = pygit2.reference_is_valid_name(ref)
    except ValueError:
        valid = False
    if not valid or "\0" in branch or branch.startswith("-") or branch == "HEAD":
        shown = branch.encode("utf-8", "backslashreplace").decode()
        raise RepositoryError(f"{shown!r} is no valid branch name", hint="git help check-ref-format")
    return ref


def _tip_of(git: pygit2.Repository, ref: str) -> str | None:
    with refusals(f"{ref} cannot be read"):
        found = git.references.get(ref)
        return None if found is None else str(found.resolve().target)


def _refuse_if_held(repository: GitRepository, branch: str, doing: str) -> None:
    holder = holder_of(repository.common_directory, f"refs/heads/{branch}")
    if holder:
        raise RepositoryError(
            f"branch {branch} is checked out in {holder}: {doing}. Nothing was changed",
            hint=f"git -C '{holder}' switch --detach",
        )


def _decoded(text: bytes, header: bytes) -> str:
    named = re.search(rb"^encoding (\S+)$", header, re.MULTILINE)
    try:
        return text.decode(named[1].decode("ascii", "replace") if named else "utf-8")
    except (LookupError, UnicodeDecodeError):
        return text.decode("utf-8", "surrogateescape")
