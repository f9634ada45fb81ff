"""The worker that asks a language model: one prompt, counted and sent; a reply, held against the file."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import replace

from gitagent.core import diffs, microtasks
from gitagent.core.grammar import Bounds, Ground, as_gbnf, grammar_of, ground_for, numbered, replay
from gitagent.core.replies import without_thoughts
from gitagent.core.texts import gist, lines_of
from gitagent.errors import DiffError
from gitagent.events import ModelReplied, PromptBuilt
from gitagent.ports import Listener, Model
from gitagent.records import Candidate, Message, MicroTask, Reply, Room

_FENCED = re.compile(r"^(?P<fence>`{3,}|~{3,})[^\n`]*\n(?P<text>.*?)^(?P=fence)[ \t]*$", re.DOTALL | re.MULTILINE)
_DIFF_MARK = re.compile(r"^(?:@@|--- |\+\+\+ |diff --git )", re.MULTILINE)
_LEFT_OUT = re.compile(
    # Comments that stand for code: "# ... rest of the file unchanged", "// existing code here".
    r"^\s*(?:#|//|/\*|--|<!--)\s*(?:\.\.\.|…"
    r"|\(?(?:the )?(?:rest|remainder|remaining|existing|other|previous|same)\b[^\n]{0,40}"
    r"\b(?:code|file|unchanged|same|here|before|methods?|functions?|class|lines)\b)",
    re.IGNORECASE | re.MULTILINE,
)


class ModelWorker:
    """Asks a model for the diff of a task's file.

    The first candidate is asked for at temperature 0, more of them warmer, each with its own seed, and only when
    it is wanted. The same resulting text is not proposed twice. A model that takes a grammar is held to the diffs
    that apply, as the local one is; should it answer something else, that is read like any other answer.
    """

    def __init__(self, model: Model, listener: Listener, *, name: str = "api") -> None:
        self.name = name
        self._model = model
        self._listener = listener

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        """At most `limit` candidates, as in `ports.Worker`.

        Raises DiffError if the first reply holds no usable diff, TooLargeError if no half of the task would fit,
        ModelError if the model is out of reach. Later replies that hold none are passed over.
        """
        task = self._found_again(task, text)
        self._model.count((Message(role="user", content=""),))  # an adapter may learn the window by it
        ground = self._ground(task, text)
        asked = task if ground is None else numbered(task, ground)
        try:
            prompt = microtasks.prompt(asked, count=self._model.count, window=self._model.window)
        except microtasks.TooLargeError:
            # What was added since the plan (a refusal, a longer request) no longer fits: ask about half of it.
            for half in microtasks.split(task):
                yield from self.candidates(replace(half, id=task.id), text, limit=limit)
            return
        self._listener(
            PromptBuilt(
                task=task.id,
                worker=self.name,
                prompt_tokens=prompt.prompt_tokens,
                answer_tokens=prompt.answer_tokens,
                window=self._model.window,
                left_out=prompt.left_out,
            )
        )
        grammar = as_gbnf(grammar_of(ground)) if ground is not None else ""
        seen: set[str | None] = set()
        for number in range(limit):
            # A question asked again is asked a little warmer, or the same answer would come.
            temperature = 0.0 if number == 0 and task.attempt == 1 else min(0.2 + 0.2 * number, 0.8)
            seed = number + 1000 * (task.attempt - 1)
            reply = self._model.reply(
                prompt.messages,
                answer_tokens=prompt.answer_tokens,
                temperature=temperature,
                seed=seed,
                grammar=grammar,
            )
            self._listener(ModelReplied(spending=reply.spending))
            try:
                applied = _within(ground, text, reply) or _applied(task, text, reply, prompt)
            except DiffError:
                if number == 0:
                    raise
                continue
            result = applied.texts.get(task.path)
            if result in seen:
                continue
            seen.add(result)
            yield Candidate(
                task=task.id,
                worker=self.name,
                diff=applied.diff,
                texts=applied.texts,
                score=-float(number),
                pattern=gist(task.instruction),
                model_digest=self._model.digest,
                prompt_digest=prompt.digest,
                spending=reply.spending,
                temperature=temperature,
                seed=seed,
                room=Room(
                    window=self._model.window,
                    prompt_tokens=prompt.prompt_tokens,
                    answer_tokens=prompt.answer_tokens,
                    left_out=prompt.left_out,
                ),
            )

    def _ground(self, task: MicroTask, text: str) -> Ground | None:
        """What an answer may stand on, None if this one is not to be held to anything.

        The grammar spells the excerpt out, so lines that may not leave the machine rule it out.
        """
        if not self._model.takes_grammar() or microtasks.redact(task.excerpt).secrets:
            return None
        # Context is said by the answer too, and must leave it room for its change.
        bounds = Bounds(context_characters=min(Bounds().context_characters, task.answer_tokens))
        try:
            ground = ground_for(task.path, task.first_line, task.excerpt, text, bounds=bounds)
            grammar_of(ground)
        except DiffError:
            return None  # not UTF-8, say: the applier of free answers knows what to do
        return ground

    def _found_again(self, task: MicroTask, text: str) -> MicroTask:
        """The task with its excerpt as the file has it now: an earlier task may have moved or changed it."""
        own = lines_of(text)
        size = len(lines_of(task.excerpt))
        if not task.excerpt and not text:
            return task
        if task.excerpt and "".join(own[task.first_line - 1 : task.first_line - 1 + size]) == task.excerpt:
            return task
        starts = []
        at = text.find(task.excerpt) if task.excerpt else -1
        while at >= 0:
            if at == 0 or text[at - 1] == "\n":
                starts.append(text.count("\n", 0, at) + 1)
            at = text.find(task.excerpt, at + 1)
        if starts:
            first, excerpt = min(starts, key=lambda line: abs(line - task.first_line)), task.excerpt
        else:
            middle = task.first_line + size // 2
            lines = [suspect.line for suspect in task.suspects] or [middle]
            room = max(self._model.window - task.answer_tokens - 300, 200)
            first, excerpt = microtasks.segment(
                task.path, text, lines=lines, count=microtasks.estimate, room=room, enough=min(room, 400)
            )
        moved = first - task.first_line
        suspects = (
            tuple(replace(item, line=item.line + moved) for item in task.suspects) if starts else task.suspects
        )
        return replace(task, first_line=first, excerpt=excerpt, suspects=suspects)


def _within(ground: Ground | None, text: str, reply: Reply) -> diffs.Applied | None:
    """What an answer within its grammar comes to, read to its last whole line; None if it is not within one."""
    if ground is None:
        return None
    old = None if ground.is_new else text
    try:
        edit = replay(ground, reply.text, cut=reply.finish == "length")
        applied = diffs.apply_reply(edit.diff, lambda _: old, allowed={ground.path}, finished=True)
    except DiffError:
        return None
    return applied if applied.texts == {ground.path: edit.text} else None


def _applied(task: MicroTask, text: str, reply: Reply, prompt: microtasks.Prompt) -> diffs.Applied:
    answer = prompt.restored(without_thoughts(reply.text))
    if reply.finish == "length":
        raise DiffError(
            f"{task.path}: the answer was cut off at {prompt.answer_tokens} tokens; give only the changed hunks"
        )
    old = text if text or task.excerpt else None

    def read(path: str) -> str | None:
        return old if path == task.path else None

    if not _DIFF_MARK.search(answer):
        whole = _whole_text(task, text, answer)
        # Through the same gate as any diff: paths, sizes and emptiness are judged there.
        answer = diffs.between({task.path: (old, whole)}).text
        if not answer:
            raise DiffError(f"{task.path}: the answer changes nothing")
    return diffs.apply_reply(answer, read, allowed={task.path}, finished=True)


def _whole_text(task: MicroTask, text: str, answer: str) -> str:
    """The file's new text out of a fence that holds the whole excerpt, or the whole file, rewritten."""
    blocks = [match["text"] for match in _FENCED.finditer(answer) if match["text"].strip()]
    if len(blocks) != 1:
        raise DiffError(
            f"{task.path}: the answer holds no unified diff; begin with --- a/{task.path} and +++ b/{task.path}"
        )
    new = blocks[0].replace("\r\n", "\n")
    if not task.excerpt:
        return new
    if _LEFT_OUT.search(new) and not _LEFT_OUT.search(task.excerpt):
        raise DiffError(f"{task.path}: the answer leaves code out; give a unified diff instead")
    if "\r\n" in task.excerpt:
        new = new.replace("\n", "\r\n")
    of_excerpt, of_file = _likeness(new, task.excerpt), _likeness(new, text)
    if max(of_excerpt, of_file) < 0.5:
        raise DiffError(f"{task.path}: the answer is neither a unified diff nor the shown lines rewritten")
    if of_file > of_excerpt or task.excerpt == text:
        return new if text.endswith("\n") else new.removesuffix("\n")
    new = _indented_like(new, task.excerpt)
    own = lines_of(text)
    last = task.first_line - 1 + len(lines_of(task.excerpt))
    after = "".join(own[last:])
    if not after and not text.endswith("\n"):
        new = new.removesuffix("\n")
    return "".join(own[: task.first_line - 1]) + new + after


def _likeness(new: str, old: str) -> float:
    """How much of both texts is the same lines, 0 to 1; indentation is not looked at."""
    ours = [line.strip() for line in lines_of(new) if line.strip()]
    theirs = [line.strip() for line in lines_of(old) if line.strip()]
    if len(ours) * len(theirs) > 4_000_000:
        return 0.0
    return difflib.SequenceMatcher(None, ours, theirs, autojunk=False).ratio()


def _indented_like(new: str, excerpt: str) -> str:
    """A rewritten excerpt put back to the excerpt's own indentation, where all of it was moved left."""
    first_new = next(line for line in lines_of(new) if line.strip())
    first_old = next((line for line in lines_of(excerpt) if line.strip()), "")
    lead = first_old[: len(first_old) - len(first_old.lstrip())]
    if first_new.strip() != first_old.strip() or first_new.startswith((" ", "\t")) or not lead:
        return new
    return "".join(lead + line if line.strip() else line for line in lines_of(new))
