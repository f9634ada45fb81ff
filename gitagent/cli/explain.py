"""`gitagent explain FILE:LINE`: which run changed a line, for whom, by which worker, and what the tests said."""

import json
import re
from typing import Any

import click

from gitagent.cli.printing import one_line, print_json
from gitagent.errors import GitagentError, RequestError


@click.command("explain")
@click.argument("place", metavar="FILE:LINE")
@click.option("--rev", default="HEAD", show_default=True, help="The line as it is in this commit.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def explain_command(place: str, rev: str, as_json: bool, repo: str) -> None:
    """Say why a line is as it is: the run, task, request, worker and verdict of the commit that wrote it."""
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_runs import GitRuns
    from gitagent.adapters.git_worktrees import run_git

    path, _, number = place.rpartition(":")
    if not path or not re.fullmatch(r"[1-9][0-9]{0,8}", number):
        raise RequestError(f"{place!r} names no line, expected FILE:LINE.", hint="gitagent explain src/app.py:12")
    repository = GitRepository(repo)
    commit = repository.resolve(rev)
    said = run_git(repository.directory, "blame", "--porcelain", "-L", f"{number},{number}", commit, "--", path)
    if said.returncode:
        reason = next((line for line in said.stderr.split("\n") if line), "git blame failed").removeprefix(
            "fatal: "
        )
        raise RequestError(f"{place}: {one_line(reason, 200)}.", hint=f"git show {rev}:{path}")
    oid = said.stdout[:40]
    message = repository.message(oid)
    told: dict[str, Any] = {"commit": oid, "subject": message.partition("\n")[0], "author": repository.author(oid)}
    trailers = dict(re.findall(r"^Gitagent-([A-Z][a-z]+): (.*)$", message, re.MULTILINE))
    told |= {name.lower(): value for name, value in trailers.items()}
    if "Run" in trailers:
        told |= _of_run(GitRuns(repository), trailers["Run"])
    note = run_git(repository.directory, "notes", "--ref=gitagent", "show", oid)
    told["note"] = note.stdout.strip() if note.returncode == 0 else ""
    if as_json:
        print_json(told)
        return
    click.echo(f"{click.style(oid[:12], bold=True)} {one_line(told['subject'])}")
    if "Run" not in trailers:
        click.echo(f"  by {one_line(told['author'])}, not by a run")
        return
    for name in ("asked", "request", "task", "worker", "model", "prompt", "tokens", "verdict", "pull", "run"):
        if told.get(name):
            click.echo(f"  {name:<8} {one_line(str(told[name]), 160)}")
    if told["note"]:
        click.echo(f"  note     git notes --ref=gitagent show {oid[:12]}")


def _of_run(runs: Any, run: str) -> dict[str, str]:
    """What was asked and where the pull request is, as far as the run is still written down."""
    try:
        report = json.loads(runs.read(run, "report.json").get("report.json", ""))
        pull = report.get("pull") or {}
        return {"asked": str(report["request"]["text"]).strip(), "pull": str(pull.get("url", ""))}
    except (GitagentError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
