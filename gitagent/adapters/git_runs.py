"""Small sets of files under refs of our own: runs, and what else must be remembered with its history.

Each state is a commit whose tree holds the files and whose first parent is the state before, so
`git log -p refs/gitagent/runs/ID` tells how a run went.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pygit2
from pygit2.enums import ObjectType

from gitagent.adapters.git import GitRepository, clean_message, identity
from gitagent.adapters.git_objects import edited_tree, read_object, refusals
from gitagent.errors import RepositoryError, RequestError

_SAVED = re.compile(rb"^Saved-At: ([0-9T:.+-]{19,40})$", re.MULTILINE)
_COMMITTED = re.compile(rb"^committer .*> ([0-9]{1,15}) [+-][0-9]{4}$", re.MULTILINE)
MOST_SHOWN = 5


class GitStates:
    """Sets of text files, each under `prefix` plus a name, changed only from the state that was read."""

    def __init__(self, repository: GitRepository, prefix: str) -> None:
        self.prefix = prefix
        self._repository = repository
        self._git = repository.git

    def names(self) -> list[str]:
        """All names, sorted."""
        start = self.prefix.encode()
        with refusals(f"{self.prefix} cannot be listed"):
            refs = self._git.raw_listall_references()
        return sorted(ref[len(start) :].decode("utf-8", "replace") for ref in refs if ref.startswith(start))

    def tip(self, name: str) -> str | None:
        """The commit of the newest state, None if there is none."""
        with refusals(f"{self.prefix}{name} cannot be read"):
            found = self._git.references.get(self.prefix + name)
            return None if found is None else str(found.resolve().target)

    def read(self, state: str, only: Iterable[str] = ()) -> dict[str, str]:
        """The files of a state by path: all of them, or those of `only` that are there."""
        wanted = frozenset(only)
        return {
            entry.path: self._repository.read(entry.oid).decode("utf-8", "surrogateescape")
            for entry in self._repository.entries(state)
            if not wanted or entry.path in wanted
        }

    def saved_at(self, state: str) -> datetime:
        """When a state was recorded, in UTC."""
        return datetime.fromtimestamp(self._time(state), UTC)

    def write(
        self, name: str, files: Mapping[str, str], message: str, *, after: str | None, keep: Iterable[str] = ()
    ) -> str:
        """Record a new state that follows `after` (None: the first); its commit.

        Files not named stay as they are. `keep` are commits to hold reachable. Raises RepositoryError if the
        newest state is no longer `after`.
        """
        ref = self.prefix + name
        doing = f"{ref} cannot be recorded"
        texts = {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()}
        with refusals(doing):
            current = self._git.references.get(ref)
        if (None if current is None else str(current.target)) != after:
            raise RepositoryError(f"{ref} was changed by another process. Nothing was recorded")
        tree = edited_tree(self._git, self._repository.tree(after) if after else None, texts)
        now = datetime.now(UTC).isoformat()
        words = f"{clean_message(message).rstrip()}\n\nSaved-At: {now}\n"
        parents = [after] if after else []
        parents += [oid for oid in keep if oid not in parents]
        with refusals(doing, self._git):
            bot = identity(self._git)
            oid = self._git.create_commit(None, bot, bot, words, tree, parents)
            if current is None:
                self._git.references.create(ref, oid)
            else:
                current.set_target(oid)
        return str(oid)

    def remove(self, name: str) -> None:
        """Forget a name with all its states."""
        doing = f"{self.prefix}{name} cannot be removed"
        with refusals(doing):
            found = self._git.references.get(self.prefix + name)
            if found is not None:
                found.delete()

    def newest_first(self) -> list[str]:
        """All names, the one recorded last first; reads one commit each and no file."""
        times = {name: self._time(self.tip(name) or "") for name in self.names()}
        return sorted(times, key=lambda name: (times[name], name), reverse=True)

    def _time(self, state: str) -> float:
        raw = read_object(self._git, state, ObjectType.COMMIT)
        header, _, message = raw.partition(b"\n\n")
        saved = _SAVED.findall(message)
        try:
            if saved:
                return datetime.fromisoformat(saved[-1].decode()).timestamp()
        except ValueError:
            pass  # somebody else's trailer; the commit has a time of its own
        committed = _COMMITTED.search(header)
        return min(float(committed[1]), 2.0**35) if committed else 0.0


class GitRuns:
    """The record of every run, under `refs/gitagent/runs/`."""

    def __init__(self, repository: GitRepository) -> None:
        self._states = GitStates(repository, "refs/gitagent/runs/")

    def save(self, run: str, files: Mapping[str, str], message: str) -> None:
        """As in the port; files saved earlier and not named now stay."""
        try:
            valid = not set(run) & {"/", "\0"} and pygit2.reference_is_valid_name(self._states.prefix + run)
        except ValueError:
            valid = False
        if not valid:
            raise RequestError(f"{run!r} is no run id")
        self._states.write(run, files, message, after=self._states.tip(run))

    def load(self, run: str) -> Mapping[str, str]:
        return self._states.read(self._state(run))

    def ids(self) -> tuple[str, ...]:
        return tuple(self._states.newest_first())

    def full_id(self, run: str) -> str:
        """The id that this prefix of one stands for. Raises RequestError if none or more than one does."""
        ids = self._states.names()
        found = [run] if run in ids else [each for each in ids if run and each.startswith(run)]
        if len(found) == 1:
            return found[0]
        shown = run.encode("utf-8", "backslashreplace").decode()
        if not found:
            raise RequestError(f"there is no run {shown!r} in this repository", hint="gitagent log")
        some = ", ".join(found[:MOST_SHOWN]) + (" …" if len(found) > MOST_SHOWN else "")
        raise RequestError(f"{shown!r} could be any of {some}", hint=f"gitagent show {found[0]}")

    def remove(self, run: str) -> None:
        """Forget a run, named in full."""
        self._states.remove(run)

    def read(self, run: str, *names: str) -> Mapping[str, str]:
        """Those of the newest recorded files that are named, the others not even read."""
        return self._states.read(self._state(run), names)

    def saved_at(self, run: str) -> datetime:
        """When the run was last recorded, in UTC."""
        return self._states.saved_at(self._state(run))

    def _state(self, run: str) -> str:
        name = self.full_id(run)
        state = self._states.tip(name)
        if state is None:
            raise RequestError(f"run {name} is gone", hint="gitagent log")
        return state
