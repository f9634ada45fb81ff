"""`gitagent bot`: the three jobs of the workflow that `gitagent init --github` writes.

begin    decides what the event asks and who may ask; a token for comments, no model, no code of the repository
propose  runs the pipeline; a token that can read; leaves a proposal: `proposal.json` and a git bundle
publish  checks the proposal and pushes; a token that can write, no model, no code of the repository
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitagent.core.triggers import Decision, Trigger
from gitagent.errors import ForgeError, GitagentError, RequestError

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.github_bot import GitHubBot
    from gitagent.proposals import Checked, Policy, Proposal
    from gitagent.records import PullRequest, Request

RUNS = ("fix", "retry", "revise")
PROGRESS, QUESTIONS = "progress", "questions"
_MOST_PAYLOAD = 32 * 2**20

_COMMON = [
    click.option("--label", default="gitagent", show_default=True, help="The label that asks."),
    click.option("--event", "event_path", envvar="GITHUB_EVENT_PATH", required=True, type=click.Path()),
    click.option("--event-name", envvar="GITHUB_EVENT_NAME", required=True),
    click.option("--repository", "slug", envvar="GITHUB_REPOSITORY", required=True, metavar="OWNER/NAME"),
    click.option(
        "--api-url", envvar="GITHUB_API_URL", default="", help="The site's API; empty for the public one."
    ),
    click.option("--repo", default=".", type=click.Path(), show_default=True, help="The checkout."),
]


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every job is told by the runner."""
    for option in reversed(_COMMON):
        command = option(command)
    return command


@click.group()
def bot_command() -> None:
    """The jobs of the GitHub workflow (`gitagent init --github`)."""


@bot_command.command("begin")
@_options
def begin_command(label: str, event_path: str, event_name: str, slug: str, api_url: str, repo: str) -> None:
    """Decide what the event asks, tell so in the one comment, and do what needs no run."""
    forge = _forge(repo, slug, api_url)
    trigger, decision = _decided(forge, event_name, event_path, label)
    _output({"decision": decision.kind, "number": str(decision.number), "reason": decision.reason})
    click.echo(f"{decision.kind}: {decision.reason}", err=True)
    if decision.kind in (*RUNS, "plan") and decision.number:
        forge.say(decision.number, PROGRESS, _checklist(trigger, decision, done=1))
    elif decision.kind == "stop" and decision.number:
        forge.say(
            decision.number,
            PROGRESS,
            f"Stopped by @{_login(trigger.actor)}: what is under way will not be published.",
        )


@bot_command.command("propose")
@click.option(
    "--to", "directory", required=True, type=click.Path(file_okay=False), help="Where the proposal goes."
)
@_options
def propose_command(
    directory: str, label: str, event_path: str, event_name: str, slug: str, api_url: str, repo: str
) -> None:
    """Run the pipeline on what the event asks, and leave a proposal. Nothing is pushed."""
    from gitagent import proposals
    from gitagent.adapters.git import GitRepository

    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    forge = _forge(repo, slug, api_url)
    trigger, decision = _decided(forge, event_name, event_path, label)
    if decision.kind not in (*RUNS, "plan"):
        proposals.write(target, proposals.Proposal(run="", state="nothing", reason=decision.reason))
        return
    repository = GitRepository(repo)
    try:
        if decision.kind == "plan":
            proposal = _questions(repository, trigger, decision)
        else:
            proposal = _proposed(repository, forge, trigger, decision, target)
    except GitagentError as error:
        # The publishing job tells it where it was asked; the log has it too.
        proposals.write(target, proposals.Proposal(run="", state="failed", reason=str(error)))
        raise
    proposals.write(target, proposal)
    _summary(proposal.body or proposal.reason)
    _output({"state": proposal.state, "branch": proposal.branch})


