"""A question to a chat model that is answered with an object, and asked again with the reason where it is not."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gitagent.core import microtasks
from gitagent.core.secrets import redacted
from gitagent.errors import ModelError
from gitagent.events import ModelReplied, PromptBuilt, ReplyRefused
from gitagent.ports import Listener, Model
from gitagent.records import Message, Note, Spending

Read = TypeVar("Read")
LEARN = (Message(role="user", content=""),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What is asked: `system` and `body` (given why the last answer was refused) go in whole, notes as they fit.

    `task` and `worker` are its names in events. An answer has `answer_tokens`, twice and three times as many when it is
    asked again. `wanted` says what an answer is to be, in the error where none of `asks` answers is one.
    """

    task: str
    worker: str
    system: str
    body: Callable[[str], str]
    notes: Sequence[Note]
    schema: Mapping[str, object]
    answer_tokens: int
    enough: int
    wanted: str
    hint: str
    asks: int = 3


def learned(model: Model) -> int:
    """The model's window; an adapter may learn it by counting."""
    model.count(LEARN)
    return model.window


def inquire(
    model: Model, listener: Listener, asked: Inquiry, read: Callable[[str], Read]
) -> tuple[Read, tuple[Spending, ...]]:
    """What `read` makes of the first answer it takes, and what the answers cost.

    `read` raises ModelError, worded for the model, for an answer that is none. Raises ModelError if no answer is one,
    TooLargeError if the question does not fit the window.
    """
    learned(model)
    spent: list[Spending] = []
    refused = ""
    for ask in range(asked.asks):
        answer_tokens = min(asked.answer_tokens * (ask + 1), model.window // 3)
        prompt = microtasks.fit(
            asked.system,
            asked.body(refused),
            asked.notes,
            count=model.count,
            window=model.window,
            answer_tokens=answer_tokens,
            enough=asked.enough,
            subject="the request",
        )
        listener(
            PromptBuilt(
                task=asked.task,
                worker=asked.worker,
                prompt_tokens=prompt.prompt_tokens,
                answer_tokens=answer_tokens,
                window=model.window,
                left_out=prompt.left_out,
            )
        )
        reply = model.reply(
            prompt.messages,
            answer_tokens=answer_tokens,
            temperature=0.0 if ask == 0 else 0.3,
            seed=ask,
            schema=asked.schema,
        )
        listener(ModelReplied(spending=reply.spending))
        spent.append(reply.spending)
        try:
            if reply.finish == "length" and not reply.text.strip():
                raise ModelError(f"{answer_tokens} tokens were used up without a word of answer; think less")
            if reply.finish == "length":
                raise ModelError(f"the answer was cut off at {answer_tokens} tokens; answer shorter")
            # Nothing of it is put back into a file, so a credential in it is of no use to anyone.
            return read(redacted(reply.text)), tuple(spent)
        except ModelError as problem:
            refused = re.sub(r" Nothing was \w+\.?$", "", str(problem)).rstrip(".")  # that is said at the end
            listener(ReplyRefused(task=asked.task, worker=asked.worker, reason=refused))
    raise ModelError(
        f"{model.name} {asked.wanted} in {asked.asks} answers; of the last one: {refused}. Nothing was changed.",
        hint=asked.hint,
    )
