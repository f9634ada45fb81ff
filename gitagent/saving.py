"""The record of a run while it goes on, kept in git under `refs/gitagent/runs/<id>`, credentials taken out."""

import json
import time
from collections.abc import Callable, Mapping

from gitagent.core.secrets import redacted_in
from gitagent.events import Event, as_json, as_plain
from gitagent.ports import Runs
from gitagent.records import Report


class Journal:
    """Hears every event and writes them down together with the newest report."""

    def __init__(self, runs: Runs, run: str, more: Callable[[], Mapping[str, str]] = dict) -> None:
        """`more` gives further files of the run as they are by then."""
        self._runs, self._run, self._more = runs, run, more
        self._began = time.monotonic()
        self._lines: list[str] = []

    def heard(self, event: Event) -> None:
        """Remember an event; it reaches git with the next save."""
        self._lines.append(json.dumps(redacted_in(as_json(event, time.monotonic() - self._began))))

    def save(self, report: Report) -> None:
        """Write `report.json`, `events.jsonl` and, once there is one, `plan.json` as the run's newest state."""
        files = {
            "report.json": json.dumps(redacted_in(as_plain(report)), indent=1) + "\n",
            "events.jsonl": "".join(line + "\n" for line in self._lines),
        }
        if report.plan is not None:
            files["plan.json"] = json.dumps(redacted_in(as_plain(report.plan)), indent=1) + "\n"
        files |= self._more()
        self._runs.save(self._run, files, f"{report.state}: {report.request.title}")
