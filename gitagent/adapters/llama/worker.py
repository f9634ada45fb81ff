"""The local worker: several diffs for one micro-task, each certain to apply."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from gitagent.adapters.llama.asking import Prompt, numbered, prompt
from gitagent.adapters.llama.decoding import Answer, Sampler, Work
from gitagent.adapters.llama.model import LlamaModel
from gitagent.core import diffs
from gitagent.core.grammar import Bounds, Edit, Ground, as_lark, grammar_of, ground_for, replay
from gitagent.errors import DiffError
from gitagent.events import PromptBuilt
from gitagent.ports import Listener
from gitagent.records import Candidate, MicroTask, Spending

ROUNDS = 3


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
        ground = ground_for(task.path, task.first_line, task.excerpt, text, bounds=self._bounds)
        sampler = Sampler(self.model.engine)
        matcher = sampler.matcher(as_lark(grammar_of(ground)))
        opening = sampler.opening(matcher)
        asked = prompt(numbered(task, ground), count=self.model.count, window=self.model.window)
        self._tell(task, asked)
        seen: set[str] = set()
        reason = "no answer"
        drawn = 0
        for _ in range(ROUNDS):
            if len(seen) >= limit:
                return  # also the word of a caller who wants none
            start = time.monotonic()
            answers, work = self._round(sampler, matcher, opening, asked, drawn, limit - len(seen))
            drawn += len(answers)
            fresh: list[tuple[Answer, Edit]] = []
            for answer in answers:
                try:
                    edit = replay(ground, self.model.text_of(answer.ids), cut=not answer.finished)
                except DiffError as error:
                    reason = str(error)
                    continue
                if edit.text not in seen:
                    seen.add(edit.text)
                    fresh.append((answer, edit))
            spending = self._spending(asked, work, time.monotonic() - start)
            # Answers cut at their budget come last, however likely: they stop in the middle of a thought.
            fresh.sort(key=lambda pair: (not pair[0].finished, -pair[0].score))
            for answer, edit in fresh:
                yield self._candidate(task, text, ground, asked, answer, edit, spending)
                spending = Spending(worker=self.name)
            if not fresh:
                break
        if not seen:
            raise DiffError(
                f"{reason} (of {drawn} answers of at most {task.answer_tokens} tokens, none is usable)"
            )

    def _round(
        self, sampler: Sampler, matcher: Any, opening: Sequence[int], asked: Prompt, drawn: int, limit: int
    ) -> tuple[tuple[Answer, ...], Work]:
        model = self.model
        prompted = model.chat.prompt(asked.messages).followed_by(opening)
        logits = model.evaluate(prompted)
        spare = model.engine.cells - len(prompted.tokens)
        count = max(1, min(model.parallel, limit, spare // max(asked.answer_tokens, 1)))
        settings = [
            (0.0 if number == 0 else self._temperature, self._seed + number)
            for number in range(drawn, drawn + count)
        ]
        return sampler.answers(
            matcher,
            logits,
            len(prompted.tokens),
            opening=opening,
            room=asked.answer_tokens,
            settings=settings,
        )

    def _candidate(
        self,
        task: MicroTask,
        text: str,
        ground: Ground,
        asked: Prompt,
        answer: Answer,
        edit: Edit,
        spending: Spending,
    ) -> Candidate:
        applied = diffs.apply_reply(edit.diff, lambda path: None if ground.is_new else text, allowed=[task.path])
        if applied.texts != {task.path: edit.text}:
            raise DiffError(f"{task.path}: the applied diff is not what was decoded; it was thrown away")
        what = f"-{edit.removed} +{edit.added} lines at {edit.first_line}"
        return Candidate(
            task=task.id,
            worker=self.name,
            diff=applied.diff,
            texts=applied.texts,
            score=answer.score,
            pattern=what if answer.finished else f"{what}, cut at {task.answer_tokens} tokens",
            model_digest=self.model.digest,
            prompt_digest=asked.digest,
            spending=spending,
            temperature=answer.temperature,
            seed=answer.seed,
        )

    def _spending(self, asked: Prompt, work: Work, seconds: float) -> Spending:
        return Spending(
            worker=self.name,
            calls=1,
            prompt_tokens=asked.prompt_tokens,
            answer_tokens=work.tokens,
            seconds=seconds,
        )

    def _tell(self, task: MicroTask, asked: Prompt) -> None:
        if self._listener is None:
            return
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
