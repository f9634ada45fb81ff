"""What the publishing job does: hold a proposal against the policy, push it, take it back, explain it."""

from pathlib import Path
from typing import TYPE_CHECKING

from gitagent.cli.bot import deciding, telling
from gitagent.core.triggers import Decision, Trigger
from gitagent.errors import GitagentError

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.github_bot import GitHubBot
    from gitagent.proposals import Checked, Policy, Proposal
    from gitagent.records import PullRequest


def checked(
    repository: "GitRepository",
    forge: "GitHubBot",
    trigger: Trigger,
    decision: Decision,
    proposal: "Proposal",
    directory: Path,
    base_branch: str,
    policy: "Policy",
) -> "Checked":
    from gitagent import proposals
    from gitagent.adapters.git_bundle import commits_between, is_ancestor, unbundle

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
        key=deciding.asked(trigger, decision, tip).key,
        tip=tip,
        commits=commits_between(repository, base, tip) if base else [],
        on_base=bool(base) and is_ancestor(repository, base, line),
        builds_on=lambda commit: bool(base) and is_ancestor(repository, commit, tip),
        remote_tip=remote,
        policy=policy,
    )


def publish(forge: "GitHubBot", proposal: "Proposal", found: "Checked", base_branch: str) -> "PullRequest":
    """Push and open; whether it counts as proven is our own finding, not the proposal's word."""
    from gitagent.records import PullRequest

    title = proposal.title.removeprefix("[unproven] ")
    body = proposal.body
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
    if proposal.key.isdecimal():
        shown = "a draft that is not proven" if found.unproven else "a proven draft"
        forge.say(int(proposal.key), telling.PROGRESS, f"{telling.boxes(3)}\n\nThere is {shown}: #{pull.number}.")
    return pull


def undo(forge: "GitHubBot", repository: "GitRepository", trigger: Trigger, decision: Decision) -> None:
    """Close the pull request and delete its branch, unless somebody else has committed on it."""
    from gitagent.adapters.git_bundle import commits_between

    key = (
        str(decision.number) if not trigger.is_pull else trigger.branch.removeprefix("gitagent/").partition("-")[0]
    )
    pulls = [pull for pull in forge.pulls("open") if pull.key == key]
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
        forge.say(pull.number, "undo", f"{words} Asked by @{telling.login(trigger.actor)}.")
    if not pulls and decision.number:
        forge.say(decision.number, "undo", "There is no open pull request of gitagent's to take back.")


def explain(forge: "GitHubBot", repository: "GitRepository", decision: Decision) -> None:
    """What each commit of the pull request did and why, from its own message."""
    from gitagent.adapters.git_bundle import commits_between
    from gitagent.core.texts import fenced

    pulls = [pull for pull in forge.pulls("all") if str(decision.number) in (pull.key, str(pull.number))]
    tip = repository.tip_of(f"refs/remotes/origin/{pulls[0].branch}") if pulls else ""
    parts = [
        f"{oid[:12]}\n\n{fenced(repository.message(oid).strip()[:4000], 'text')}"
        for oid in reversed(commits_between(repository, pulls[0].base, tip) if tip else [])
    ]
    forge.say(decision.number, "explain", "\n\n".join(parts) or "There are no commits of gitagent's to explain.")