@bot_command.command("publish")
@click.option(
    "--from", "directory", required=True, type=click.Path(file_okay=False), help="Where the proposal is."
)
@click.option("--base-branch", envvar="GITAGENT_BASE_BRANCH", default="", help="Branch pull requests are for.")
@click.option("--diff-lines", type=click.IntRange(min=1), default=400, show_default=True)
@click.option("--proven-only", is_flag=True, help="Push nothing whose certificate does not hold.")
@_options
@click.pass_context
def publish_command(
    ctx: click.Context,
    directory: str,
    base_branch: str,
    diff_lines: int,
    proven_only: bool,
    label: str,
    event_path: str,
    event_name: str,
    slug: str,
    api_url: str,
    repo: str,
) -> None:
    """Check a proposal against the policy, push it, and open or update the draft pull request."""
    from gitagent import proposals
    from gitagent.adapters.git import GitRepository

    forge = _forge(repo, slug, api_url)
    trigger, decision = _decided(forge, event_name, event_path, label)
    repository = GitRepository(repo)
    if decision.kind == "undo":
        _undo(forge, repository, trigger, decision)
        return
    if decision.kind == "explain":
        _explain(forge, repository, decision)
        return
    if decision.kind == "plan":
        asked = proposals.read(Path(directory))
        _tell(forge, trigger, decision, _plain(asked.reason))
        if asked.state == QUESTIONS:
            forge.say(decision.number, QUESTIONS, asked.body)
        _output({"state": asked.state})
        return
    if decision.kind not in RUNS:
        click.echo(f"nothing to publish: {decision.reason}", err=True)
        return
    proposal = proposals.read(Path(directory))
    if not proposal.tip:
        _tell(forge, trigger, decision, f"No change came of it: {_plain(proposal.reason)}")
        _output({"state": proposal.state})
        return
    stopped = forge.has_asked_to_stop(decision.number, trigger.at) if decision.number and trigger.at else ""
    if stopped:
        _tell(forge, trigger, decision, f"Stopped by @{_login(stopped)}: nothing was published.")
        _output({"state": "stopped"})
        return
    base_branch = base_branch or repository.head().branch or "main"
    policy = proposals.Policy(diff_lines=diff_lines, proven_only=proven_only)
    checked = _checked(repository, forge, trigger, decision, proposal, Path(directory), base_branch, policy)
    if checked.refused:
        told = "\n".join(f"- {_plain(reason)}" for reason in checked.refused)
        _tell(forge, trigger, decision, f"The proposal was not published:\n\n{told}")
        _output({"state": "refused"})
        click.echo("error: the proposal is refused: " + "; ".join(checked.refused), err=True)
        ctx.exit(1)
    pull = _publish(forge, proposal, checked, base_branch)
    _output({"state": "unproven" if checked.unproven else "proven", "pull": str(pull.number), "url": pull.url})


# -- what is asked -------------------------------------------------------------------------------------------


def _decided(forge: "GitHubBot", name: str, path: str, label: str) -> tuple[Trigger, Decision]:
    """The decision on the event, "nothing" where the actor may not ask. Each job asks anew and believes no other."""
    from gitagent.core import triggers

    trigger = triggers.read(name, _payload(path))
    if name == "schedule":
        waiting = forge.waiting(label)
        if waiting:
            words, _ = forge.issue(waiting[0])
            trigger = replace(trigger, number=waiting[0], actor=waiting[1], text=words)
    if trigger.is_pull and not trigger.branch:
        pull = forge.own_pull(trigger.number)
        if pull is not None:
            trigger = replace(trigger, branch=pull.branch, is_ours=True)
    decision = triggers.decide(trigger, label=label)
    if decision.kind == "nothing":
        return trigger, decision
    if not forge.may_ask(trigger.actor):
        return trigger, Decision(kind="nothing", reason="whoever asked cannot write here", number=trigger.number)
    if name == "workflow_dispatch" and trigger.number:
        words, author = forge.issue(trigger.number)
        trigger = replace(trigger, text=words, author=author)
    if decision.kind == "answer":
        said = forge.answers(trigger.number, QUESTIONS)
        if not said:
            return trigger, Decision(kind="nothing", reason="no question is open", number=trigger.number)
        decision = replace(decision, kind="fix", reason="its questions are answered", words="\n\n".join(said))
    if trigger.review:
        lines = forge.review_comments(trigger.number, trigger.review)
        decision = replace(decision, words=f"{decision.words}\n\n{lines}".strip())
    return trigger, decision


def _payload(path: str) -> dict[str, object]:
    try:
        if os.path.getsize(path) > _MOST_PAYLOAD:
            raise ValueError("too large")
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no object")
        return found
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "no JSON object"
        raise RequestError(
            f"the event in {path} cannot be read: {why}. Nothing was run.",
            hint="run this in a workflow, with GITHUB_EVENT_NAME and GITHUB_EVENT_PATH",
        ) from error


def _asked(trigger: Trigger, decision: Decision, base: str) -> "Request":
    """The request: the issue's text as the event has it, and what was said with the command or the review."""
    from gitagent.core import intake

    said = decision.words
    if trigger.is_pull:
        key = trigger.branch.removeprefix("gitagent/").partition("-")[0]
        words = f"{trigger.text.partition(chr(10))[0]}\n\n{said}"
        return intake.request(words, source="issue", base=base, reference=key, asked_by=trigger.actor)
    if not trigger.number:
        return intake.request(said, source="text", base=base, asked_by=trigger.actor)
    words = f"{trigger.text}\n\n{said}" if said and trigger.name != "issues" else trigger.text
    return intake.request(words, source="issue", base=base, reference=str(trigger.number), asked_by=trigger.actor)


# -- proposing -----------------------------------------------------------------------------------------------


def _questions(repository: "GitRepository", trigger: Trigger, decision: Decision) -> "Proposal":
    """What a model would like to know before it plans; nothing is run."""
    from gitagent.cli import building, plan, view
    from gitagent.events import Stream
    from gitagent.proposals import Proposal

    config = building.config_for(repository, {})
    stream = Stream(view.view_for(as_json=False))
    model = building.planning_model(config, stream)
    if model is None:
        return Proposal(run="", state="nothing", reason="no model is set up, so nobody can ask back")
    request = _asked(trigger, decision, repository.head().oid)
    found = plan.asking(model, stream, building.index_for(repository), request).all(request)
    if not found:
        return Proposal(run="", state="nothing", reason="nothing is unclear; /gitagent fix begins")
    return Proposal(run="", state=QUESTIONS, reason="there are questions", body=plan.comment_of(found))


