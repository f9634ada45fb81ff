"""Which files past commits changed, and what their messages said; read with git once, then kept in the index."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from gitagent.adapters.git_worktrees import run_git
from gitagent.adapters.index.store import Store
from gitagent.core.retrieval.words import terms

MOST_COMMITS = 1_000
MOST_FILES_OF_ONE = 40
"""Commits over more files say little about each of them."""

_MESSAGE_CHARACTERS = 4_000
_KEPT = 20 * MOST_COMMITS


@dataclass(frozen=True, slots=True)
class Change:
    """One commit: the terms of its message, and the paths it changed."""

    terms: tuple[str, ...]
    paths: tuple[str, ...]


def changes(directory: str, commit: str, store: Store) -> tuple[Change, ...]:
    """The last commits before and with one, newest first, at most a thousand; none where git cannot tell.

    Nothing is fetched for it: of a partial clone only what is there counts.
    """
    listed = run_git(
        directory, "rev-list", "--no-merges", f"--max-count={MOST_COMMITS}", commit, GIT_NO_LAZY_FETCH="1"
    )
    if listed.returncode:
        return ()
    oids = listed.stdout.split()
    known = store.commits(oids)
    missing = [oid for oid in oids if oid not in known]
    if missing:
        found = _read(directory, missing)
        store.keep_commits(found, _KEPT)
        known |= found
    return tuple(_change(known[oid]) for oid in oids if oid in known)


def _read(directory: str, oids: Iterable[str]) -> dict[str, str]:
    """What is kept of each commit, by oid: JSON of its terms and paths."""
    wanted = set(oids)
    # From the newest missing one on: git walks, as standard input is no place for us to write to here.
    first = next(iter(oids))
    argv = ("log", "--no-merges", "--no-renames", "--no-color", "--name-only", "-z", "--no-show-signature")
    done = run_git(
        directory,
        "-c",
        "core.quotePath=false",
        "-c",
        "log.showRoot=false",
        *argv,
        f"--max-count={MOST_COMMITS}",
        "--format=%x01%H%x02%B%x03",
        first,
        GIT_NO_LAZY_FETCH="1",
    )
    found: dict[str, str] = {}
    for entry in done.stdout.split("\x01")[1:]:
        oid, _, rest = entry.partition("\x02")
        message, _, names = rest.partition("\x03")
        paths = [name for name in names.strip("\0\n").split("\0") if name]
        if oid in wanted:
            said = sorted(set(terms(message[:_MESSAGE_CHARACTERS])))
            shown = paths if len(paths) <= MOST_FILES_OF_ONE else []
            found[oid] = json.dumps([said, [path.lstrip("\n") for path in shown]])
    return found


def _change(data: str) -> Change:
    said, paths = json.loads(data)
    return Change(tuple(said), tuple(paths))
