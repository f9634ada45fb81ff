"""What the jobs say on the site, in words: strangers' texts in it mention, link and close nothing."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitagent.cli.bot.deciding import Asked
    from gitagent.cli.bot.runner import Site

PROGRESS, REFUSAL = "progress", "refusal"
_AT_WORK = re.compile(r"\n\n(\[At work\]\(https?://[^\s()]+/actions/runs/([1-9][0-9]{0,18})\))\s*\Z")


def begun(site: "Site", asked: "Asked") -> None:
    """Say that it is under way, who asked, and where it can be watched; that is also how others find out."""
    words = f"{boxes(1)}\n\nAsked by @{login(asked.trigger.actor)} ({asked.decision.reason})."
    where = f"\n\n[At work]({site.page}/{site.run})" if site.run else ""
    site.forge.say(asked.number, PROGRESS, words + where)


def ended(site: "Site", number: int, words: str) -> None:
    """Say what came of it, in place of what was said before, but for another run that is at work by now."""
    before = site.forge.comment(number, PROGRESS)
    other = _AT_WORK.search(before.body) if before else None
    where = f"\n\n{other[1]}" if other and other[2] != site.run else ""
    site.forge.say(number, PROGRESS, words + where)


def boxes(done: int) -> str:
    """The steps, so many of them done."""
    steps = ("decided what is asked, and that whoever asked may", "worked on it in a job without a write token",
             "checked it and published a draft")  # fmt: skip
    return "\n".join(f"- [{'x' if number < done else ' '}] {step}" for number, step in enumerate(steps))


def run_at_work(body: str) -> str:
    """The id of the workflow's run that is at work, as `begun` wrote it, "" if none is."""
    found = _AT_WORK.search(body)
    return found[2] if found else ""


def tell(site: "Site", asked: "Asked", words: str) -> None:
    """Say where it was asked what came of it."""
    if asked.number:
        ended(site, asked.number, f"{boxes(2)}\n\n{words}")


def login(name: str) -> str:
    """A login that can be mentioned, whatever the event says."""
    return re.sub(r"[^A-Za-z0-9-]", "", name)[:39] or "ghost"


def plain(words: str) -> str:
    """A stranger's words in a comment: one line of inline code that mentions and links nothing."""
    from gitagent.core.messages import code

    return code(words, limit=400)
