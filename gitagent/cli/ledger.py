"""`gitagent ledger`: what all runs of a project cost, by worker."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from gitagent.cli.printing import one_line, print_json
from gitagent.core import ledger
from gitagent.records import Spending


@click.command("ledger")
@click.argument("run", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def ledger_command(run: str | None, as_json: bool, repo: str) -> None:
    """What all runs of this repository cost, or one RUN: tokens, dollars and seconds, by worker."""
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_runs import GitRuns
    from gitagent.events import as_plain

    runs = GitRuns(GitRepository(repo))
    ids = [runs.full_id(run)] if run else list(runs.ids())
    each = {one: spent_in(runs.read(one, "report.json").get("report.json", "")) for one in ids}
    spent = ledger.summed(one for of_run in each.values() for one in of_run)
    if as_json:
        print_json(
            {
                "runs": [{"run": one, "ledger": as_plain(of_run)} for one, of_run in each.items()],
                "workers": as_plain(spent),
                "total": as_plain(ledger.total(spent)),
                "stayed_local": ledger.share_here(spent),
            }
        )
        return
    asked = sum(1 for of_run in each.values() if ledger.tokens_of(of_run))
    click.echo(f"{len(ids)} run{'' if len(ids) == 1 else 's'}, {asked} of them asked a model")
    if spent:
        click.echo(f"{'worker':12}{'calls':>7}{'prompt':>12}{'answer':>12}{'dollars':>12}{'seconds':>10}")
        for one in (*spent, ledger.total(spent)):
            click.echo(_line(one))
    click.echo(ledger.share_in_words(spent))


def _line(spent: Spending) -> str:
    numbers = f"{spent.calls:>7,}{spent.prompt_tokens:>12,}{spent.answer_tokens:>12,}"
    return f"{one_line(spent.worker, 11):12}{numbers}{spent.dollars:>12.4f}{spent.seconds:>10.1f}"


def spent_in(report: str) -> tuple[Spending, ...]:
    """The ledger in a recorded report; whatever is no ledger is none."""
    try:
        told = json.loads(report)
    except (ValueError, RecursionError):
        return ()
    entries = told.get("ledger") if isinstance(told, dict) else None
    return tuple(_spendings(entries if isinstance(entries, list) else []))


def _spendings(entries: list[Any]) -> Iterator[Spending]:
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("worker"), str):
            yield Spending(
                worker=entry["worker"],
                calls=int(_number(entry, "calls")),
                prompt_tokens=int(_number(entry, "prompt_tokens")),
                answer_tokens=int(_number(entry, "answer_tokens")),
                dollars=_number(entry, "dollars"),
                seconds=_number(entry, "seconds"),
                stays_here=entry.get("stays_here", entry["worker"] == "local") is True,
            )


def _number(entry: Mapping[str, Any], name: str) -> float:
    value = entry.get(name)
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e12 else 0.0
