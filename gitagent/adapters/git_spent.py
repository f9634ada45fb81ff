"""What questions and plans cost, which are no runs: a sum for each worker, in git under `refs/gitagent/spent`."""

import json
from collections.abc import Mapping

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_shared import edit, texts, texts_under
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
        return ledger.spent_in(texts_under(self._repository, REF).get(_FILE, ""))

    def book(self, spent: tuple[Spending, ...]) -> None:
        """Add what was spent. Raises RepositoryError if it cannot be written."""

        def change(before: str | None) -> Mapping[str, bytes | None]:
            sums = ledger.summed([*ledger.spent_in(texts(self._repository, before).get(_FILE, "")), *spent])
            return {_FILE: (json.dumps({"ledger": as_plain(sums)}, indent=1) + "\n").encode()} if spent else {}

        edit(self._repository, REF, change, "what questions and plans cost", history=False)
