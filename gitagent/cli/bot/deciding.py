"""What an event asks and whether whoever asked may: each job of the workflow finds it out anew."""

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitagent.core.triggers import Decision, Kind, Trigger
from gitagent.errors import RequestError

if TYPE_CHECKING:
    from gitagent.approving import WaitingPlan
    from gitagent.cli.bot.runner import Site
    from gitagent.records import Request

QUESTIONS = "questions"
_MOST_PAYLOAD = 32 * 2**20
_MOST_PLANS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked. `plan` is the one that was approved; `told` is what whoever asked in vain should know."""

    trigger: Trigger
    decision: Decision
    plan: "WaitingPlan | None" = None
    told: str = ""

    @property
    def number(self) -> int:
        """The issue's or pull request's, 0 if there is none."""
        return self.decision.number

    @property
    def key(self) -> str:
        """The request's, where it was asked on an issue or pull request: the number of the issue."""
        trigger = self.trigger
        return (
            trigger.branch.removeprefix("gitagent/").partition("-")[0] if trigger.is_pull else str(trigger.number)
        )

    def request(self, base: str) -> "Request":
        """The issue's text as the event has it, and what was said with the command or the review.

        With an approved plan it is what the plan was made for.
        """
        from gitagent.core import intake

        trigger, said = self.trigger, self.decision.words
        if not trigger.number:
            return intake.request(said, source="text", base=base, asked_by=trigger.actor)
        if self.plan is not None:
            words = self.plan.saved.request
        elif trigger.is_pull:
            words = f"{trigger.text.partition(chr(10))[0]}\n\n{said}"
        else:
            words = f"{trigger.text}\n\n{said}" if said and trigger.name != "issues" else trigger.text
        return intake.request(words, source="issue", base=base, reference=self.key, asked_by=trigger.actor)


def decided(site: "Site", name: str, path: str, label: str, *, begins: bool = False) -> Asked:
    """The decision on the event, "nothing" where the actor may not ask. Each job asks anew and believes no other.

    Only the job that `begins` leaves a correction to a run that is under way: where that is left to others, they run.
    """
    from gitagent.core import triggers

    forge = site.forge
    trigger = triggers.read(name, _payload(path))
    if name == "schedule" or (name == "workflow_dispatch" and not trigger.said.strip()):
        waiting = site.plans.waiting()
        if name == "schedule" or forge.may_ask(trigger.actor):
            newest = sorted(waiting, reverse=True)
            for number in [number for number in newest if trigger.number in (0, number)][:_MOST_PLANS]:
                if (found := _approved_by_reaction(site, trigger, number)) is not None:
                    return found
        oldest = forge.waiting(label, besides=waiting) if name == "schedule" else None
        if oldest:
            words, _ = forge.issue(oldest[0])
            trigger = replace(trigger, number=oldest[0], actor=oldest[1], text=words)
    if trigger.is_pull and not trigger.branch:
        trigger = _with_branch(site, trigger)
    decision = triggers.decide(trigger, label=label)
    if decision.kind == "nothing":
        return Asked(trigger=trigger, decision=decision)
    if not forge.may_ask(trigger.actor):
        return _nothing(trigger, "whoever asked cannot write here")
    if decision.kind == "approve":
        return _approved(site, trigger, decision)
    if decision.kind == "steer":
        return _steered(site, trigger, decision, begins=begins)
    if name == "workflow_dispatch" and trigger.number:
        words, author = forge.issue(trigger.number)
        trigger = replace(trigger, text=words, author=author)
    if decision.kind == "answer":
        said = forge.answers(trigger.number, QUESTIONS)
        if not said:
            return _nothing(trigger, "no question is open")
        asked = forge.comment(trigger.number, QUESTIONS)
        words = "\n\n".join([*([asked.body.strip()] if asked else []), *said])
        decision = replace(decision, kind="fix", reason="its questions are answered", words=words)
        if trigger.number in site.plans.waiting():
            if _has_planned_since(site, trigger.number):
                return _nothing(trigger, "its questions led to a plan, which waits for approval")
            decision = replace(decision, kind="plan", words="")
    if trigger.review:
        lines = forge.review_comments(trigger.number, trigger.review)
        decision = replace(decision, words=f"{decision.words}\n\n{lines}".strip())
    return Asked(trigger=trigger, decision=decision)


def _nothing(trigger: Trigger, why: str, *, told: str = "") -> Asked:
    return Asked(trigger=trigger, decision=Decision(kind="nothing", reason=why, number=trigger.number), told=told)


