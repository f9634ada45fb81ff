"""`python -m tests.killing before|after|count|log N COMMAND…`: `gitagent`, killed at its N-th write to the journal.

It is the product's own command line over ports that count, so nothing in the product knows of it. With `count` nobody
is killed and the number of writes is put into the file N. Test runs that were paid for are told in the file that
the variable KILLING_LOG names, a line each, once they are written down.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from gitagent.adapters import git_runs, git_verdicts
from gitagent.records import TestRun

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


class CountedVerdicts(git_verdicts.GitVerdicts):
    """Test runs that are told to whoever counts them."""

    def put(self, run: TestRun, *, turn: int = 0, maker: str = "") -> None:
        super().put(run, turn=turn, maker=maker)
        with open(os.environ["KILLING_LOG"], "a", encoding="utf-8") as log:
            log.write(f"{(run.tree, run.argv, turn)}\n")


if __name__ == "__main__":
    git_runs.GitRuns = CountedRuns  # type: ignore[misc]
    git_verdicts.GitVerdicts = CountedVerdicts  # type: ignore[misc]
    from gitagent.cli import main

    main(sys.argv[3:], prog_name="gitagent")
