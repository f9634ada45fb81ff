"""Small whole fakes of what is out of a test's reach."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gitagent.core.microtasks import estimate
from gitagent.errors import ModelError
from gitagent.records import Message, Reply, Spending


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question a fake model was asked."""

    messages: tuple[Message, ...]
    answer_tokens: int
    temperature: float
    seed: int
    schema: Mapping[str, object] | None

    @property
    def text(self) -> str:
        """All that was said to the model."""
        return "\n".join(message.content for message in self.messages)


Answering = Sequence[str | Reply | ModelError] | Callable[[Question], str | Reply | ModelError]


class FakeModel:
    """A whole model that answers from a list (the last answer again and again) or by a function.

    It counts as `estimate` does, keeps to its window like a real one, and remembers what it was asked.
    """

    def __init__(self, answers: Answering, *, window: int = 4096, name: str = "fake") -> None:
        self.name = name
        self.digest = "f" * 64
        self.window = window
        self.asked: list[Question] = []
        self._answers = answers

    def count(self, messages: Sequence[Message]) -> int:
        return 3 + sum(4 + estimate(message.content) for message in messages)

    def reply(
        self,
        messages: Sequence[Message],
        *,
        answer_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        schema: Mapping[str, object] | None = None,
    ) -> Reply:
        counted = self.count(messages)
        if counted + answer_tokens > self.window:
            raise AssertionError(f"{counted} + {answer_tokens} tokens were sent to a window of {self.window}")
        question = Question(
            messages=tuple(messages),
            answer_tokens=answer_tokens,
            temperature=temperature,
            seed=seed,
            schema=schema,
        )
        self.asked.append(question)
        if callable(self._answers):
            answer = self._answers(question)
        else:
            answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        if isinstance(answer, ModelError):
            raise answer
        if isinstance(answer, Reply):
            return answer
        spent = Spending(worker=self.name, calls=1, prompt_tokens=counted, answer_tokens=estimate(answer))
        return Reply(text=answer, spending=spent)