def _steered(site: "Site", trigger: Trigger, decision: Decision, *, begins: bool) -> Asked:
    """A correction: for the run that is under way, else for one that goes on with it."""
    from gitagent.cli.bot import steering

    if not decision.words:
        why = "`/gitagent steer` needs words"
        return _nothing(trigger, why, told=f"{why}: say behind it what should be different.")
    if begins and trigger.comment:
        asked = Asked(trigger=trigger, decision=decision)
        if steering.is_under_way(site, asked):
            return asked
        if site.forge.has_reacted(trigger.comment, steering.TAKEN_UP):
            return _nothing(trigger, "a run has taken it up already")
    kind: Kind = "plan" if trigger.number in site.plans.waiting() else "fix"
    reason = "/gitagent steer, and no run is under way"
    return Asked(trigger=trigger, decision=replace(decision, kind=kind, reason=reason))


def _with_branch(site: "Site", trigger: Trigger) -> Trigger:
    """The trigger on a pull request, with its branch if that is ours."""
    pull = site.forge.own_pull(trigger.number)
    return trigger if pull is None else replace(trigger, branch=pull.branch, is_ours=True)


# -- approvals -----------------------------------------------------------------------------------------------


def waiting_plan(site: "Site", number: int) -> "WaitingPlan | None":
    """The plan that waits on an issue or pull request, None if none does."""
    from gitagent import approving

    oid, files = site.plans.files(number)
    return approving.read(number, files, oid) if oid else None


def _approved(site: "Site", trigger: Trigger, decision: Decision) -> Asked:
    """The plan that a comment approves; a refusal in words where it does not approve just what is shown."""
    from gitagent import approving

    def refused(why: str) -> Asked:
        return _nothing(trigger, why, told=f"That approved nothing: {why}. `/gitagent plan` makes a new plan.")

    name = decision.words.strip("` \n")
    if name and not re.fullmatch(rf"[0-9a-f]{{{approving.LEAST_DIGITS},{approving.NAME_DIGITS}}}", name):
        return refused("only the name of a plan may follow `/gitagent approve`, since a plan is approved as it is")
    try:
        plan = waiting_plan(site, trigger.number)
    except RequestError as error:
        return refused(str(error))
    if plan is None:
        return refused("no plan waits here, or it was carried out")
    if not plan.name.startswith(name):
        return refused(f"it names a plan that is out of date, or none of this place; `{plan.name}` waits now")
    comment = site.forge.comment(trigger.number, key_of(plan))
    if comment is None:
        return refused("the comment that shows the plan is gone")
    if not approving.is_shown_by(plan, comment.body):
        return refused("the comment that shows the plan was edited")
    if comment.edited_at > trigger.at:
        return refused("the plan was made, or the comment that shows it changed, after the approval")
    return Asked(trigger=trigger, decision=replace(decision, words=""), plan=plan)


def _approved_by_reaction(site: "Site", trigger: Trigger, number: int) -> Asked | None:
    """The plan of this number if somebody who may has put a thumbs-up on the comment that shows it."""
    from gitagent import approving

    if not site.forge.is_open(number):
        return None
    try:
        plan = waiting_plan(site, number)
    except RequestError:
        return None  # somebody else's ref
    comment = site.forge.comment(number, key_of(plan)) if plan else None
    if plan is None or comment is None or not approving.is_shown_by(plan, comment.body):
        return None
    login = site.forge.approver(comment)
    if not login:
        return None
    found = replace(trigger, number=number, actor=login, is_pull=plan.is_pull)
    if plan.is_pull:
        found = _with_branch(site, found)
        if not found.is_ours:
            return None
    return Asked(
        trigger=found, decision=Decision(kind="approve", reason="a 👍 on its plan", number=number), plan=plan
    )


def _has_planned_since(site: "Site", number: int) -> bool:
    """Whether the plan that waits is newer than the questions, so that they are not open."""
    try:
        plan = waiting_plan(site, number)
    except RequestError:
        return False
    asked = site.forge.comment(number, QUESTIONS)
    shown = site.forge.comment(number, key_of(plan)) if plan else None
    return shown is not None and (asked is None or shown.made_at >= asked.edited_at)


def key_of(plan: "WaitingPlan") -> str:
    """What the comment that shows a plan is about."""
    return f"plan {plan.name}"


# -- the event -----------------------------------------------------------------------------------------------


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
