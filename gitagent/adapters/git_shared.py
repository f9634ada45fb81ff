"""A tree of files under one ref that several processes write at once: each edit lands on the newest state."""

import random
import time
from collections.abc import Callable, Mapping

import pygit2

from gitagent.adapters.git import GitRepository, clean_message, identity
from gitagent.adapters.git_objects import edited_tree, reason_of, refusals
from gitagent.errors import RepositoryError

ATTEMPTS = 20
_PAUSE_SECONDS = 0.02

# From the newest tree (None before the first) to what changes in it: bytes by path, None for a file that goes.
Edit = Callable[[str | None], Mapping[str, bytes | None]]


def texts(repository: GitRepository, tree: str | None) -> dict[str, str]:
    """The texts of a tree's own files by name, {} for no tree. Raises RepositoryError if it is damaged."""
    if tree is None:
        return {}
    with refusals(f"tree {tree} cannot be read"):
        files = [entry for entry in repository.git[tree] if isinstance(entry, pygit2.Blob)]
        return {entry.name: entry.data.decode("utf-8", "replace") for entry in files if entry.name}


def texts_under(repository: GitRepository, ref: str) -> dict[str, str]:
    """The same of what a ref leads to now, {} if there is none."""
    tip = repository.tip_of(ref)
    return texts(repository, repository.tree(tip) if tip else None)


def edit(repository: GitRepository, ref: str, change: Edit, message: str, *, history: bool) -> None:
    """Move the ref to a commit with the change applied to what is there now.

    Compare and swap: when another process was faster, the change is asked for again on what that one wrote. With
    `history` the commit before is the parent; without, it is let go. Raises RepositoryError if the ref is locked or
    moves on again and again.
    """
    git, doing = repository.git, f"{ref} cannot be written"
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, _PAUSE_SECONDS * attempt))  # parts those who wait
        with refusals(doing):
            current = git.references.get(ref)
            before = None if current is None else str(current.resolve().target)
        tree = repository.tree(before) if before else None
        files = change(tree)
        if not files:
            return
        after = edited_tree(git, tree, files)
        if after == tree:
            return
        with refusals(doing, git):
            bot = identity(git)
            parents = [before] if before and history else []
            oid = git.create_commit(None, bot, bot, clean_message(message), after, parents)
        try:
            if current is None:
                git.references.create(ref, oid)
            else:
                current.set_target(oid, f"gitagent: {message}")
        except (pygit2.GitError, KeyError, ValueError, OSError) as error:
            reason = reason_of(error)
            if "lock" in reason or _moved(git, ref, before):
                continue
            raise RepositoryError(f"{doing}: {reason}. Nothing was changed") from error
        return
    raise RepositoryError(f"{doing}: {reason}. Nothing was changed", hint=f"git show {ref}")


def _moved(git: pygit2.Repository, ref: str, before: str | None) -> bool:
    with refusals(f"{ref} cannot be read"):
        current = git.references.get(ref)
        return (None if current is None else str(current.resolve().target)) != before
