"""What has become of runs: under way, stopped or finished."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitagent.adapters.git_running import Running
    from gitagent.adapters.git_runs import GitRuns


def report_of(runs: "GitRuns", run: str) -> dict[str, Any]:
    """The run's newest report as data, empty if there is none yet."""
    try:
        found = json.loads(runs.read(run, "report.json").get("report.json", ""))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def condition(runs: "GitRuns", running: "Running", run: str) -> str:
    """ "under way" while its process lives, "finished" once it came to its end by itself, else "stopped"."""
    if running.is_live(run):
        return "under way"
    return "finished" if report_of(runs, run).get("ended") is True else "stopped"
