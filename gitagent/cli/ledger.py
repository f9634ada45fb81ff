"""`gitagent ledger`: what all runs of a project cost, by worker."""

import click

from gitagent.cli.printing import one_line, print_json
from gitagent.core import ledger
from gitagent.records import Spending


@click.command("ledger")
@click.argument("run", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def ledger_command(run: str | None, as_json: bool, repo: str) -> None:
    """What all runs of this repository, questions and plans cost, or one RUN: tokens, dollars, seconds, by worker."""
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_runs import GitRuns
    from gitagent.adapters.git_spent import GitSpent
    from gitagent.events import as_plain

    repository = GitRepository(repo)
    runs = GitRuns(repository)
    ids = [runs.full_id(run)] if run else list(runs.ids())
    each = {one: ledger.spent_in(runs.read(one, "report.json").get("report.json", "")) for one in ids}
    beside = () if run else GitSpent(repository).read()
    spent = ledger.summed([*(one for of_run in each.values() for one in of_run), *beside])
    if as_json:
        print_json(
            {
                "runs": [{"run": one, "ledger": as_plain(of_run)} for one, of_run in each.items()],
                "questions_and_plans": as_plain(beside),
                "workers": as_plain(spent),
                "total": as_plain(ledger.total(spent)),
                "stayed_local": ledger.share_here(spent),
            }
        )
        return
    asked = sum(1 for of_run in each.values() if ledger.tokens_of(of_run))
    calls = ledger.total(beside).calls
    told = f", and {calls} call{'' if calls == 1 else 's'} for questions and plans" if calls else ""
    click.echo(f"{len(ids)} run{'' if len(ids) == 1 else 's'}, {asked} of them asked a model{told}")
    if spent:
        click.echo(f"{'worker':12}{'calls':>7}{'prompt':>12}{'answer':>12}{'dollars':>12}{'seconds':>10}")
        for one in (*spent, ledger.total(spent)):
            click.echo(_line(one))
    click.echo(ledger.share_in_words(spent))


def _line(spent: Spending) -> str:
    numbers = f"{spent.calls:>7,}{spent.prompt_tokens:>12,}{spent.answer_tokens:>12,}"
    return f"{one_line(spent.worker, 11):12}{numbers}{spent.dollars:>12.4f}{spent.seconds:>10.1f}"
