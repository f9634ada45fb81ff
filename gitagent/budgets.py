"""What one run may take of time, money, tokens and candidates."""

import time
from collections.abc import Callable

from gitagent.core import ledger
from gitagent.events import CandidateProposed, CandidateTried, Event, ModelReplied
from gitagent.records import Limits, Spending

# Beyond this part of its time a search that has something to offer looks for nothing better.
LATE = 0.7


class OutOfBudget(Exception):
    """A hard limit was reached; what is proven so far stands.

    `is_spent` says that nothing may be paid for any more, while there is time to try what was.
    """

    def __init__(self, reason: str, *, is_spent: bool = False) -> None:
        super().__init__(reason)
        self.is_spent = is_spent


class Budget:
    """Time, money, tokens and candidates of one run, booked from its events."""

    def __init__(
        self, limits: Limits, *, before_seconds: float = 0.0, stop_asked: Callable[[], bool] = lambda: False
    ) -> None:
        """`before_seconds` were spent before the run was taken up again; `stop_asked` says whether it shall end."""
        self.limits, self.proposed, self.tried = limits, 0, 0
        self._began = time.monotonic() - before_seconds
        self._stop_asked = stop_asked
        self._spent: tuple[Spending, ...] = ()

    @property
    def seconds(self) -> float:
        """Wall time since the run began."""
        return time.monotonic() - self._began

    @property
    def ledger(self) -> tuple[Spending, ...]:
        """What each worker cost so far, in the order they were first asked."""
        return self._spent

    def heard(self, event: Event) -> None:
        """Book what an event cost."""
        if isinstance(event, ModelReplied):
            self._spent = ledger.summed((*self._spent, event.spending))
        elif isinstance(event, CandidateProposed):
            self.proposed += 1
        elif isinstance(event, CandidateTried):
            self.tried += 1

    def check(self) -> None:
        """Raises OutOfBudget, naming the limit, once one is reached."""
        if self._stop_asked():
            raise OutOfBudget("the run was asked to stop")
        limits, spent = self.limits, ledger.total(self.ledger)
        dollars, tokens = spent.dollars, spent.prompt_tokens + spent.answer_tokens
        for reached, limit, is_spent in (
            (self.seconds >= limits.minutes * 60, f"run.minutes = {limits.minutes:g}", False),
            (self.proposed >= limits.candidates, f"run.candidates = {limits.candidates}", False),
            (dollars >= limits.dollars and dollars > 0, f"run.dollars = {limits.dollars:g}", True),
            (tokens >= limits.tokens and tokens > 0, f"run.tokens = {limits.tokens}", True),
        ):
            if reached:
                raise OutOfBudget(f"the limit {limit} was reached", is_spent=is_spent)

    @property
    def is_late(self) -> bool:
        """Whether what is left of the time is better kept for what has been found."""
        return self.seconds >= LATE * self.limits.minutes * 60

    def cap(self, seconds: float) -> float:
        """At most this many seconds, and no more than the run has left; at least one."""
        return max(1.0, min(seconds, self.limits.minutes * 60 - self.seconds))
