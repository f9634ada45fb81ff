"""`gitagent resume`: a run that was cut short goes on where it stopped."""

import click

from gitagent.errors import RequestError


@click.command("resume")
@click.argument("run", required=False)
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line (docs/events.md).")
@click.pass_context
def resume_command(ctx: click.Context, run: str | None, repo: str, as_json: bool) -> None:
    """Go on with a run that was killed, interrupted or stopped by an error.

    RUN may be the beginning of its id; without it, the newest unfinished run. What it has paid for is not paid
    again: it has the same request, base, options and limits, and what it spent before counts.

    Exit codes as of `gitagent fix`; 0 at once if the run is proven already.
    """
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_running import Running
    from gitagent.adapters.git_runs import GitRuns
    from gitagent.cli import building, carrying, forges
    from gitagent.cli.plan import approval
    from gitagent.cli.runs import condition
    from gitagent.core import plan_files

    repository = GitRepository(repo)
    runs, live = GitRuns(repository), Running(repository)
    live.sweep()
    if run is None:
        unfinished = [one for one in runs.ids() if condition(runs, live, one) == "stopped"]
        if not unfinished:
            raise RequestError("no run was cut short, so there is none to go on with.", hint="gitagent status")
        run = unfinished[0]
    run = runs.full_id(run)
    files = runs.load(run)
    if condition(runs, live, run) == "finished":
        click.echo(f"run {run} is finished; nothing was run.\nwhy:    gitagent show {run}", err=True)
        ctx.exit(0)
    request, flags, more = carrying.start_of(run, files)
    config = building.config_for(repository, flags)
    plan = plan_files.read(files[carrying.PLAN], carrying.PLAN) if carrying.PLAN in files else None
    carrying.carry_out(
        ctx,
        repository=repository,
        config=config,
        forge=forges.forge_for(repository, config),
        request=request,
        options=carrying.options_for(config, run=run, resumed=True, **more),
        start="",
        files=files,
        as_json=as_json,
        repo=repo,
        plan=plan,
        approval=approval(yes=False) if more.get("approve_plan") else None,
    )
