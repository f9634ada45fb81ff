"""Carrying out a run, a new one or one that is taken up again: what `fix`, `resume` and `bot propose` share."""

import contextlib
import json
import os
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from gitagent.core import intake
from gitagent.core.plan_files import SavedPlan
from gitagent.core.secrets import redacted_in
from gitagent.errors import RequestError
from gitagent.progress import Options
from gitagent.records import Plan, Report, Request

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.config import Config
    from gitagent.ports import Forge, Planner

FORMAT = 1
START = "run.json"
PLAN = "plan.toml"


def options_for(config: "Config", *, candidates: int | None, **more: Any) -> Options:
    """How a run is to be done: by the settings, and by what was said on the command line."""
    from gitagent.cli import building

    more.setdefault("carry_on", not more.get("again", False))
    return Options(
        limits=config.limits(),
        sandbox_limits=config.sandbox_limits(),
        test_command=config.tests.command,
        candidates={"local": candidates or config.local.candidates, "api": candidates or 3},
        template_candidates=config.templates.candidates,
        settings=building.replay_settings(config),
        routing_threshold=config.routing.threshold,
        routing_patience=max(config.routing.patience, 1),
        allow_test_changes=config.tests.allow_changes,
        minimal=config.run.minimal,
        test_first=config.run.test_first,
        **more,
    )


def started(request: Request, flags: Mapping[str, object], more: Mapping[str, object]) -> str:
    """The text of `run.json`: all it takes to begin the run again, credentials taken out of what was said."""
    said = redacted_in({"request": asdict(request), "flags": dict(flags)})
    assert isinstance(said, dict)
    plain = {"format": FORMAT, **said, "options": dict(more)}
    return json.dumps(plain, indent=1) + "\n"


def start_of(run: str, files: Mapping[str, str]) -> tuple[Request, dict[str, Any], dict[str, Any]]:
    """Request, flags and options out of `run.json`. Raises RequestError if it is not there or not ours."""
    try:
        plain = json.loads(files[START])
        if plain["format"] != FORMAT:
            raise ValueError("another format")
        asked = {**plain["request"], "tests": tuple(plain["request"]["tests"])}
        request, flags, more = Request(**asked), dict(plain["flags"]), dict(plain["options"])
        if not all(isinstance(value, str) for name, value in asked.items() if name != "tests"):
            raise ValueError("a field is of the wrong kind")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RequestError(
            f"run {run} was not written down so that it could be taken up again. Nothing was run.",
            hint=f"gitagent show {run}",
        ) from error
    return request, flags, more


def carry_out(
    ctx: click.Context,
    *,
    repository: "GitRepository",
    config: "Config",
    forge: "Forge",
    request: Request,
    options: Options,
    start: str,
    files: Mapping[str, str],
    as_json: bool,
    repo: str,
    explains: bool = False,
    plan: SavedPlan | None = None,
    approval: "Callable[[Callable[[], None]], Callable[[Plan], bool]] | None" = None,
) -> None:
    """Work on a request, tell how it ended, and exit. `files` are what the run has so far.

    `plan` is one that was written down; `approval` makes room on the screen and gives what asks about plans.
    """
    with ended_by_signals() as signals:
        report = carried_out(
            repository=repository,
            config=config,
            forge=forge,
            request=request,
            options=options,
            start=start,
            files=files,
            as_json=as_json,
            explains=explains,
            plan=plan,
            approval=approval,
        )
    if report.state == "interrupted":
        _say_interrupted(report, dry_run=options.dry_run)
        ctx.exit(128 + (signals[0] if signals else signal.SIGINT))
    if not as_json:
        _next_steps(report.pull.number if report.pull else 0, report.run, forge.name, repo)
    ctx.exit(0 if report.state == "proven" else 1)


