"""What the proposing job leaves for the publishing one: questions, or a branch in a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING

from gitagent.cli.bot import deciding
from gitagent.core.triggers import Decision, Trigger

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.github_bot import GitHubBot
    from gitagent.proposals import Proposal


def questions(repository: "GitRepository", trigger: Trigger, decision: Decision) -> "Proposal":
    """What a model would like to know before it plans; nothing is run."""
    from gitagent.cli import building, plan, view
    from gitagent.events import Stream
    from gitagent.proposals import Proposal

    config = building.config_for(repository, {})
    stream = Stream(view.view_for(as_json=False))
    model = building.planning_model(config, stream)
    if model is None:
        return Proposal(run="", state="nothing", reason="no model is set up, so nobody can ask back")
    request = deciding.asked(trigger, decision, repository.head().oid)
    found = plan.asking(model, stream, building.index_for(repository), request).all(request)
    if not found:
        return Proposal(run="", state="nothing", reason="nothing is unclear; /gitagent fix begins")
    return Proposal(run="", state=deciding.QUESTIONS, reason="there are questions", body=plan.comment_of(found))


def proposed(
    repository: "GitRepository", forge: "GitHubBot", trigger: Trigger, decision: Decision, target: Path
) -> "Proposal":
    from gitagent.adapters.git_bundle import bundle
    from gitagent.adapters.git_notes import GitNotes
    from gitagent.cli import running
    from gitagent.core import intake
    from gitagent.proposals import BUNDLE, Proposal

    head = repository.head()
    request = deciding.asked(trigger, decision, head.oid)
    branch = trigger.branch if trigger.is_ours else running.branch_of_key(repository, request)
    report = running.run(repository, request, branch=branch, base_branch=head.branch or "main")
    hidden = intake.hidden(trigger.text + trigger.said)
    pull = report.pull
    if pull is None or not report.commits:
        return Proposal(run=report.run, state=report.state, reason=report.reason)
    tip = report.commits[-1].oid
    # Where the base branch has moved on since the branch was begun, it is still what the branch grew from.
    base = str(repository.git.merge_base(head.oid, tip) or head.oid)
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
    )
