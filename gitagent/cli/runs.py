"""`gitagent status`, `stop`, `undo` and `prune`: what has become of runs, and what shall."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from gitagent.cli.printing import one_line, print_json
from gitagent.errors import RepositoryError, RequestError

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_running import Running
    from gitagent.adapters.git_runs import GitRuns

COLOURS = {"under way": "cyan", "stopped": "yellow", "finished": "green"}
_TRAILER = "\nGitagent-Run: "


def report_of(runs: "GitRuns", run: str) -> dict[str, Any]:
    """The run's newest report as data, empty if there is none yet."""
    return _read(runs, run, "report.json")


def condition(runs: "GitRuns", running: "Running", run: str) -> str:
    """ "under way" while its process lives, "finished" once it came to its end by itself, else "stopped"."""
    if running.is_live(run):
        return "under way"
    return "finished" if report_of(runs, run).get("ended") is True else "stopped"


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "-n", "most", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many runs."
)
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def status_command(as_json: bool, most: int, repo: str) -> None:
    """Say which runs are under way, which were cut short, and which are finished; newest first."""
    _, runs, running = _opened(repo)
    rows = [
        {"run": run, "condition": condition(runs, running, run), "title": _title(runs, run)}
        for run in runs.ids()[:most]
    ]
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo('No runs yet. One begins with: gitagent fix "what is wrong"', err=True)
    wide = max((len(row["run"]) for row in rows), default=0)
    for row in rows:
        state = click.style(row["condition"].ljust(9), fg=COLOURS[row["condition"]])
        click.echo(f"{row['run']:<{wide}}  {state}  {one_line(row['title'], 72)}")
    stopped = [row["run"] for row in rows if row["condition"] == "stopped"]
    if stopped:
        click.echo(f"hint: gitagent resume {stopped[0]}", err=True)


@click.command("stop")
@click.argument("run")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def stop_command(run: str, repo: str) -> None:
    """Ask a run that is under way to stop at its next step; what is proven by then is kept and published."""
    _, runs, running = _opened(repo)
    run = runs.full_id(run)
    if not running.ask_to_stop(run):
        raise RequestError(f"run {run} is not under way. Nothing was changed.", hint="gitagent status")
    click.echo(f"run {run} was asked to stop; it goes on with gitagent resume {run}", err=True)


@click.command("undo")
@click.argument("run")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def undo_command(run: str, repo: str) -> None:
    """Take a run's branch and its local pull request back. What is written down of the run stays.

    Refused if somebody else committed on the branch. No other branch is touched.
    """
    from gitagent.adapters.git import GitBranches
    from gitagent.adapters.local_forge import LocalForge

    repository, runs, running = _opened(repo)
    run = runs.full_id(run)
    commits = report_of(runs, run).get("commits")
    branches = (
        {each.get("branch") for each in commits if isinstance(each, dict)} if isinstance(commits, list) else {}
    )
    branch = next((name for name in branches if isinstance(name, str) and name.startswith("gitagent/")), "")
    tip = repository.tip_of(f"refs/heads/{branch}") if branch else None
    if not tip:
        raise RequestError(f"run {run} has no branch. Nothing was changed.", hint=f"gitagent show {run}")
    with running.held(run, branch):
        forge = LocalForge(repository)
        pulls = [pull for pull in forge.pulls("all") if pull.branch == branch]
        if any(pull.state == "merged" and pull.tip == tip for pull in pulls):
            raise RepositoryError(
                f"{branch} is merged already. Nothing was changed", hint="git revert -m 1 COMMIT"
            )
        base = str((_dict(report_of(runs, run), "request")).get("base", ""))
        foreign = _foreign(repository, base, tip)
        if foreign:
            raise RepositoryError(
                f"{branch} has commit {foreign[:12]}, which no run made. Nothing was changed",
                hint=f"git log {base[:12]}..{branch}",
            )
        GitBranches(repository).drop(branch, tip)
        for pull in pulls:
            if pull.state == "open":
                forge.close(pull.number)
    click.echo(f"{branch} is gone; it was at {tip[:12]} (git branch {branch} {tip[:12]} brings it back)", err=True)


@click.command("prune")
@click.option("--keep", type=click.IntRange(min=0), help="Keep so many of the newest runs.")
@click.option("--older-than", "days", type=click.FloatRange(min=0), metavar="DAYS", help="Remove only older ones.")
@click.option("--dry-run", is_flag=True, help="Only name them.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def prune_command(keep: int | None, days: float | None, dry_run: bool, repo: str) -> None:
    """Remove what is written down of old runs; branches and pull requests stay, and so do runs under way."""
    if keep is None and days is None:
        raise RequestError(
            "which runs are old was not said. Nothing was removed.", hint="gitagent prune --keep 50"
        )
    _, runs, running = _opened(repo)
    before = datetime.now(UTC) - timedelta(days=days or 0)
    for run in runs.ids()[keep or 0 :]:
        if running.is_live(run) or (days is not None and runs.saved_at(run) > before):
            continue
        if not dry_run:
            runs.remove(run)
        click.echo(run)


def _foreign(repository: "GitRepository", base: str, tip: str) -> str:
    """The newest commit between base and tip that no run made, "" if there is none."""
    for oid in repository.between(base, tip):
        if _TRAILER not in repository.message(oid):
            return oid
    return ""


def _opened(repo: str) -> "tuple[GitRepository, GitRuns, Running]":
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_running import Running
    from gitagent.adapters.git_runs import GitRuns

    repository = GitRepository(repo)
    return repository, GitRuns(repository), Running(repository)


def _title(runs: "GitRuns", run: str) -> str:
    """The first line of what was asked."""
    for name in ("report.json", "run.json"):
        text = _dict(_read(runs, run, name), "request").get("text")
        if isinstance(text, str) and text.strip():
            return text.strip().split("\n")[0]
    return ""


def _read(runs: "GitRuns", run: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(runs.read(run, name).get(name, ""))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _dict(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}
