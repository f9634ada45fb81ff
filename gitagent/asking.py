"""`gitagent ask`: a question, a model that looks around with tools, each look approved, and an answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitagent.budgets import Budget, OutOfBudget
from gitagent.core import asking
from gitagent.core.asking import Call, Result, Step
from gitagent.core.microtasks import estimate
from gitagent.errors import ModelError, RequestError
from gitagent.events import Answered, ModelReplied, PromptBuilt, ReplyRefused, ToolFinished, ToolProposed
from gitagent.ports import Listener, Model
from gitagent.records import Message, Note, Reply

MOST_REFUSED = 3
REFUSED = "refused: the user did not approve this call; look another way, or answer with what you know"
AGAIN = (
    "The last result is an error and your answer does not say so: look again, or say in the answer what it means."
)


class Tools(Protocol):
    """What calls are run with; nothing of the user's checkout is written."""

    def run(self, call: Call) -> Result:
        """What comes of a call; a call that cannot be, or may not be, is a result with an error.

        Raises SandboxError if the sandbox is missing or breaks.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a question ended: `answer` is "" where a limit came first, named by `reason`."""

    answer: str
    reason: str
    steps: tuple[Step, ...]


class Asker:
    """Asks a model, runs what it wants to see, and tells it what came of it, until it answers."""

    def __init__(
        self,
        model: Model,
        tools: Tools,
        listener: Listener,
        *,
        approve: Callable[[Call], bool],
        budget: Budget,
        most_steps: int = asking.MOST_STEPS,
        tight: bool = False,
    ) -> None:
        """A `tight` asker's model is held to its schema token by token."""
        self._tight = tight
        self._model, self._tools, self._listener = model, tools, listener
        self._approve, self._budget, self._most = approve, budget, most_steps

    def answer(self, question: str, notes: Sequence[Note] = ()) -> Outcome:
        """The model's answer, at most so many steps away. Raises ModelError if no reply is a step or an answer."""
        steps: list[Step] = []
        told, refused, reminded = "", 0, False
        self._model.count((Message(role="user", content=""),))  # an adapter may learn the window by it
        while True:
            last = len(steps) >= self._most
            if last:
                told = f'You have used all {self._most} steps: reply with "tool": "answer" now. {told}'.rstrip()
            try:
                self._budget.check()
                reply = self._reply(question, notes, steps, told, warmer=refused, last=last)
            except OutOfBudget as limit:
                return Outcome(answer="", reason=str(limit), steps=tuple(steps))
            told = ""
            try:
                if reply.finish == "length":
                    raise ModelError("it was cut off; reply shorter")
                action = asking.read(reply.text)
            except ModelError as problem:
                refused += 1
                told = f"Your last reply was refused: {problem}."
                self._listener(ReplyRefused(task="ask", worker=self._model.name, reason=str(problem)))
                if refused >= MOST_REFUSED:
                    raise ModelError(
                        f"{self._model.name} gave no usable reply in {refused} tries; of the last one: {problem}. "
                        "Nothing was changed.",
                        hint="set another model: gitagent models list, or --api",
                    ) from problem
                continue
            if isinstance(action, Call):
                if last:
                    reason = f"no answer within {self._most} steps"
                    return Outcome(answer="", reason=reason, steps=tuple(steps))
                refused = 0
                steps.append(self._step(len(steps) + 1, action))
                continue
            passed_over = asking.passed_over(action, steps)
            if passed_over and not reminded:
                reminded, told = True, AGAIN
                self._listener(
                    ReplyRefused(task="ask", worker=self._model.name, reason="an error was passed over")
                )
                continue
            note = action.about_error or (f"the answer says nothing of it: {passed_over}" if passed_over else "")
            text = f"{action.text}\n\n(error: {note})" if note else action.text
            self._listener(Answered(text=text, steps=len(steps)))
            return Outcome(answer=text, reason="", steps=tuple(steps))

    def _reply(
        self, question: str, notes: Sequence[Note], steps: Sequence[Step], told: str, *, warmer: int, last: bool
    ) -> Reply:
        window = self._model.window
        answer_tokens = min(1024 * (warmer + 1), window // (3 if warmer else 4))
        said, left_out = asking.messages(
            question, notes, steps, told=told, count=self._model.count, window=window, answer_tokens=answer_tokens
        )
        self._listener(
            PromptBuilt(
                task="ask",
                worker=self._model.name,
                prompt_tokens=self._model.count(said),
                answer_tokens=answer_tokens,
                window=window,
                left_out=left_out,
            )
        )
        reply = self._model.reply(
            said,
            answer_tokens=answer_tokens,
            temperature=0.3 if warmer else 0.0,
            seed=len(steps) + 100 * warmer,
            schema=asking.schema(last=last, tight=self._tight),
        )
        self._listener(ModelReplied(spending=reply.spending))
        return reply

    def _step(self, number: int, call: Call) -> Step:
        approved = call.tool == "think" or self._approve(call)
        self._listener(ToolProposed(number=number, tool=call.tool, call=call.said, approved=approved))
        if not approved:
            result = Result(exit_code=1, stderr=REFUSED)
        else:
            try:
                result = self._tools.run(call)
            except RequestError as problem:
                result = Result(exit_code=2, stderr=str(problem))
        # A sixth of what the window has for steps, so that the last five stay whole.
        window = self._model.window
        said = estimate(asking.repeated(call, window))
        room = (window * 3 // 4 - 700) // (asking.KEPT_WHOLE + 1) - said
        result = asking.capped(result, max(room, 120), estimate)
        self._listener(
            ToolFinished(
                number=number,
                tool=call.tool,
                exit_code=result.exit_code,
                stdout=result.stdout,
                stderr=result.stderr,
                took_seconds=round(result.seconds, 3),
            )
        )
        return Step(number=number, call=call, result=result)