def _proposed(
    repository: "GitRepository", forge: "GitHubBot", trigger: Trigger, decision: Decision, target: Path
) -> "Proposal":
    from gitagent.adapters.git_bundle import bundle
    from gitagent.adapters.git_notes import GitNotes
    from gitagent.cli import running
    from gitagent.core import intake
    from gitagent.proposals import BUNDLE, Proposal

    head = repository.head()
    request = _asked(trigger, decision, head.oid)
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


# -- publishing ----------------------------------------------------------------------------------------------


def _checked(
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
        key=_asked(trigger, decision, tip).key,
        tip=tip,
        commits=commits_between(repository, base, tip) if base else [],
        on_base=bool(base) and is_ancestor(repository, base, line),
        builds_on=lambda commit: bool(base) and is_ancestor(repository, commit, tip),
        remote_tip=remote,
        policy=policy,
    )


def _publish(forge: "GitHubBot", proposal: "Proposal", checked: "Checked", base_branch: str) -> "PullRequest":
    """Push and open; whether it counts as proven is our own finding, not the proposal's word."""
    from gitagent.records import PullRequest

    title = proposal.title.removeprefix("[unproven] ")
    body = proposal.body
    if checked.unproven:
        title = f"[unproven] {title}"
        body = f"> Not proven: {_plain(checked.unproven)}\n\n{body}"
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
    state = "failure" if checked.unproven else "success"
    words = _plain(checked.unproven) if checked.unproven else "red tests went green, and nothing else broke"
    forge.status(proposal.tip, state=state, description=words)
    if proposal.key.isdecimal():
        shown = "a draft that is not proven" if checked.unproven else "a proven draft"
        forge.say(int(proposal.key), PROGRESS, f"{_boxes(3)}\n\nThere is {shown}: #{pull.number}.")
    return pull


def _undo(forge: "GitHubBot", repository: "GitRepository", trigger: Trigger, decision: Decision) -> None:
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
        forge.say(pull.number, "undo", f"{words} Asked by @{_login(trigger.actor)}.")
    if not pulls and decision.number:
        forge.say(decision.number, "undo", "There is no open pull request of gitagent's to take back.")


def _explain(forge: "GitHubBot", repository: "GitRepository", decision: Decision) -> None:
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


# -- words ---------------------------------------------------------------------------------------------------


def _checklist(trigger: Trigger, decision: Decision, *, done: int) -> str:
    return f"{_boxes(done)}\n\nAsked by @{_login(trigger.actor)} ({decision.reason})."


def _boxes(done: int) -> str:
    steps = ("decided what is asked, and that whoever asked may", "worked on it in a job without a write token",
             "checked it and published a draft")  # fmt: skip
    return "\n".join(f"- [{'x' if number < done else ' '}] {step}" for number, step in enumerate(steps))


def _tell(forge: "GitHubBot", trigger: Trigger, decision: Decision, words: str) -> None:
    if decision.number:
        forge.say(decision.number, PROGRESS, f"{_boxes(2)}\n\n{words}")


def _login(login: str) -> str:
    """A login that can be mentioned, whatever the event says."""
    return re.sub(r"[^A-Za-z0-9-]", "", login)[:39] or "ghost"


def _plain(words: str) -> str:
    """A stranger's words in a comment: one line of inline code that mentions and links nothing."""
    from gitagent.core.messages import code

    return code(words, limit=400)


# -- the runner ----------------------------------------------------------------------------------------------


def _forge(repo: str, slug: str, api_url: str) -> "GitHubBot":
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.github import host_of, token_from
    from gitagent.adapters.github_bot import GitHubBot
    from gitagent.cli.forges import api_address

    found = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_-]*)/([A-Za-z0-9._-]+)", slug)
    if found is None:
        raise ForgeError(
            f"{slug!r} is no OWNER/NAME. Nothing was run.", hint="export GITHUB_REPOSITORY=OWNER/NAME"
        )
    base_url = api_address(api_url)
    return GitHubBot(
        GitRepository(repo), found[1], found[2], token=token_from(os.environ, host_of(base_url)), base_url=base_url
    )


def _output(values: dict[str, str]) -> None:
    """Outputs of a step: one line each, so that no value can begin another."""
    lines = [f"{name}={' '.join(value.split())[:500]}\n" for name, value in values.items()]
    if path := os.environ.get("GITHUB_OUTPUT"):
        with open(path, "a", encoding="utf-8") as out:
            out.writelines(lines)


def _summary(text: str) -> None:
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(path, "a", encoding="utf-8") as out:
            out.write(text[:900_000] + "\n")
