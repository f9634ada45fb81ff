"""Who stands on which branch, and the git command where only it will do (a merge into a work tree)."""

import os
import subprocess
from pathlib import Path

import pygit2

from gitagent.errors import RepositoryError

# What git exports to hooks, and what would lead it to another repository (git rev-parse --local-env-vars).
_LOCAL = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
}


def holder_of(common_directory: str, ref: str) -> str:
    """The work tree that has a branch checked out, or is rebasing or bisecting it; "" if none is."""
    common = Path(common_directory)
    if not _is_bare(common) and _stands_on(common, ref):
        return _main_work_tree(common)
    for linked in sorted(common.glob("worktrees/*")):
        tree = _read(linked / "gitdir")
        place = os.path.dirname(os.path.normpath(linked / tree)) if tree else ""
        if place and os.path.isdir(place) and _stands_on(linked, ref):
            return place
    return ""


def outside_hooks() -> dict[str, str]:
    """The environment without what would lead git, or a command that a hook starts, to another repository."""
    return {name: value for name, value in os.environ.items() if name not in _LOCAL}


def run_git(directory: str, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run git in a directory, with no terminal, in the repository that directory belongs to."""
    environment = outside_hooks() | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": ":"} | extra
    try:
        return subprocess.run(
            ["git", "-C", directory, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError as error:
        raise RepositoryError("the git command is not installed. Nothing was changed") from error


def _stands_on(git_directory: Path, ref: str) -> bool:
    if _read(git_directory / "HEAD") == f"ref: {ref}":
        return True
    short = ref.removeprefix("refs/heads/")
    return (
        _read(git_directory / "rebase-merge" / "head-name") == ref
        or _read(git_directory / "rebase-apply" / "head-name") == ref
        or _read(git_directory / "BISECT_START") == short
    )


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "surrogateescape").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _is_bare(common: Path) -> bool:
    try:
        return bool(pygit2.Config(str(common / "config")).get_bool("core.bare"))
    except (pygit2.GitError, KeyError, ValueError, OSError):
        return common.name != ".git"


def _main_work_tree(common: Path) -> str:
    try:
        set_to = str(pygit2.Config(str(common / "config"))["core.worktree"])
    except (pygit2.GitError, KeyError, ValueError, OSError):
        return str(common.parent)
    return os.path.normpath(common / set_to)
