"""What people say to a run while it is under way, taken up at its next task boundary."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gitagent.core.secrets import redacted
from gitagent.events import Steered
from gitagent.ports import Listener, Steps
from gitagent.records import MicroTask, Note

LONGEST = 1_000


class Steering:
    """Corrections in the order they came; every question asked after one is told it.

    `incoming` gives what came since it was last asked. In a run that is taken up again they come where they came
    before, so that what was paid for is not asked anew.
    """

    def __init__(
        self, incoming: Callable[[], Sequence[str]], listener: Listener, steps: Steps | None = None
    ) -> None:
        self._incoming, self._listener, self._steps = incoming, listener, steps
        self._said: list[str] = []
        self._boundary = 0

    def corrected(self, task: MicroTask) -> MicroTask:
        """The task with what was said by now."""
        for text in self._come():
            self._said.append(text)
            self._listener(Steered(task=task.id, text=text))
        return self.told(task)

    def told(self, task: MicroTask) -> MicroTask:
        """The task with what was taken up so far."""
        said = (Note(title="Said since by who asked for this", text=text, priority=1) for text in self._said)
        return replace(task, state=(*task.state, *said))

    def too_late(self) -> tuple[str, ...]:
        """What came after the last boundary."""
        return tuple(self._new())

    def _come(self) -> list[str]:
        self._boundary += 1
        known = self._steps.known("steer", self._boundary) if self._steps else None
        if isinstance(known, list):
            return [str(text) for text in known]
        come = self._new()
        if come and self._steps:
            self._steps.keep("steer", self._boundary, answer=come)
        return come

    def _new(self) -> list[str]:
        """What came by now; without credentials, so that it can be written down and heard again."""
        return [redacted(text)[:LONGEST] for text in self._incoming()]
