"""One event, one decision: the table, row by row, and payloads as the hosting site sends them."""

from dataclasses import replace
from typing import Any

import pytest

from gitagent.core import triggers
from gitagent.core.triggers import COMMANDS, MARK, TABLE, Decision, Trigger, decide, read
from gitagent.errors import RequestError

LABELLED = Trigger(name="issues", action="labeled", actor="ada", number=12, label="gitagent", text="Add is wrong")
COMMENT = Trigger(
    name="issue_comment", action="created", actor="ada", number=12, said="/gitagent fix the rounding"
)
OURS = replace(COMMENT, number=13, is_pull=True, is_ours=True, branch="gitagent/12-add")
REVIEW = replace(
    OURS, name="pull_request_review", action="submitted", said="use round()", review_state="changes_requested"
)
HAND = Trigger(name="workflow_dispatch", action="", actor="ada", number=12)

# One for each row that begins something, or keeps it from beginning: the event, its decision, what is passed on.
ROWS: list[tuple[Trigger, str, str]] = [
    (replace(LABELLED, actor="helper[bot]", is_bot=True), "nothing", "bots never ask"),
    (replace(COMMENT, said=f"{MARK} progress -->\n/gitagent fix"), "nothing", "its mark"),
    (replace(LABELLED, is_open=False), "nothing", "closed"),
    (LABELLED, "fix", "labelled"),
    (replace(LABELLED, label="bug"), "nothing", "another label"),
    (replace(LABELLED, action="edited"), "nothing", "only labelling asks"),
    *[(replace(COMMENT, said=f"/gitagent {word} now"), word, f"/gitagent {word}") for word in COMMANDS],
    *[
        (replace(OURS, name="pull_request_review_comment", said=f"/gitagent {word}"), word, f"/gitagent {word}")
        for word in COMMANDS
    ],
    (replace(COMMENT, said="/gitagent merge"), "nothing", "no such command"),
    (replace(COMMENT, said="/gitagent fix it", is_open=False), "nothing", "closed or not gitagent's"),
    (replace(COMMENT, said="/gitagent"), "nothing", "incomplete"),
    (replace(OURS, is_ours=False), "nothing", "not gitagent's"),
    (replace(COMMENT, said="it is about cents"), "answer", "if a question is open"),
    (replace(OURS, said="thank you"), "nothing", "asks nothing"),
    (replace(COMMENT, action="edited"), "nothing", "asks nothing"),
    (REVIEW, "revise", "changes requested"),
    (replace(REVIEW, review_state="commented"), "revise", "a review with a comment"),
    (replace(REVIEW, review_state="commented", said=" "), "nothing", "asks nothing"),
    (replace(REVIEW, review_state="approved"), "nothing", "asks nothing"),
    (replace(REVIEW, is_ours=False), "nothing", "asks nothing"),
    (replace(REVIEW, name="pull_request_review_comment", action="created"), "nothing", "with its review"),
    (HAND, "fix", "by hand"),
    (replace(HAND, number=0, said="add is wrong"), "fix", "by hand"),
    (replace(HAND, name="schedule", actor=""), "fix", "not begun"),
    (replace(HAND, number=0), "nothing", "no event that asks"),
    (replace(HAND, name="push"), "nothing", "no event that asks"),
]


@pytest.mark.parametrize(("trigger", "kind", "why"), ROWS)
def test_each_event_has_one_decision(trigger: Trigger, kind: str, why: str) -> None:
    decision = decide(trigger)
    assert decision.kind == kind and why in decision.reason and decision.number == trigger.number


def test_every_row_of_the_table_decides_something() -> None:
    seen = {decide(trigger).reason for trigger, _, _ in ROWS}
    assert seen == {rule.why for rule in TABLE}


def test_the_words_after_a_command_are_passed_on_and_those_before_make_it_none() -> None:
    assert decide(COMMENT) == Decision(kind="fix", reason="/gitagent fix", number=12, words="the rounding")
    assert decide(replace(COMMENT, said="/gitagent fix\nover\ntwo lines")).words == "over\ntwo lines"
    assert decide(replace(COMMENT, said="/gitagent stop it all")).words == ""
    for said in (
        "> /gitagent fix",
        "please /gitagent fix",
        "```\n/gitagent fix\n```",
        "/gitagentfix",
    ):
        assert decide(replace(COMMENT, said=said)).kind == "answer"


def test_the_label_that_asks_is_the_configured_one() -> None:
    assert decide(replace(LABELLED, label="bot: go"), label="bot: go").kind == "fix"
    assert decide(LABELLED, label="bot: go").kind == "nothing"


USER = {"login": "ada", "type": "User"}
ISSUE = {
    "number": 7,
    "title": "Add",
    "body": None,
    "state": "open",
    "user": USER,
    "updated_at": "2026-01-01T00:00:00Z",
}


def pull(branch: str = "gitagent/7-add", head: int = 1, state: str = "open") -> dict[str, Any]:
    return {
        "number": 8, "title": "Add", "body": "", "state": state, "user": USER,
        "head": {"ref": branch, "repo": {"id": head}}, "base": {"ref": "main", "repo": {"id": 1}},
    }  # fmt: skip


def test_a_payload_is_cut_to_what_a_decision_needs() -> None:
    found = read("issues", {"action": "labeled", "issue": ISSUE, "label": {"name": "gitagent"}, "sender": USER})
    assert (found.number, found.text, found.label, found.actor) == (7, "Add\n\n", "gitagent", "ada")
    assert found.at == "2026-01-01T00:00:00Z"
    review = {
        "id": 5,
        "body": None,
        "state": "CHANGES_REQUESTED",
        "user": USER,
        "submitted_at": "2026-01-02T00:00:00Z",
    }
    found = read(
        "pull_request_review", {"action": "submitted", "review": review, "pull_request": pull(), "sender": USER}
    )
    assert found.is_ours and found.review == 5 and decide(found).kind == "revise"
    found = read("workflow_dispatch", {"inputs": {"issue": "7", "request": ""}, "sender": USER})
    assert (found.number, decide(found).kind) == (7, "fix")


@pytest.mark.parametrize(
    "stranger", [pull(branch="patch-1"), pull(head=2), {**pull(), "head": {"ref": "gitagent/7-add", "repo": None}}]
)
def test_a_pull_request_of_a_fork_or_of_somebody_else_is_not_ours(stranger: dict[str, Any]) -> None:
    assert not read(
        "pull_request_review", {"action": "submitted", "pull_request": stranger, "sender": USER}
    ).is_ours


@pytest.mark.parametrize(
    "payload",
    [{"issue": [1]}, {"issue": {"title": "x"}}, {"issue": {**ISSUE, "number": "x"}}, {"issue": {**ISSUE, "title": 3}},
     {"pull_request": {"head": {}}}, {"comment": "x"}, {"sender": 3}, {"label": 3}],
)  # fmt: skip
def test_what_the_site_does_not_send_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="not as GitHub sends it"):
        read("issues", payload)
    with pytest.raises(RequestError, match="no number"):
        read("workflow_dispatch", {"inputs": {"issue": "7; rm"}})


def test_long_texts_are_cut() -> None:
    found = read("issues", {"action": "labeled", "issue": {**ISSUE, "body": "x" * 200_000}, "sender": USER})
    assert len(found.text) < 70_000 and triggers.decide(found).kind == "nothing"
