"""The files a run works on: base as it was, and what was committed since."""

from collections.abc import Collection

from gitagent.core import testing
from gitagent.core.paths import folded
from gitagent.core.secrets import holds_credentials
from gitagent.ports import Repository
from gitagent.records import FileEntry

REGULAR = (0o100644, 0o100755)

# What decides how a repository is built, checked and guarded is its owner's to change.
_PROTECTED = frozenset((".git", ".github", ".gitagent", ".gitagent.toml", ".githooks", ".husky"))
_GIT_HOOKS = frozenset(
    ("applypatch-msg", "commit-msg", "post-checkout", "post-commit", "post-merge", "pre-commit", "pre-push")
)


class Tree:
    """Texts by path, read once. `changed` are the texts committed on top of base; None is a file that is gone."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository = repository
        self.entries: dict[str, FileEntry] = {entry.path: entry for entry in repository.entries(commit)}
        self.changed: dict[str, str | None] = {}
        self._texts: dict[str, str | None] = {}

    def on_base(self, path: str) -> str | None:
        """A regular file's text on base, or None."""
        if path not in self._texts:
            entry = self.entries.get(path)
            regular = entry is not None and entry.mode in REGULAR
            self._texts[path] = (
                self._repository.read(entry.oid).decode("utf-8", "surrogateescape") if entry and regular else None
            )
        return self._texts[path]

    def text(self, path: str) -> str | None:
        """A file's text with what was committed so far."""
        return self.changed[path] if path in self.changed else self.on_base(path)

    def shown(self, path: str) -> str | None:
        """As `text`, for eyes other than ours: a file that holds credentials is not there."""
        return None if holds_credentials(path) else self.text(path)

    def is_source(self, path: str) -> bool:
        """Whether a file of base is none of the tests."""
        return path in self.entries and not testing.is_test_path(path)

    def refusal(self, path: str, protected: Collection[str] = ()) -> str:
        """Why nothing may be proposed for this path, in words that follow it; "" if something may."""
        entry = self.entries.get(path)
        if entry is not None and entry.mode not in REGULAR:
            return "is no regular file"
        first, _, rest = path.lower().partition("/")
        if path in protected or first in _PROTECTED or (first == "hooks" and rest in _GIT_HOOKS):
            return "is protected"
        if holds_credentials(path):
            return "holds credentials by its name"
        text = self.text(path) or ""
        return "is not UTF-8" if any("\udc80" <= char <= "\udcff" for char in text) else ""

    def blocks(self, path: str, leaving: Collection[str] = ()) -> str:
        """Why no file can be made at a path, in words that follow it; "" if one can. `leaving` are paths that go."""
        for other in self.entries:
            if other.startswith(f"{path}/") and other not in leaving:
                return "is a folder"
            if other != path and other not in leaving and folded(other) == folded(path):
                return f"differs from {other} in case alone"
        return ""
