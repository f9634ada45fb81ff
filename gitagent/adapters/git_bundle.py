"""Commits as a file: out of one repository, checked and into another, with no network between."""

import re
import subprocess
from pathlib import Path
from typing import BinaryIO

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_objects import refusals
from gitagent.adapters.git_worktrees import outside_hooks, run_git
from gitagent.errors import RepositoryError

INCOMING = "refs/gitagent/incoming/"
MOST_BYTES = 64 * 2**20
_MOST_LINES = 10_000
_LINE = re.compile(rb"(-)?([0-9a-f]{40})(?: ([^\n]*))?\n")


def bundle(repository: GitRepository, branch: str, base: str, file: Path) -> None:
    """Write a branch's commits that come after `base` into a file. Raises RepositoryError if git cannot."""
    done = run_git(
        repository.directory, "bundle", "create", "--quiet", str(file), f"refs/heads/{branch}", f"^{base}"
    )
    if done.returncode != 0:
        raise RepositoryError(f"{branch} cannot be bundled: {_last(done.stderr)}. Nothing was written.")


def unbundle(repository: GitRepository, file: Path, branch: str) -> str:
    """Take a branch from a bundle of strangers to a ref below `refs/gitagent/incoming/`; its tip.

    Every object is checked as `git fsck` does. Raises RepositoryError if it is no bundle, too large, lacks the branch,
    or builds on commits that are not here.
    """
    try:
        size = file.stat().st_size
    except OSError as error:
        raise RepositoryError(f"{file.name}: no bundle ({error.strerror}). Nothing was published.") from error
    if size > MOST_BYTES:
        raise RepositoryError(
            f"{file.name}: {size / 2**20:.0f} MiB, at most {MOST_BYTES // 2**20} are taken. Nothing was published."
        )
    try:
        with file.open("rb", buffering=0) as opened:
            tip, needs = _header(opened, f"refs/heads/{branch}")
            for oid in needs:
                repository.resolve(oid)
            said = _index(repository, opened)
    except (ValueError, RepositoryError) as error:
        raise RepositoryError(f"{file.name}: {error}. Nothing was published.") from error
    if said:
        raise RepositoryError(f"{file.name}: git refuses it: {said}. Nothing was published.")
    with refusals(f"{INCOMING}{branch} cannot be written"):
        repository.git.references.create(INCOMING + branch, repository.resolve(tip), force=True)
    return tip


def _header(opened: BinaryIO, ref: str) -> tuple[str, list[str]]:
    """The commit a bundle's ref stands on, and the commits it builds on (gitformat-bundle, version 2)."""
    if opened.readline(100) != b"# v2 git bundle\n":
        raise ValueError("it is no git bundle")
    tip, needs = "", list[str]()
    for _ in range(_MOST_LINES):
        line = opened.readline(10_000)
        if line == b"\n":
            if not tip:
                raise ValueError(f"it does not hold {ref}")
            return tip, needs
        found = _LINE.match(line)
        if found is None:
            raise ValueError("its header is broken")
        if found[1]:
            needs.append(found[2].decode())
        elif (found[3] or b"").decode("utf-8", "replace") == ref:
            tip = found[2].decode()
    raise ValueError("its header is too long")


def _index(repository: GitRepository, opened: BinaryIO) -> str:
    """Let git take in the objects, each of them checked; its last words if it refuses, else "".

    `git fetch` of a bundle checks nothing before git 2.46, whatever is configured.
    """
    done = subprocess.run(
        ["git", "-C", repository.directory, "index-pack", "--stdin", "--fix-thin", "--strict"],
        env=outside_hooks() | {"LC_ALL": "C"},
        stdin=opened,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return _last(done.stderr) if done.returncode else ""


def is_ancestor(repository: GitRepository, older: str, newer: str) -> bool:
    """Whether `newer` builds on `older`; both are commits that are here."""
    return older == newer or bool(repository.git.descendant_of(newer, older))


def commits_between(repository: GitRepository, base: str, tip: str) -> list[str]:
    """The commits of `tip` that `base` does not have, newest first, at most 1,000."""
    done = run_git(repository.directory, "rev-list", "--max-count=1000", f"{base}..{tip}")
    if done.returncode != 0:
        raise RepositoryError(f"{tip[:12]}: its history cannot be read: {_last(done.stderr)}.")
    return done.stdout.split()


def _last(said: str) -> str:
    lines = [line.strip() for line in said.split("\n") if line.strip()]
    return (lines[-1] if lines else "no reason given").removeprefix("fatal: ").removeprefix("error: ").rstrip(".")
