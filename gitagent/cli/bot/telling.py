"""What the jobs say on the site, in words: strangers' texts in it mention, link and close nothing."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitagent.cli.bot.deciding import Asked
    from gitagent.cli.bot.runner import Site

PROGRESS, APPROVAL = "progress", "approval"


def checklist(asked: "Asked", *, done: int) -> str:
    """How far it is, and who asked."""
    return f"{boxes(done)}\n\nAsked by @{login(asked.trigger.actor)} ({asked.decision.reason})."


def boxes(done: int) -> str:
    """The steps, so many of them done."""
    steps = ("decided what is asked, and that whoever asked may", "worked on it in a job without a write token",
             "checked it and published a draft")  # fmt: skip
    return "\n".join(f"- [{'x' if number < done else ' '}] {step}" for number, step in enumerate(steps))


def tell(site: "Site", asked: "Asked", words: str) -> None:
    """Say where it was asked what came of it."""
    if asked.number:
        site.forge.say(asked.number, PROGRESS, f"{boxes(2)}\n\n{words}")


def login(name: str) -> str:
    """A login that can be mentioned, whatever the event says."""
    return re.sub(r"[^A-Za-z0-9-]", "", name)[:39] or "ghost"


def plain(words: str) -> str:
    """A stranger's words in a comment: one line of inline code that mentions and links nothing."""
    from gitagent.core.messages import code

    return code(words, limit=400)
