"""The local worker: several diffs for one micro-task, each certain to apply."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gitagent.adapters.llama.decoding import Answer, Sampler, Work
from gitagent.adapters.llama.model import LlamaModel
from gitagent.core import diffs
from gitagent.core.grammar import Bounds, Edit, Ground, as_lark, grammar_of, ground_for, numbered, replay, urged
from gitagent.core.microtasks import Prompt, prompt
from gitagent.core.texts import gist
from gitagent.errors import DiffError
from gitagent.events import ModelReplied, PromptBuilt
from gitagent.ports import Listener
from gitagent.records import Candidate, MicroTask, Room, Spending

ROUNDS = 3
HEAD = 50
"""Characters of a diff's head and a hunk's header but for the path, which is there twice, and of a line added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One task made ready: what is asked, and what an answer may be. `opening` is said for every answer."""

    task: MicroTask
    text: str
    ground: Ground
    asked: Prompt
    sampler: Sampler
    matcher: Any
    opening: tuple[int, ...]


class LlamaWorker:
    """Answers micro-tasks with a GGUF model in this process.

    The first answer is the likeliest at each step, the others are drawn at `temperature`. Answers that come
    to the same text count once.
    """

    name = "local"

    def __init__(
        self,
        model_path: str,
        *,
        window: int = 4096,
        listener: Listener | None = None,
        threads: int | None = None,
        parallel: int = 8,
        temperature: float = 0.8,
        seed: int = 0,
        bounds: Bounds | None = None,
    ) -> None:
        self.model = LlamaModel(
            model_path, window=window, listener=listener, threads=threads, parallel=max(parallel, 1)
        )
        self._listener = listener
        self._temperature, self._seed = temperature, seed
        self._bounds = bounds or Bounds()

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        """At most `limit` candidates, those of each round best first.

        Raises DiffError if no answer got as far as a change, or the file cannot be edited as text.
        """
        question = self._question(task, text)
        seen: set[str] = set()
        reason, drawn = "", 0
        for _ in range(ROUNDS):
            if len(seen) >= limit:
                return  # also the word of a caller who wants none
            start = time.monotonic()
            answers, work = self._round(question, drawn, limit - len(seen))
            drawn += len(answers)
            fresh: list[tuple[Answer, diffs.Applied]] = []
            for answer in answers:
                try:
                    edit, applied = self._read(question, answer)
                except DiffError as error:
                    reason = str(error)
                    continue
                if edit.text not in seen:
                    seen.add(edit.text)
                    fresh.append((answer, applied))
            spending = Spending(
                worker=self.name,
                calls=1,
                prompt_tokens=question.asked.prompt_tokens,
                answer_tokens=work.tokens,
                seconds=time.monotonic() - start,
                stays_here=True,
            )
            if self._listener is not None:
                self._listener(ModelReplied(spending=spending))
            # Answers cut at their budget come last, however likely: they stop in the middle of a thought.
            for answer, applied in sorted(fresh, key=lambda one: (not one[0].finished, -one[0].score)):
                yield self._candidate(question, answer, applied, spending)
                spending = Spending(worker=self.name)
            if not fresh:
                break
        if not seen:
            room = question.asked.answer_tokens
            raise DiffError(f"{reason} (none of {drawn} answers of at most {room} tokens is usable)")

    def _question(self, task: MicroTask, text: str) -> _Question:
        # Context is said by the answer too, after the diff's head, and must leave it room for its change even if
        # every character were a token.
        room = task.answer_tokens - 2 * len(task.path.encode()) - HEAD
        context = min(self._bounds.context_characters, max(room, 0))
        bounds = replace(self._bounds, context_characters=context)
        ground = ground_for(task.path, task.first_line, task.excerpt, text, bounds=bounds)
        lark = as_lark(grammar_of(ground))
        asked = prompt(numbered(task, ground), count=self.model.count, window=self.model.window)
        if self._listener is not None:
            self._listener(
                PromptBuilt(
                    task=task.id,
                    worker=self.name,
                    prompt_tokens=asked.prompt_tokens,
                    answer_tokens=asked.answer_tokens,
                    window=self.model.window,
                    left_out=asked.left_out,
                )
            )
        sampler = Sampler(self.model.engine)
        matcher = sampler.matcher(lark)
        opening = sampler.opening(matcher)
        return _Question(
            task=task, text=text, ground=ground, asked=asked, sampler=sampler, matcher=matcher, opening=opening
        )

    def _round(self, question: _Question, drawn: int, limit: int) -> tuple[tuple[Answer, ...], Work]:
        """As many answers at once as are wanted and have room, the prompt evaluated once for all of them."""
        model, room = self.model, question.asked.answer_tokens
        prompted = model.chat.prompt(question.asked.messages).followed_by(question.opening)
        logits = model.evaluate(prompted)
        spare = model.engine.cells - len(prompted.tokens)
        count = max(1, min(model.parallel, limit, spare // max(room, 1)))
        return question.sampler.answers(
            question.matcher,
            logits,
            len(prompted.tokens),
            opening=question.opening,
            room=room,
            settings=[
                (self._temperature if number else 0.0, self._seed + number)
                for number in range(drawn, drawn + count)
            ],
            urged=lambda said, left: urged(question.ground, said, left, room, model.engine.takes),
        )

    def _read(self, question: _Question, answer: Answer) -> tuple[Edit, diffs.Applied]:
        """What an answer comes to, by our own replay and by the applier every other diff goes through."""
        path = question.task.path
        edit = replay(question.ground, self.model.text_of(answer.ids), cut=not answer.finished)
        old = None if question.ground.is_new else question.text
        applied = diffs.apply_reply(edit.diff, lambda _: old, allowed=[path], finished=True)
        if applied.texts != {path: edit.text}:
            raise DiffError(f"{path}: the diff applies to something else than was decoded; it was thrown away")
        return edit, applied

    def _candidate(
        self, question: _Question, answer: Answer, applied: diffs.Applied, spending: Spending
    ) -> Candidate:
        what = gist(question.task.instruction)
        return Candidate(
            task=question.task.id,
            worker=self.name,
            diff=applied.diff,
            texts=applied.texts,
            score=answer.score,
            pattern=what if answer.finished else f"{what}, cut at {question.asked.answer_tokens} tokens",
            model_digest=self.model.digest,
            prompt_digest=question.asked.digest,
            spending=spending,
            temperature=answer.temperature,
            seed=answer.seed,
            room=Room(
                window=self.model.window,
                prompt_tokens=question.asked.prompt_tokens,
                answer_tokens=question.asked.answer_tokens,
                left_out=question.asked.left_out,
            ),
            build=self.model.build,
        )
