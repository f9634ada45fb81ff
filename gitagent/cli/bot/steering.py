"""Corrections in comments while a run is under way: read at its task boundaries, with a token that can only read."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from gitagent.cli.bot import telling
from gitagent.errors import ForgeError

if TYPE_CHECKING:
    from gitagent.adapters.github_bot import Correction, GitHubBot
    from gitagent.cli.bot.deciding import Asked
    from gitagent.cli.bot.runner import Site

# A workflow's token may ask a thousand questions an hour; one look takes two, and one more for each new name.
POLL_SECONDS = 20.0
# After so many looks in a row that came to nothing the site is left alone.
MOST_FAILURES = 5
HANDED_ON, TAKEN_UP = "eyes", "rocket"


def places(forge: "GitHubBot", asked: "Asked") -> tuple[int, ...]:
    """Where a run may be steered: its issue, and gitagent's open pull requests for that."""
    if not asked.number:
        return ()
    numbers = [asked.number, *([int(asked.key)] if asked.key.isdecimal() else [])]
    return tuple(
        dict.fromkeys([*numbers, *(pull.number for pull in forge.pulls("open") if pull.key == asked.key)])
    )


class Listening:
    """Gives a run what writers have commented for it since it was last asked; never fails.

    Where the site does not answer, or does not say whether somebody may write, nothing is taken up: what was not heard
    is named in the pull request.
    """

    def __init__(
        self,
        forge: "GitHubBot",
        asked: "Asked",
        tell: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._forge, self._asked, self._tell, self._clock = forge, asked, tell, clock
        self._since = asked.trigger.at or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._places: tuple[int, ...] | None = None
        self._writers: dict[str, bool] = {}
        self._next, self._failures = 0.0, 0
        self._said: list[str] = []
        self.heard: list[int] = []

    def __call__(self) -> list[str]:
        """The corrections that came, each on one line and no longer than a run takes."""
        now = self._clock()
        if now < self._next or self._failures >= MOST_FAILURES or not self._asked.number:
            return []
        self._next = now + POLL_SECONDS
        try:
            come = self._new()
        except ForgeError as error:
            self._failures += 1
            self._say(f"comments that steer are not heard for now: {error}")
            return []
        self._failures = 0
        self.heard += [one.id for one in come]
        return [told(one.text) for one in come]

    def _new(self) -> "list[Correction]":
        if self._places is None:
            self._places = places(self._forge, self._asked)
        found = [one for number in self._places for one in self._forge.corrections(number, self._since)]
        return [
            one for one in sorted(found, key=lambda one: one.id) if one.id not in self.heard and self._may(one)
        ]

    def _may(self, one: "Correction") -> bool:
        """Whether somebody may steer; one of whom that is not known may not, as long as it is not."""
        if one.login not in self._writers:
            try:
                self._writers[one.login] = self._forge.may_ask(one.login)
            except ForgeError as error:
                self._say(f"a comment that steers is not heard for now: {error}")
                return False
        return self._writers[one.login]

    def _say(self, words: str) -> None:
        """Tell it once."""
        if words not in self._said:
            self._said.append(words)
            self._tell(words)


def told(text: str) -> str:
    """What a run is told: on one line, without what nobody sees, at most what a run takes."""
    from gitagent.core.intake import clean
    from gitagent.steering import LONGEST

    line = " ".join(clean(text).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def is_under_way(site: "Site", asked: "Asked") -> bool:
    """Whether another run of the workflow is at work on the same issue or pull request, by our comments there."""
    for number in places(site.forge, asked):
        comment = site.forge.comment(number, telling.PROGRESS)
        run = telling.run_at_work(comment.body) if comment else ""
        if run not in ("", site.run) and site.forge.is_under_way(int(run)):
            return True
    return False


def outcome(site: "Site", asked: "Asked", heard: str) -> str:
    """What became of the corrections that came since the run was asked for, in lines for people; "" if none came.

    `heard` are the ids that the run says it has taken up. Who may steer and what was said is asked of the site.
    """
    if not asked.number or not asked.trigger.at:
        return ""
    ids = {int(word) for word in heard.split() if word.isdecimal()}
    lines = []
    for number in places(site.forge, asked):
        for one in site.forge.corrections(number, asked.trigger.at):
            if one.id == asked.trigger.comment or not site.forge.may_ask(one.login):
                continue
            said = f"{telling.plain(told(one.text))} (@{telling.login(one.login)})"
            if one.id in ids:
                lines.append(f"- Steered: {said}")
                with suppress(ForgeError):
                    site.forge.react(one.id, TAKEN_UP)
            else:
                lines.append(f"- Came too late to be taken up: {said}; `/gitagent retry` with it does")
    return "\n".join(lines)
