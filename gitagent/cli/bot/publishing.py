"""What the publishing job does: hold a proposal against the policy, push it, take it back, explain it."""

from pathlib import Path
from typing import TYPE_CHECKING

from gitagent.cli.bot import deciding, proposing, telling
from gitagent.errors import GitagentError, RequestError

if TYPE_CHECKING:
    from gitagent.approving import WaitingPlan
    from gitagent.cli.bot.deciding import Asked
    from gitagent.cli.bot.runner import Site
    from gitagent.proposals import Checked, Policy, Proposal
    from gitagent.records import PullRequest


def checked(
    site: "Site", asked: "Asked", proposal: "Proposal", directory: Path, base_branch: str, policy: "Policy"
) -> "Checked":
    """The proposal held against what was asked, the commits that came with it, and the policy."""
    from gitagent import proposals
    from gitagent.adapters.git_bundle import commits_between, is_ancestor, unbundle

    repository = site.repository
    tip = unbundle(repository, directory / proposals.BUNDLE, proposal.branch)
    remote = repository.tip_of(f"refs/remotes/origin/{proposal.branch}")
    line = repository.tip_of(f"refs/remotes/origin/{base_branch}") or repository.head().oid
    try:
        base = repository.resolve(proposal.base)
    except GitagentError:
        base = ""
    return proposals.check(
        proposal,
        repository,
        key=asked.request(tip).key,
        tip=tip,
        commits=commits_between(repository, base, tip) if base else [],
        on_base=bool(base) and is_ancestor(repository, base, line),
        builds_on=lambda commit: bool(base) and is_ancestor(repository, commit, tip),
        remote_tip=remote,
        policy=policy,
        planned=asked.plan.paths if asked.plan else None,
    )


def publish(
    site: "Site", asked: "Asked", proposal: "Proposal", found: "Checked", base_branch: str, said: str
) -> "PullRequest":
    """Push and open; whether it counts as proven is our own finding, not the proposal's word.

    `said` is what became of corrections that came meanwhile.
    """
    from gitagent.records import PullRequest

    forge = site.forge
    title = proposal.title.removeprefix("[unproven] ")
    body = f"{said}\n\n{proposal.body}" if said else proposal.body
    if asked.plan is not None:
        body = f"> {_approval(asked, asked.plan)}\n\n{body}"
    if found.unproven:
        title = f"[unproven] {title}"
        body = f"> Not proven: {telling.plain(found.unproven)}\n\n{body}"
    pull = forge.publish(
        PullRequest(
            title=title,
            body=body,
            branch=proposal.branch,
            base_branch=base_branch,
            base=proposal.base,
            tip=proposal.tip,
            key=proposal.key,
        )
    )
    state = "failure" if found.unproven else "success"
    words = telling.plain(found.unproven) if found.unproven else "red tests went green, and nothing else broke"
    forge.status(proposal.tip, state=state, description=words)
    shown = "a draft that is not proven" if found.unproven else "a proven draft"
    if proposal.key.isdecimal():
        telling.ended(site, int(proposal.key), f"{telling.boxes(3)}\n\nThere is {shown}: #{pull.number}.")
    if asked.plan is not None:
        use_up(site, asked, asked.plan, f"There is {shown}: #{pull.number}.")
    return pull


# -- plans ---------------------------------------------------------------------------------------------------


def post_plan(site: "Site", asked: "Asked", proposal: "Proposal") -> str:
    """Keep a plan where only who can write here could change it, and show it; its name.

    Raises RequestError if it is none, or cannot be shown whole.
    """
    from gitagent import approving

    plan = approving.made(asked.number, proposal.plan, proposal.digests, is_pull=asked.trigger.is_pull)
    shown = approving.shown(plan)
    try:
        before = deciding.waiting_plan(site, asked.number)
    except RequestError:
        before = None  # what is there is none of ours, and gives way
    site.plans.put(asked.number, plan.files)
    site.forge.say(asked.number, deciding.key_of(plan), shown)
    if before is not None:
        words = f"This plan is out of date: `{plan.name}` has taken its place."
        site.forge.say(asked.number, deciding.key_of(before), words)
    return plan.name


def use_up(site: "Site", asked: "Asked", plan: "WaitingPlan", outcome: str) -> None:
    """Let no approval of the plan count again; what it said stays to be read."""
    from gitagent import approving

    site.plans.drop(plan.number, plan.oid)
    words = approving.shown(plan, f"{_approval(asked, plan)} {outcome}")
    site.forge.say(plan.number, deciding.key_of(plan), words)


def _approval(asked: "Asked", plan: "WaitingPlan") -> str:
    how = "" if asked.trigger.said else ", with a 👍"
    return f"Plan `{plan.name}` was approved by @{telling.login(asked.trigger.actor)}{how}."


def tell_outcome(site: "Site", asked: "Asked", proposal: "Proposal", said: str) -> None:
    """Say why there is nothing to publish. A plan that cannot lead anywhere waits no longer."""
    words = f"No change came of it: {telling.plain(proposal.reason)}"
    telling.tell(site, asked, f"{words}\n\n{said}".rstrip())
    if asked.plan is not None and proposal.state != proposing.FAILED:
        use_up(site, asked, asked.plan, words)


# -- undo and explain ----------------------------------------------------------------------------------------


def undo(site: "Site", asked: "Asked") -> None:
    """Close the pull request and delete its branch, unless somebody else has committed on it."""
    from gitagent.adapters.git_bundle import commits_between

    forge, repository = site.forge, site.repository
    pulls = [pull for pull in forge.pulls("open") if pull.key == asked.key]
    for pull in pulls:
        tip = repository.tip_of(f"refs/remotes/origin/{pull.branch}")
        others = [
            oid for oid in (commits_between(repository, pull.base, tip) if tip else [])
            if "\nGitagent-Run: " not in repository.message(oid)
        ]  # fmt: skip
        forge.close(pull.number)
        if others or not tip:
            words = (
                f"Closed. The branch stays: {len(others)} of its commits are not gitagent's."
                if others
                else "Closed."
            )
        else:
            forge.delete_branch(pull.branch)
            words = f"Closed, and the branch deleted; it was at {tip}."
        forge.say(pull.number, "undo", f"{words} Asked by @{telling.login(asked.trigger.actor)}.")
    if not pulls and asked.number:
        forge.say(asked.number, "undo", "There is no open pull request of gitagent's to take back.")


def explain(site: "Site", asked: "Asked") -> None:
    """What each commit of the pull request did and why, from its own message."""
    from gitagent.adapters.git_bundle import commits_between
    from gitagent.core.texts import fenced

    forge, repository = site.forge, site.repository
    pulls = [pull for pull in forge.pulls("all") if str(asked.number) in (pull.key, str(pull.number))]
    tip = repository.tip_of(f"refs/remotes/origin/{pulls[0].branch}") if pulls else ""
    parts = [
        f"{oid[:12]}\n\n{fenced(repository.message(oid).strip()[:4000], 'text')}"
        for oid in reversed(commits_between(repository, pulls[0].base, tip) if tip else [])
    ]
    forge.say(asked.number, "explain", "\n\n".join(parts) or "There are no commits of gitagent's to explain.")
