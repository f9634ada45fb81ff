"""What an event asks and whether whoever asked may: each job of the workflow finds it out anew."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitagent.core.triggers import Decision, Trigger
from gitagent.errors import RequestError

if TYPE_CHECKING:
    from gitagent.adapters.github_bot import GitHubBot
    from gitagent.records import Request

QUESTIONS = "questions"
_MOST_PAYLOAD = 32 * 2**20


def decided(forge: "GitHubBot", name: str, path: str, label: str) -> tuple[Trigger, Decision]:
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


def asked(trigger: Trigger, decision: Decision, base: str) -> "Request":
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
