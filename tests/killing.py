"""`python -m tests.killing before|after|count N COMMAND…`: `gitagent`, killed at its N-th write to the journal.

It is the product's own command line over a `Runs` port that counts, so nothing in the product knows of it. With
`count` nobody is killed and the number of writes is appended to the file N.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from gitagent.adapters import git_runs

MODE, WHERE = sys.argv[1], sys.argv[2]


class CountedRuns(git_runs.GitRuns):
    """Runs that end their own process, as `kill -9` would, just before or just after a write."""

    written = 0

    def save(self, run: str, files: Mapping[str, str], message: str) -> None:
        type(self).written += 1
        self._fall("before")
        super().save(run, files, message)
        self._fall("after")
        if MODE == "count":
            Path(WHERE).write_text(str(self.written))

    def _fall(self, moment: str) -> None:
        if moment == MODE and self.written == int(WHERE):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    git_runs.GitRuns = CountedRuns  # type: ignore[misc]
    from gitagent.cli import main

    main(sys.argv[3:], prog_name="gitagent")
