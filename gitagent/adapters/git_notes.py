"""Notes on commits, where `git notes --ref gitagent` and `git log --notes=gitagent` find them."""

from gitagent.adapters import git_shared
from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_objects import TREE, read_tree, refusals
from gitagent.errors import RepositoryError

REF = "refs/notes/gitagent"
_DEEPEST = 20


class GitNotes:
    """One text for each commit. Notes of others on the same ref stay."""

    def __init__(self, repository: GitRepository, ref: str = REF) -> None:
        self._repository, self._ref = repository, ref

    def write(self, commit: str, text: str) -> None:
        """Make this the commit's note, in place of an earlier one."""
        data = text.encode("utf-8", "surrogateescape")

        def change(tree: str | None) -> dict[str, bytes | None]:
            return {(self._find(tree, commit) if tree else "") or self._place(tree, commit): data}

        git_shared.edit(self._repository, self._ref, change, f"Certificate of {commit[:12]}", history=True)

    def read(self, commit: str) -> str | None:
        """The commit's note, None if it has none."""
        git = self._repository.git
        with refusals(f"{self._ref} cannot be read"):
            found = git.references.get(self._ref)
            state = None if found is None else str(found.resolve().target)
        if state is None:
            return None
        tree = self._repository.tree(state)
        path = self._find(tree, commit)
        if not path:
            return None
        return self._repository.read(self._blob(tree, path)).decode("utf-8", "replace")

    def _find(self, tree: str, commit: str) -> str:
        """The path of a commit's note, "" if there is none.

        Git spreads many notes over directories of two hex digits each, to any depth (git help notes, NOTES).
        """
        directory, rest, path = bytes.fromhex(tree), commit, ""
        for _ in range(_DEEPEST):
            entries = read_tree(self._repository.git, directory)
            mode, _oid = entries.get(rest.encode(), (0, b""))
            if mode and mode != TREE:
                return path + rest
            mode, below = entries.get(rest[:2].encode(), (0, b""))
            if mode != TREE or len(rest) <= 2:
                return ""
            directory, path, rest = below, f"{path}{rest[:2]}/", rest[2:]
        return ""

    def _place(self, tree: str | None, commit: str) -> str:
        """Where a new note goes: as deep as the directories for its first digits are there already."""
        directory, rest, path = tree, commit, ""
        while directory is not None and len(rest) > 2:
            entries = read_tree(self._repository.git, bytes.fromhex(directory))
            mode, below = entries.get(rest[:2].encode(), (0, b""))
            if mode != TREE:
                break
            directory, path, rest = below.hex(), f"{path}{rest[:2]}/", rest[2:]
        return path + rest

    def _blob(self, tree: str, path: str) -> str:
        directory = bytes.fromhex(tree)
        *parts, name = path.encode().split(b"/")
        for part in parts:
            directory = read_tree(self._repository.git, directory)[part][1]
        mode, oid = read_tree(self._repository.git, directory)[name]
        if mode == TREE:
            raise RepositoryError(
                f"{self._ref} has a directory where a note should be", hint=f"git show {self._ref}"
            )
        return oid.hex()
