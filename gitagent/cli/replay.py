"""`gitagent replay RUN`: the same questions to the same workers, and whether the same diffs come out."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from gitagent.cli.printing import one_line, print_json
from gitagent.errors import RequestError

if TYPE_CHECKING:
    from gitagent.config import Config
    from gitagent.ports import Worker


@click.command("replay")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.pass_context
def replay_command(ctx: click.Context, run: str, as_json: bool, repo: str) -> None:
    """Ask the repair patterns and the local model again what RUN asked them, and compare the diffs.

    Nothing is run, committed or sent. Exit code 0: the same diffs. 1: something differs, and is named.
    """
    from gitagent import recording, replaying
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_runs import GitRuns
    from gitagent.cli.building import REPLAYED, config_for

    repository = GitRepository(repo)
    runs = GitRuns(repository)
    run = runs.full_id(run)
    try:
        settings, calls = recording.read(runs.read(run, recording.FILE).get(recording.FILE, ""))
    except ValueError as error:
        raise RequestError(f"run {run}: {error}. Nothing was changed.", hint=f"gitagent show {run}") from error
    here = [call for call in calls if call.worker in ("templates", "local")]
    if not here:
        who = "only an endpoint was asked, which promises nothing" if calls else "no worker was asked"
        raise RequestError(f"run {run} cannot be replayed: {who}.", hint=f"gitagent show {run}")
    config = config_for(repository, {name: settings[name] for name in REPLAYED if name in settings})
    workers = _workers(config, {call.worker for call in here})
    found = []
    for result in replaying.replayed(calls, workers, repository.read):
        found.append(result)
        if not as_json:
            mark = "✘" if result.differs else "✔"
            told = one_line(result.differs) or f"{result.same} of {result.diffs} diffs the same"
            click.echo(f"{mark} {result.worker} at {one_line(result.path)}, task {one_line(result.task)}: {told}")
    left = len(calls) - len(found)
    same = not any(result.differs for result in found)
    if as_json:
        print_json({"run": run, "same": same, "calls": [asdict(result) for result in found], "not_replayed": left})
    else:
        if left:
            click.echo(f"· {left} question{'s' if left > 1 else ''} to an endpoint left out: it promises nothing")
        click.echo("the same diffs" if same else "not the same")
    ctx.exit(0 if same else 1)


def _workers(config: "Config", names: set[str]) -> Mapping[str, "Worker"]:
    from gitagent.cli.building import replay_workers

    if "local" in names and not config.local.model:
        raise RequestError(
            "the run asked a local model, and none is set here. Nothing was asked.",
            hint="export GITAGENT_LOCAL_MODEL=/path/to/model.gguf",
        )
    return {name: worker for name, worker in replay_workers(config).items() if name in names}
