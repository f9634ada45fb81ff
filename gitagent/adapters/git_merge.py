"""The human's merge: a real merge commit on the base branch, or a refusal with nothing changed."""

import os
from pathlib import Path

import pygit2

from gitagent.adapters.git import GitRepository, clean_message, identity
from gitagent.adapters.git_objects import refusals
from gitagent.adapters.git_worktrees import holder_of, run_git
from gitagent.errors import RepositoryError

MOST_SHOWN = 10
_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


def merge(repository: GitRepository, base_branch: str, tip: str, message: str) -> str:
    """Merge `tip` into a branch; the branch's new tip, which is the old one if it holds `tip` already.

    The merge is made in memory. A work tree that stands on the branch is brought along by `git merge`,
    which keeps local changes or refuses. Raises RepositoryError, by file, if there are conflicts.
    """
    git, ref = repository.git, f"refs/heads/{base_branch}"
    with refusals(f"branch {base_branch} cannot be read"):
        current = git.references.get(ref)
    if current is None:
        raise RepositoryError(f"there is no branch {base_branch} to merge into", hint=f"git branch {base_branch}")
    base = str(current.target)
    with refusals(f"{tip[:12]} cannot be merged into {base_branch}"):
        if base == tip or git.descendant_of(base, tip):
            return base
        merged = git.merge_commits(base, tip)
        if merged.conflicts is not None:
            raise _conflicting(base_branch, tip, _paths(merged.conflicts))
    holder = holder_of(repository.common_directory, ref)
    if holder:
        return _merge_where_checked_out(repository, holder, base_branch, base, tip, message)
    with refusals(f"{tip[:12]} cannot be merged into {base_branch}"):
        me, words = identity(git), clean_message(message)
        oid = git.create_commit(None, me, me, words, merged.write_tree(git), [base, tip])
        current.set_target(oid, f"merge {tip[:12]}: {words.partition(chr(10))[0]}")
    return str(oid)


def _merge_where_checked_out(
    repository: GitRepository, holder: str, base_branch: str, base: str, tip: str, message: str
) -> str:
    there = Path(GitRepository(holder).git.path)
    busy = next((name for name in _UNDER_WAY if (there / name).exists()), "")
    look = f"git -C '{holder}' status"
    if busy:
        raise RepositoryError(f"{holder} is in the middle of something ({busy}). Nothing was merged", hint=look)
    me = identity(repository.git)
    names = {
        f"GIT_{role}_{part}": os.environ.get(f"GIT_{role}_{part}") or value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", me.name), ("EMAIL", me.email))
    }
    arguments = ("--no-ff", "--no-squash", "--commit", "--no-edit", "-m", clean_message(message), tip)
    said = run_git(holder, "merge", *arguments, **names)
    if said.returncode == 0:
        return repository.resolve(f"refs/heads/{base_branch}")
    if (there / "MERGE_HEAD").exists():
        # Ours, since there was none before: a merge driver or a hook of the user's stopped it half-way.
        conflicts = run_git(holder, "diff", "--name-only", "--diff-filter=U", "-z").stdout.split("\0")[:-1]
        run_git(holder, "merge", "--abort")
        if conflicts:
            raise _conflicting(base_branch, tip, conflicts)
    lines = said.stderr.split("\n")
    files = [line.strip() for line in lines if line.startswith(("\t", "  "))] or [
        line.split("'")[1] for line in lines if line.startswith("error: Entry '")
    ]
    if files:
        raise RepositoryError(
            f"{holder} has changes of its own in {_some(files)}, in the merge's way. Nothing was merged",
            hint="git stash, or commit them; then run the command again",
        )
    reason = next((line.partition(": ")[2] for line in lines if line.startswith(("error: ", "fatal: "))), "")
    shown = reason or " ".join((said.stderr or said.stdout).split())[:200] or f"exit code {said.returncode}"
    raise RepositoryError(f"git merge refused in {holder}: {shown}. Nothing was merged", hint=look)


def _paths(conflicts: "pygit2.index.ConflictCollection") -> list[str]:
    return sorted({next(side.path for side in sides if side is not None) for sides in conflicts})


def _conflicting(base_branch: str, tip: str, paths: list[str]) -> RepositoryError:
    return RepositoryError(
        f"{base_branch} and the pull request both changed {_some(paths)}. Nothing was merged",
        hint=f"git switch {base_branch} && git merge {tip[:12]} (and resolve by hand)",
    )


def _some(paths: list[str]) -> str:
    shown = ", ".join(path.encode("utf-8", "backslashreplace").decode() for path in paths[:MOST_SHOWN])
    return shown + (f" and {len(paths) - MOST_SHOWN} more" if len(paths) > MOST_SHOWN else "")
