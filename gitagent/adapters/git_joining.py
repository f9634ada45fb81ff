"""What two lines of work come to together, made in memory; no ref, no index and no work tree is written."""

import pygit2

from gitagent.adapters.git_objects import refusals


def joined(git: pygit2.Repository, ours: str, theirs: str) -> tuple[str, tuple[str, ...]]:
    """The tree of a merge and the paths where the two do not go together, which it has as `theirs` has them.

    ("", ()) if they have no history in common that is here.
    """
    with refusals(f"{theirs[:12]} cannot be merged with {ours[:12]}", git):
        if git.merge_base(ours, theirs) is None:
            return "", ()
        index = git.merge_commits(ours, theirs)
        paths = set[str]()
        for sides in list(index.conflicts or ()):
            paths |= {side.path for side in sides if side is not None}
        tree = git[theirs].peel(pygit2.Tree)
        for path in sorted(paths):
            del index.conflicts[path]
        for path in sorted(paths):
            if path in tree:
                index.add(pygit2.IndexEntry(path, tree[path].id, tree[path].filemode))
            elif path in index:
                index.remove(path)
        return str(index.write_tree(git)), tuple(sorted(paths))


def paths_of(git: pygit2.Repository, commit: str) -> frozenset[str]:
    """The paths a commit changed against its first parent; none for a commit without one."""
    with refusals(f"commit {commit[:12]} cannot be compared"):
        found = git[commit].peel(pygit2.Commit)
        if not found.parent_ids:
            return frozenset()
        parent = git[found.parent_ids[0]].peel(pygit2.Commit)
        changes = git.diff(parent.tree, found.tree)
        return frozenset(path for each in changes.deltas for path in (each.old_file.path, each.new_file.path))
