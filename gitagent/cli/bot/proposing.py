"""What the proposing job leaves for the publishing one: questions, a plan, or a branch in a bundle."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitagent.cli.bot import deciding
from gitagent.cli.printing import one_line
from gitagent.errors import RequestError

if TYPE_CHECKING:
    from gitagent.cli.bot.deciding import Asked
    from gitagent.cli.bot.runner import Site
    from gitagent.ports import Planner
    from gitagent.proposals import Proposal
    from gitagent.records import Plan, Report, Request

PLAN, OUTDATED, FAILED = "plan", "outdated", "failed"


def planned(site: "Site", asked: "Asked", target: Path) -> "Proposal":
    """What a model would like to know before it plans, nothing run then; else a plan that waits for approval."""
    from gitagent.cli import building, plan, view
    from gitagent.core import intake, questioning
    from gitagent.events import Stream
    from gitagent.proposals import Proposal

    repository = site.repository
    request = asked.request(repository.head().oid)
    config = building.config_for(repository, {})
    stream = Stream(view.view_for(as_json=False))
    model = building.planning_model(config, stream)
    said = site.forge.answers(asked.number, deciding.QUESTIONS)
    if said:
        asking = site.forge.comment(asked.number, deciding.QUESTIONS)
        request = questioning.heard(request, asking.body if asking else "", [intake.clean(one) for one in said])
    elif said is None and model is not None:
        found = plan.asking(
            model, stream, building.index_for(repository), request, tight=config.run.mode != "api"
        ).all(request)
        if found:
            body = plan.comment_of(found)
            return Proposal(run="", state=deciding.QUESTIONS, reason="there are questions", body=body)
    return only_plan(site, asked, target, request)


def only_plan(site: "Site", asked: "Asked", target: Path, request: "Request | None" = None) -> "Proposal":
    """A plan for what is asked, and no code; where nothing but a proof was left to do, that."""
    from gitagent.adapters.plan_files import text_of
    from gitagent.approving import NotingPlanner
    from gitagent.proposals import Proposal

    if not asked.number:
        raise RequestError(
            "a plan is approved where it was asked for, and this was asked on no issue. Nothing was run.",
            hint="label an issue, or run the workflow with the number of one",
        )
    request = request or asked.request(site.repository.head().oid)
    noting: list[NotingPlanner] = []
    plans: list[Plan] = []

    def planning(planner: "Planner") -> "Planner":
        noting.append(NotingPlanner(planner))
        return noting[-1]

    def approval(_: Callable[[], None]) -> Callable[["Plan"], bool]:
        def waits(plan: "Plan") -> bool:
            plans.append(plan)
            raise RequestError("the plan waits for approval. Nothing was committed.")

        return waits

    flags = {"run.test_first": False}
    try:
        report, _ = _run(site, asked, request, planning=planning, approval=approval, flags=flags)
    except RequestError:
        if not plans:
            raise
        text = text_of(plans[0], request, "plan.toml")
        reason, digests = "a plan waits for approval", json.dumps(noting[-1].digests)
        return Proposal(run="", state=PLAN, reason=reason, plan=text, digests=digests)
    return _proposal(site, asked, report, (), target)


def proposed(site: "Site", asked: "Asked", target: Path) -> "Proposal":
    """What the pipeline makes of what is asked: of the approved plan, where one was."""
    from gitagent.approving import ApprovedPlanner

    plan = asked.plan
    request = asked.request(site.repository.head().oid)
    if plan is None:
        return _proposal(site, asked, *_run(site, asked, request), target)

    def planning(planner: "Planner") -> "Planner":
        return ApprovedPlanner(planner, plan)

    return _proposal(site, asked, *_run(site, asked, request, planning=planning), target)


def _run(
    site: "Site",
    asked: "Asked",
    request: "Request",
    *,
    planning: "Callable[[Planner], Planner] | None" = None,
    approval: "Callable[[Callable[[], None]], Callable[[Plan], bool]] | None" = None,
    flags: "Mapping[str, object] | None" = None,
) -> "tuple[Report, Sequence[int]]":
    """How the run ended, and the comments that it took up."""
    from gitagent.cli import running
    from gitagent.cli.bot.steering import Listening

    repository, trigger = site.repository, asked.trigger
    listening = Listening(site.listening, asked, lambda words: click.echo(one_line(words), err=True))
    report = running.run(
        repository,
        request,
        branch=trigger.branch if trigger.is_ours else running.branch_of_key(repository, request),
        base_branch=repository.head().branch or "main",
        plan=asked.plan.saved if asked.plan else None,
        planning=planning,
        approval=approval,
        steered=listening,
        flags=flags or {},
    )
    return report, listening.heard


def _proposal(site: "Site", asked: "Asked", report: "Report", heard: "Sequence[int]", target: Path) -> "Proposal":
    from gitagent.adapters.git_bundle import bundle
    from gitagent.adapters.git_notes import GitNotes
    from gitagent.core import intake
    from gitagent.proposals import BUNDLE, Proposal

    repository, trigger = site.repository, asked.trigger
    steered = " ".join(map(str, heard))
    hidden = intake.hidden(trigger.text + trigger.said)
    pull = report.pull
    if pull is None or not report.commits:
        return Proposal(run=report.run, state=report.state, reason=report.reason, steered=steered)
    head, tip = repository.head().oid, report.commits[-1].oid
    # Where the base branch has moved on since the branch was begun, it is still what the branch grew from.
    base = str(repository.git.merge_base(head, tip) or head)
    bundle(repository, pull.branch, base, target / BUNDLE)
    note = f"\n\nNot read, because a human would not see it: {', '.join(hidden)}.\n" if hidden else ""
    return Proposal(
        run=report.run,
        state=report.state,
        reason=report.reason,
        title=pull.title,
        body=pull.body + note,
        branch=pull.branch,
        base=base,
        tip=tip,
        certificate=GitNotes(repository).read(tip) or "",
        steered=steered,
    )
