"""Lasting facts and the last turns of questions, kept in git under `refs/gitagent/memory` and `refs/gitagent/asked`."""

from collections.abc import Mapping

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_shared import edit, texts, texts_under
from gitagent.core import memory
from gitagent.core.memory import Fact, Turn
from gitagent.errors import RequestError

FACTS = "refs/gitagent/memory"
TURNS = "refs/gitagent/asked"
_FILE = "turns.json"


class GitMemory:
    """Facts, one file each, so that two who add at once both get theirs in."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository

    def facts(self) -> tuple[Fact, ...]:
        """All facts, by priority."""
        return memory.read(texts_under(self._repository, FACTS))

    def add(self, one: Fact) -> None:
        """Keep a fact. Raises RequestError if there are too many."""

        def change(before: str | None) -> Mapping[str, bytes | None]:
            known = texts(self._repository, before)
            if len(known) >= memory.MOST_FACTS and f"{one.id}.json" not in known:
                raise RequestError(
                    f"{len(known)} facts are kept, which is the most. Nothing was kept.",
                    hint="gitagent memory list",
                )
            return {f"{one.id}.json": memory.written(one).encode()}

        edit(self._repository, FACTS, change, f"remember: {one.text[:60]}", history=True)

    def forget(self, prefix: str) -> Fact:
        """Take the fact away that this begins the id of. Raises RequestError if none or more than one does."""
        found = [one for one in self.facts() if prefix and one.id.startswith(prefix)]
        if len(found) != 1:
            said = "no fact" if not found else f"{len(found)} facts"
            raise RequestError(f"{said} has an id that begins with {prefix!r}. Nothing was changed.",
                               hint="gitagent memory list")  # fmt: skip
        path = f"{found[0].id}.json"
        edit(self._repository, FACTS, lambda before: {path: None} if path in texts(self._repository, before) else {},
             f"forget: {found[0].text[:60]}", history=True)  # fmt: skip
        return found[0]

    def turns(self) -> tuple[Turn, ...]:
        """The last questions and answers, oldest first."""
        return memory.turns_of(texts_under(self._repository, TURNS).get(_FILE, "[]"))

    def asked(self, turn: Turn) -> None:
        """Remember a question and its answer; the oldest go."""

        def change(before: str | None) -> Mapping[str, bytes | None]:
            known = memory.turns_of(texts(self._repository, before).get(_FILE, "[]"))
            return {_FILE: memory.turns_written((*known, turn)).encode()}

        edit(self._repository, TURNS, change, "a question and its answer", history=False)
