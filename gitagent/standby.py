"""A model behind an endpoint, and what happens when that is down: a wait, or another model in its place."""

import time
from collections.abc import Callable, Sequence
from typing import Unpack

from gitagent.core import ledger
from gitagent.errors import ModelDownError, ModelError
from gitagent.events import Event, Quoted, RunStarted, StoodIn, Stream, Waited
from gitagent.ports import Asking, Model
from gitagent.records import Limits, Message, Reply

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 15.0, 300.0
"""How long an endpoint that does not say how long is waited for: twice as long each time."""


class Clock:
    """How much of a run's minutes is left; hears the run begin."""

    def __init__(
        self, limits: Limits, now: Callable[[], float] = time.monotonic, *, before_seconds: float = 0.0
    ) -> None:
        """`before_seconds` were spent before the run was taken up again."""
        self._limits, self._now, self._before = limits, now, before_seconds
        self._began = now()

    def heard(self, event: Event) -> None:
        """Begin counting with the run."""
        if isinstance(event, RunStarted):
            self._began = self._now()

    def left(self) -> float:
        """Seconds until the run's limit."""
        return self._limits.minutes * 60 - self._before - (self._now() - self._began)


class StandbyModel:
    """The first of some models that is up, as in `ports.Model`.

    Before the first question it says what the run may take at most, with `side_by_side` questions under way at once.
    A model that is down is waited for where `waits` is true, as long as it asks and the run's `clock` allows; then, or
    at once, the next model answers for the rest of the run. Raises the last one's ModelError when none is left, and
    what `check` raises before a question that would be one too many.
    """

    def __init__(
        self,
        models: Sequence[Model],
        stream: Stream,
        *,
        worker: str = "api",
        limits: Limits,
        price: ledger.Price | None,
        clock: Clock,
        waits: bool = False,
        side_by_side: int = 1,
        check: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._side_by_side, self._check = side_by_side, check
        self._models, self._at = tuple(models), 0
        self._stream, self._worker = stream, worker
        self._limits, self._price, self._clock = limits, price, clock
        self._waits, self._sleep = waits, sleep
        self._quoted = False

    @property
    def name(self) -> str:
        """The name of the model that answers now."""
        return self._now.name

    @property
    def digest(self) -> str:
        """The digest of the model that answers now."""
        return self._now.digest

    @property
    def window(self) -> int:
        """The smallest window of them all, so that whoever stands in can read the prompt."""
        return min(model.window for model in self._models[self._at :])

    @property
    def _now(self) -> Model:
        return self._models[self._at]

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of these messages, as the model that answers now counts them."""
        return self._now.count(messages)

    def takes_grammar(self) -> bool:
        """Whether the model that answers now can be held to a grammar."""
        return self._now.takes_grammar()

    def reply(self, messages: Sequence[Message], **how: Unpack[Asking]) -> Reply:
        """Ask, as in `ports.Model`."""
        self._quote()
        waits = 0
        while True:
            self._check()
            model = self._now
            try:
                return model.reply(messages, **how)
            except ModelDownError as down:
                self._check()  # it may have taken all the time that was left
                if model is not self._now:
                    continue  # another question, asked beside this one, found it down before
                if self._waited(down, waits):
                    waits += 1
                elif self._at + 1 < len(self._models):
                    self._at, waits = self._at + 1, 0
                    self._stream(
                        StoodIn(worker=self._worker, model=model.name, to=self._now.name, reason=str(down))
                    )
                else:
                    raise

    def _waited(self, down: ModelDownError, waits: int) -> bool:
        """Whether the endpoint was given the time it asks for, or some, within what the run has left."""
        if not self._waits or not down.passes:
            return False
        seconds = down.wait_seconds or min(FIRST_WAIT_SECONDS * 2**waits, LONGEST_WAIT_SECONDS)
        left = self._clock.left()
        if seconds >= left:
            if self._at + 1 < len(self._models):
                return False
            raise ModelError(
                f"{str(down).rstrip('.')}; a wait of {seconds:.0f} s is longer than the "
                f"{max(left, 0):.0f} s this run has left.",
                hint="gitagent fix --minutes …, or set api.fallback_model",
            ) from None
        self._stream(Waited(worker=self._worker, model=self._now.name, wait_seconds=seconds, reason=str(down)))
        self._sleep(seconds)
        return True

    def _quote(self) -> None:
        if self._quoted:
            return
        self._quoted = True
        most = ledger.quote(self._limits, window=self.window, price=self._price, side_by_side=self._side_by_side)
        self._stream(
            Quoted(
                worker=self._worker,
                model=self._now.name,
                tokens=most.tokens,
                dollars=None if most.dollars is None else round(most.dollars, 4),
                minutes=most.minutes,
            )
        )
