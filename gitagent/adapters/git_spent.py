"""What questions and plans cost, which are no runs: a sum for each worker, in git under `refs/gitagent/spent`."""

import json
from collections.abc import Mapping

import pygit2

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_objects import refusals
from gitagent.adapters.git_shared import edit
from gitagent.core import ledger
from gitagent.events import as_plain
from gitagent.records import Spending

REF = "refs/gitagent/spent"
_FILE = "ledger.json"


class GitSpent:
    """The sums of one repository."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository

    def read(self) -> tuple[Spending, ...]:
        """One sum for each worker."""
        tip = self._repository.tip_of(REF)
        return self._of(self._repository.tree(tip) if tip else None)

    def book(self, spent: tuple[Spending, ...]) -> None:
        """Add what was spent. Raises RepositoryError if it cannot be written."""

        def change(before: str | None) -> Mapping[str, bytes | None]:
            sums = ledger.summed([*self._of(before), *spent])
            return {_FILE: (json.dumps({"ledger": as_plain(sums)}, indent=1) + "\n").encode()} if spent else {}

        edit(self._repository, REF, change, "what questions and plans cost", history=False)

    def _of(self, tree: str | None) -> tuple[Spending, ...]:
        if tree is None:
            return ()
        with refusals("what was spent cannot be read"):
            files = [
                one for one in self._repository.git[tree] if one.name == _FILE and isinstance(one, pygit2.Blob)
            ]
            return ledger.spent_in(files[0].data.decode("utf-8", "replace")) if files else ()
