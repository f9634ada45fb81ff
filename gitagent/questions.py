"""Asks a chat model what a request leaves open."""

from collections.abc import Sequence

from gitagent.core import questioning
from gitagent.core.questioning import Answered, Question
from gitagent.core.replies import read_object
from gitagent.errors import ModelError
from gitagent.inquiring import Inquiry, inquire
from gitagent.ports import Listener, Model
from gitagent.records import Note, Request

ANSWER_TOKENS = 512
ENOUGH = 900


class Interviewer:
    """Finds the questions to a request; `notes` are what it may know of the repository."""

    def __init__(
        self, model: Model, listener: Listener, *, notes: Sequence[Note] = (), tight: bool = False
    ) -> None:
        """A `tight` interviewer's model is held to its schema token by token."""
        self._model, self._listener, self._notes, self._tight = model, listener, notes, tight

    def next(self, request: Request, answered: Sequence[Answered]) -> Question | None:
        """The question that matters most after these, None if all is clear."""
        asked = {one.question.text for one in answered}
        found = [one for one in self.all(request, answered, most=1) if one.text not in asked]
        return found[0] if found else None

    def all(
        self, request: Request, answered: Sequence[Answered] = (), *, most: int = questioning.MOST_QUESTIONS
    ) -> tuple[Question, ...]:
        """The questions to a request, at most so many. Raises ModelError if no answer of three can be read."""
        inquiry = Inquiry(
            task="questions",
            worker="questions",
            system=questioning.SYSTEM,
            body=lambda refused: questioning.body(request, answered, most, refused),
            notes=self._notes,
            schema=questioning.schema(tight=self._tight),
            answer_tokens=ANSWER_TOKENS,
            enough=ENOUGH,
            wanted="asked nothing readable",
            hint='plan without questions: gitagent plan --yes "…"',
        )
        found, _ = inquire(
            self._model, self._listener, inquiry, lambda text: questioning.questions_of(_read(text))
        )
        return found[:most]


def _read(text: str) -> dict[str, object]:
    try:
        return read_object(text, questioning.KEYS, wanted="questions", inside=questioning.QUESTION_KEYS)
    except ModelError as problem:
        try:
            answer = read_object(text, questioning.KEYS, wanted="clear")
        except ModelError:
            raise problem from None
        if answer.get("clear") is not True:
            raise
        return answer
