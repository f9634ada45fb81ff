"""Asks a chat model what a request leaves open."""

from collections.abc import Sequence

from gitagent.core import microtasks, questioning
from gitagent.core.questioning import Answered, Question
from gitagent.core.replies import read_object
from gitagent.errors import ModelError
from gitagent.events import ModelReplied, PromptBuilt, ReplyRefused
from gitagent.ports import Listener, Model
from gitagent.records import Message, Note, Request

ANSWER_TOKENS = 512
ENOUGH = 900


class Interviewer:
    """Finds the questions to a request; `notes` are what it may know of the repository."""

    def __init__(self, model: Model, listener: Listener, *, notes: Sequence[Note] = (), asks: int = 3) -> None:
        self._model, self._listener, self._notes, self._asks = model, listener, notes, asks

    def next(self, request: Request, answered: Sequence[Answered]) -> Question | None:
        """The question that matters most after these, None if all is clear."""
        asked = {one.question.text for one in answered}
        found = [one for one in self.all(request, answered, most=1) if one.text not in asked]
        return found[0] if found else None

    def all(
        self, request: Request, answered: Sequence[Answered] = (), *, most: int = questioning.MOST_QUESTIONS
    ) -> tuple[Question, ...]:
        """The questions to a request, at most so many. Raises ModelError if no answer of three can be read."""
        self._model.count((Message(role="user", content=""),))  # an adapter may learn the window by it
        refused = ""
        for ask in range(self._asks):
            answer_tokens = min(ANSWER_TOKENS * (ask + 1), self._model.window // 3)
            prompt = microtasks.fit(
                questioning.SYSTEM,
                questioning.body(request, answered, most, refused),
                self._notes,
                count=self._model.count,
                window=self._model.window,
                answer_tokens=answer_tokens,
                enough=ENOUGH,
                subject="the request",
            )
            self._listener(
                PromptBuilt(
                    task="questions",
                    worker="questions",
                    prompt_tokens=prompt.prompt_tokens,
                    answer_tokens=answer_tokens,
                    window=self._model.window,
                    left_out=prompt.left_out,
                )
            )
            reply = self._model.reply(
                prompt.messages,
                answer_tokens=answer_tokens,
                temperature=0.0 if ask == 0 else 0.3,
                seed=ask,
                schema=questioning.SCHEMA,
            )
            self._listener(ModelReplied(spending=reply.spending))
            try:
                if reply.finish == "length":
                    raise ModelError(f"the answer was cut off at {answer_tokens} tokens; answer shorter")
                return questioning.questions_of(_read(reply.text))[:most]
            except ModelError as problem:
                refused = str(problem)
                self._listener(ReplyRefused(task="questions", worker="questions", reason=refused))
        raise ModelError(
            f"{self._model.name} asked nothing readable in {self._asks} answers; of the last one: {refused}. "
            "Nothing was changed.",
            hint='plan without questions: gitagent plan --yes "…"',
        )


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
