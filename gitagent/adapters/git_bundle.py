"""Commits as a file: out of one repository, checked and into another, with no network between."""

from pathlib import Path

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_worktrees import run_git
from gitagent.errors import RepositoryError

INCOMING = "refs/gitagent/incoming/"
MOST_BYTES = 64 * 2**20


def bundle(repository: GitRepository, branch: str, base: str, file: Path) -> None:
    """Write a branch's commits that come after `base` into a file. Raises RepositoryError if git cannot."""
    done = run_git(
        repository.directory, "bundle", "create", "--quiet", str(file), f"refs/heads/{branch}", f"^{base}"
    )
    if done.returncode != 0:
        raise RepositoryError(f"{branch} cannot be bundled: {_last(done.stderr)}. Nothing was written.")


def unbundle(repository: GitRepository, file: Path, branch: str) -> str:
    """Fetch a branch from a bundle of strangers to a ref below `refs/gitagent/incoming/`; its tip.

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
    ref = INCOMING + branch
    done = run_git(
        repository.directory,
        *("-c", "fetch.fsckObjects=true", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"),
        *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
        *("--", str(file.resolve()), f"+refs/heads/{branch}:{ref}"),
    )
    if done.returncode != 0:
        raise RepositoryError(f"{file.name}: git refuses it: {_last(done.stderr)}. Nothing was published.")
    return repository.resolve(ref)


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
