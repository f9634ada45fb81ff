"""What an event on a hosting site asks for: one event, one decision, read off a table.

A webhook's texts are strangers'. Who may ask is not decided here: every decision but "nothing" holds only if the actor
has write permission, which the caller asks the site for. The request's text is the event's own, so what is edited
afterwards is not read until somebody triggers again.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from gitagent.errors import RequestError

Kind = Literal[
    "nothing", "fix", "plan", "approve", "retry", "revise", "steer", "answer", "stop", "explain", "undo"
]

# Begins every comment of ours. A comment that holds it never triggers, whoever wrote it.
MARK = "<!-- gitagent"
COMMANDS: tuple[Kind, ...] = ("fix", "plan", "approve", "retry", "steer", "stop", "explain", "undo")
_COMMAND = re.compile(r"\A/gitagent[ \t]+([a-z]+)\b[ \t]*([^\n]*(?:\n.*)?)\Z", re.DOTALL)
_QUOTED = re.compile(r"\A\s*/gitagent\b")
_MOST = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A webhook, cut to what a decision needs.

    `number` is the issue's or pull request's, 0 if there is none; `text` its title and body; `said` what the actor
    wrote now (a comment, a review, the words of a dispatch). `branch` is a pull request's head, `is_ours` whether that
    is a branch of ours in this very repository. `at` is the event's time as the site writes it.
    """

    name: str
    action: str
    actor: str
    is_bot: bool = False
    number: int = 0
    is_pull: bool = False
    is_open: bool = True
    label: str = ""
    text: str = ""
    said: str = ""
    author: str = ""
    branch: str = ""
    is_ours: bool = False
    comment: int = 0
    review: int = 0
    review_state: str = ""
    at: str = ""

    @property
    def command(self) -> str:
        """The word after `/gitagent` where the comment begins with it, else ""."""
        found = _COMMAND.match(self.said)
        return found[1] if found else ""

    @property
    def words(self) -> str:
        """What was written after the command, or all that was said."""
        found = _COMMAND.match(self.said)
        return (found[2] if found else self.said).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done, and why. `words` go with the issue's text, or stand alone for a pull request."""

    kind: Kind
    reason: str
    number: int = 0
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row of the table: events of this name and action for which `holds` lead to `kind`."""

    name: str
    action: str
    holds: Callable[[Trigger], bool]
    kind: Kind
    why: str


def _says(command: str) -> Callable[[Trigger], bool]:
    return lambda one: one.command == command and one.is_open and (one.is_ours or not one.is_pull)


def _always(_: Trigger) -> bool:
    return True


# First match decides. `labelled` stands for the configured label.
TABLE: tuple[Rule, ...] = (
    Rule(name="*", action="*", holds=lambda one: one.is_bot, kind="nothing", why="bots never ask"),
    Rule(
        name="*", action="*", holds=lambda one: MARK in one.said,
        kind="nothing", why="a comment of gitagent's own, or one that quotes its mark",
    ),
    Rule(name="issues", action="labeled", holds=lambda one: not one.is_open, kind="nothing", why="it is closed"),
    Rule(name="issues", action="labeled", holds=lambda one: one.label == "labelled", kind="fix", why="labelled"),
    Rule(name="issues", action="labeled", holds=_always, kind="nothing", why="another label"),
    Rule(name="issues", action="*", holds=_always, kind="nothing", why="only labelling asks"),
    *(
        Rule(name=event, action="created", holds=_says(command), kind=command, why=f"/gitagent {command}")
        for event in ("issue_comment", "pull_request_review_comment")
        for command in COMMANDS
    ),
    Rule(
        name="issue_comment", action="created",
        holds=lambda one: bool(one.command) and one.command not in COMMANDS,
        kind="nothing", why="no such command; known are " + ", ".join(COMMANDS),
    ),
    Rule(
        name="issue_comment", action="created", holds=lambda one: _QUOTED.match(one.said) is not None,
        kind="nothing", why="the command is incomplete, or its issue or pull request is closed or not gitagent's",
    ),
    Rule(
        name="issue_comment", action="created", holds=lambda one: not one.is_pull and one.is_open,
        kind="answer", why="an answer, if a question is open",
    ),
    Rule(name="issue_comment", action="*", holds=_always, kind="nothing", why="a comment that asks nothing"),
    Rule(
        name="pull_request_review", action="submitted",
        holds=lambda one: one.is_ours and one.is_open and one.review_state == "changes_requested",
        kind="revise", why="changes requested",
    ),
    Rule(
        name="pull_request_review", action="submitted",
        holds=lambda one: one.is_ours and one.is_open and one.review_state == "commented" and bool(one.said.strip()),
        kind="revise", why="a review with a comment",
    ),
    Rule(name="pull_request_review", action="*", holds=_always, kind="nothing", why="a review that asks nothing"),
    Rule(
        name="pull_request_review_comment", action="*", holds=_always,
        kind="nothing", why="read with its review",
    ),
    Rule(
        name="workflow_dispatch", action="*", holds=lambda one: bool(one.number or one.said.strip()),
        kind="fix", why="started by hand",
    ),
    Rule(name="schedule", action="*", holds=lambda one: bool(one.number), kind="fix", why="labelled, and not begun"),
    Rule(name="*", action="*", holds=_always, kind="nothing", why="no event that asks"),
)  # fmt: skip


def steering(said: str) -> str | None:
    """What a comment tells a run that is under way, None if it is no such comment."""
    found = _COMMAND.match(said)
    return found[2].strip() if found and found[1] == "steer" and MARK not in said else None


def decide(trigger: Trigger, *, label: str = "gitagent") -> Decision:
    """The first row that fits."""
    seen = replace(trigger, label="labelled" if trigger.label == label else f"other {trigger.label}")
    for rule in TABLE:
        if rule.name in ("*", seen.name) and rule.action in ("*", seen.action) and rule.holds(seen):
            words = "" if rule.kind in ("nothing", "stop", "explain", "undo") else trigger.words
            return Decision(kind=rule.kind, reason=rule.why, number=trigger.number, words=words)
    raise AssertionError("the last row fits everything")


def read(name: str, payload: Mapping[str, Any]) -> Trigger:
    """The trigger in a webhook's payload. Raises RequestError if it is none of the site's."""
    try:
        return _read(name, payload)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RequestError(
            f"the event {name!r} is not as GitHub sends it ({type(error).__name__}: {error}). Nothing was run.",
            hint="run this in a workflow, with GITHUB_EVENT_NAME and GITHUB_EVENT_PATH",
        ) from error


def _read(name: str, payload: Mapping[str, Any]) -> Trigger:
    sender = payload.get("sender") or {}
    login = _text(sender.get("login"))
    trigger = Trigger(
        name=name,
        action=_text(payload.get("action")),
        actor=login,
        is_bot=sender.get("type") == "Bot" or login.endswith("[bot]"),
        label=_text((payload.get("label") or {}).get("name")),
    )
    comment = payload.get("comment") or {}
    review = payload.get("review") or {}
    said = comment or review
    if said:
        by = said.get("user") or {}
        trigger = replace(
            trigger,
            said=_text(said.get("body")),
            is_bot=trigger.is_bot or by.get("type") == "Bot",
            comment=int(comment.get("id") or 0) if name == "issue_comment" else 0,
            at=_text(said.get("created_at") or said.get("submitted_at")),
            review=int(review.get("id") or 0),
            review_state=_text(review.get("state")).lower(),
        )
    if issue := payload.get("issue"):
        return replace(
            trigger,
            number=int(issue["number"]),
            is_pull="pull_request" in issue,
            is_open=issue.get("state", "open") == "open",
            text=f"{_text(issue['title'])}\n\n{_text(issue.get('body'))}",
            author=_text((issue.get("user") or {}).get("login")),
            at=trigger.at or _text(issue.get("updated_at")),
        )
    if pull := payload.get("pull_request"):
        head, base = pull["head"], pull["base"]
        branch = _text(head["ref"])
        inside = (head.get("repo") or {}).get("id") == base["repo"]["id"]
        return replace(
            trigger,
            number=int(pull["number"]),
            is_pull=True,
            is_open=pull.get("state") == "open",
            text=f"{_text(pull.get('title'))}\n\n{_text(pull.get('body'))}",
            author=_text((pull.get("user") or {}).get("login")),
            branch=branch,
            is_ours=bool(inside and branch.startswith("gitagent/")),
        )
    if name == "workflow_dispatch":
        inputs = payload.get("inputs") or {}
        number = _text(inputs.get("issue"))
        if number and not number.isdecimal():
            raise ValueError("the input `issue` is no number")
        return replace(trigger, number=int(number or 0), said=_text(inputs.get("request")))
    return trigger


def _text(value: object) -> str:
    """A text of the payload, bounded; null is ""."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {type(value).__name__}")
    return value[:_MOST]