def carried_out(
    *,
    repository: "GitRepository",
    config: "Config",
    forge: "Forge",
    request: Request,
    options: Options,
    start: str,
    files: Mapping[str, str],
    as_json: bool = False,
    explains: bool = False,
    plan: SavedPlan | None = None,
    planning: "Callable[[Planner], Planner] | None" = None,
    approval: "Callable[[Callable[[], None]], Callable[[Plan], bool]] | None" = None,
    steered: Callable[[], Sequence[str]] = tuple,
) -> Report:
    """Work on a request under the locks of its run and its branch, each step written down; how it ended.

    `planning` makes another planner out of the one that the plan comes from; `steered` gives corrections beside those
    typed and handed over here.
    """
    from gitagent import pipeline
    from gitagent.adapters.git_running import Running
    from gitagent.adapters.git_runs import GitRuns
    from gitagent.cli import building, view
    from gitagent.cli.running import follow_remote
    from gitagent.events import Noted, Stream
    from gitagent.remembering import JournaledSteps

    reader = view.view_for(as_json=as_json, explains=explains)
    stream = Stream(view.OnceStarted(reader))
    running, runs = Running(repository), GitRuns(repository)
    branch = options.branch or intake.branch_of(request)
    branch += f"-dry-run-{options.run}" if options.dry_run else ""
    with contextlib.closing(reader), running.held(options.run, branch):
        steps = JournaledSteps(runs, options.run, files)
        ports = building.ports_for(
            repository, config, stream, forge, steps, lambda: running.stop_asked(options.run)
        )
        if plan is not None:
            ports = replace(
                ports, planners=(ports.planners[0], building.saved_planner(config, plan, repository, stream))
            )
        if planning is not None:
            ports = replace(ports, planners=(ports.planners[0], planning(ports.planners[-1])))
        if approval is not None:
            ports = replace(ports, approves=approval(reader.close))
        if not options.resumed:
            if options.carry_on and not options.dry_run:
                follow_remote(repository, branch)
            runs.save(options.run, {START: start, **files}, f"begun: {request.title}")

        def heard(line: str) -> None:
            stream(Noted(level="info", text=f"told from the next task on: {line}"))

        with _typed(heard, wanted=not as_json and approval is None) as typed:
            ports = replace(ports, steered=lambda: [*running.steered(options.run), *typed(), *steered()])
            return pipeline.pursue(request, ports, options)


@contextlib.contextmanager
def _typed(heard: Callable[[str], None], *, wanted: bool) -> Iterator[Callable[[], list[str]]]:
    """What gives the lines typed at the terminal meanwhile, if there is one and nobody else reads it."""
    if not wanted or not os.isatty(0):
        yield list
        return
    from gitagent.cli.steer import Typed

    typed = Typed(heard=heard)
    typed.start()
    try:
        yield typed.taken
    finally:
        typed.close()


def _say_interrupted(report: Report, *, dry_run: bool) -> None:
    count = 0 if dry_run else len(report.commits)
    kept = f"{count} commit{'s are' if count > 1 else ' is'} kept on {report.commits[-1].branch}" if count else ""
    click.echo(f"interrupted: {kept or 'nothing was committed'}", err=True)
    if kept:
        look = f"git log -p {report.request.base[:12]}..{report.commits[-1].branch}"
        click.echo(f"hint: {look}, or gitagent resume {report.run}", err=True)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[list[int]]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does, sandboxes closed; the list holds the one that came."""
    came: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, frame: object) -> None:
        if not came:
            came.append(number)
            raise KeyboardInterrupt

    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield came
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _next_steps(number: int, run: str, forge: str, repo: str) -> None:
    there = "" if repo == "." else f" --repo {shlex.quote(repo)}"
    if number and forge == "local":
        click.echo(f"\nlook:   gitagent pr diff {number}{there}", err=True)
        click.echo(f"accept: gitagent pr merge {number}{there}", err=True)
    click.echo(f"{'' if number else chr(10)}why:    gitagent show {run}{there}", err=True)
