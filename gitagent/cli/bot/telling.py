"""What the jobs say on the site, in words: strangers' texts in it mention, link and close nothing."""

import re
from typing import TYPE_CHECKING

from gitagent.core.triggers import Decision, Trigger

if TYPE_CHECKING:
    from gitagent.adapters.github_bot import GitHubBot

PROGRESS = "progress"


def checklist(trigger: Trigger, decision: Decision, *, done: int) -> str:
    return f"{boxes(done)}\n\nAsked by @{login(trigger.actor)} ({decision.reason})."


def boxes(done: int) -> str:
    steps = ("decided what is asked, and that whoever asked may", "worked on it in a job without a write token",
             "checked it and published a draft")  # fmt: skip
    return "\n".join(f"- [{'x' if number < done else ' '}] {step}" for number, step in enumerate(steps))


def tell(forge: "GitHubBot", trigger: Trigger, decision: Decision, words: str) -> None:
    if decision.number:
        forge.say(decision.number, PROGRESS, f"{boxes(2)}\n\n{words}")


def login(login: str) -> str:
    """A login that can be mentioned, whatever the event says."""
    return re.sub(r"[^A-Za-z0-9-]", "", login)[:39] or "ghost"


def plain(words: str) -> str:
    """A stranger's words in a comment: one line of inline code that mentions and links nothing."""
    from gitagent.core.messages import code

    return code(words, limit=400)
