"""Our git hooks in a repository: put there, looked at, taken away; what was there before goes on working.

An earlier hook of the same name is kept beside ours as `NAME.before-gitagent`; ours runs it first, with the same
arguments and input, and stops when it does. The hooks are the thin sh files of `hooks/`.
"""

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import Literal

import gitagent
from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_worktrees import run_git
from gitagent.errors import RepositoryError

NAMES = ("commit-msg", "post-commit", "pre-push")
EARLIER = ".before-gitagent"
_OURS = b"# gitagent: "
_PYTHON = b"\npython=\n"
_LOGS = ("gitagent", "hooks")

State = Literal["missing", "installed", "outdated", "other"]


def hooks_directory(repository: GitRepository) -> Path:
    """Where git looks for hooks here: `core.hooksPath`, or `hooks` in the git directory that work trees share.

    Raises RepositoryError if `core.hooksPath` is set for more than this repository.
    """
    said = run_git(repository.directory, "config", "--show-scope", "--type=path", "--get", "core.hooksPath")
    scope, _, path = said.stdout.removesuffix("\n").partition("\t")
    if said.returncode != 0 or not path:
        return Path(repository.common_directory) / "hooks"
    if scope not in ("local", "worktree"):
        raise RepositoryError(
            f"core.hooksPath = {path} is set for all your repositories ({scope}), expected hooks of this one. "
            "Nothing was installed.",
            hint="git config core.hooksPath .git/hooks, or call hooks/* of gitagent from your own hooks",
        )
    return Path(repository.directory, path)


def state_of(directory: Path, name: str) -> State:
    """What stands at a hook's place; "other" is somebody else's."""
    try:
        text = (directory / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        raise RepositoryError(f"{directory / name} cannot be read: {error.strerror}. Nothing changed.") from error
    if _OURS not in text[:200]:
        return "other"
    return "installed" if text == _text(name) else "outdated"


def install(directory: Path, name: str) -> State:
    """Put our hook there, an earlier one kept beside it; what stood there. Raises RepositoryError if it cannot."""
    place, before = directory / name, state_of(directory, name)
    if before == "installed":
        return before
    fresh = directory / f".{name}.{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if before == "other" and os.path.lexists(directory / (name + EARLIER)):
            raise RepositoryError(
                f"{place} is not ours, and {name}{EARLIER} is there too. Nothing was changed.",
                hint=f"put one of them away: {shlex.quote(str(place))}",
            )
        fresh.write_bytes(_text(name))
        fresh.chmod(0o755)
        if before == "other":
            os.link(
                place, directory / (name + EARLIER), follow_symlinks=False
            )  # so that at no moment there is no hook
        fresh.replace(place)
    except OSError as error:
        raise RepositoryError(f"{place} cannot be written: {error.strerror}. Nothing was changed.") from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
    return before


def uninstall(directory: Path, name: str) -> bool:
    """Take our hook away and put an earlier one back; whether ours was there."""
    place, earlier = directory / name, directory / (name + EARLIER)
    if state_of(directory, name) not in ("installed", "outdated"):
        return False
    try:
        if os.path.lexists(earlier):
            earlier.replace(place)
        else:
            place.unlink()
            with contextlib.suppress(OSError):
                directory.rmdir()  # ours too, if nothing else is in it
    except OSError as error:
        raise RepositoryError(f"{place} cannot be removed: {error.strerror}. It is as it was.") from error
    return True


def in_progress(repository: GitRepository) -> str:
    """The operation git is in the middle of (rebase, merge, cherry-pick, revert, bisect), "" for none."""
    own = Path(repository.git.path)
    for name, operation in (
        ("rebase-merge", "rebase"),
        ("rebase-apply", "rebase"),
        ("MERGE_HEAD", "merge"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
        ("sequencer", "cherry-pick"),
        ("BISECT_LOG", "bisect"),
    ):
        if (own / name).exists():
            return operation
    return ""


def _text(name: str) -> bytes:
    """A hook's text, with this interpreter in it: git calls hooks with whatever PATH it was called with."""
    package = Path(gitagent.__file__).parent
    source = package / "hooks" if (package / "hooks").is_dir() else package.parent / "hooks"
    python = f"\npython={shlex.quote(sys.executable)}\n"
    return (source / name).read_bytes().replace(_PYTHON, os.fsencode(python), 1)


def log_for(repository: GitRepository, oid: str) -> Path:
    """The file that a run started for this commit writes to."""
    directory = Path(repository.common_directory, *_LOGS)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RepositoryError(f"{directory} cannot be made: {error.strerror}. Nothing was started.") from error
    return directory / f"{oid[:12]}.log"


def forget_logs(repository: GitRepository) -> None:
    """Remove what runs started by hooks have said."""
    directory = Path(repository.common_directory, *_LOGS)
    for log in directory.glob("*.log"):
        log.unlink(missing_ok=True)
    for empty in (directory, directory.parent):
        with contextlib.suppress(OSError):
            empty.rmdir()
