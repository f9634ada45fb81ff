"""The question put to a local model: the task's prompt, its excerpt with line numbers."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gitagent.core.grammar import Ground
from gitagent.errors import RequestError
from gitagent.records import Message, MicroTask


def numbered(task: MicroTask, ground: Ground) -> MicroTask:
    """The task with a number before each line of its excerpt: the answer's hunk headers name start lines."""
    width = len(str(ground.first_line + len(ground.lines)))
    lines = (f"{ground.first_line + at:{width}} {line}" for at, line in enumerate(ground.lines))
    return replace(task, excerpt="".join(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt that fits."""

    messages: tuple[Message, ...]
    prompt_tokens: int
    answer_tokens: int
    left_out: tuple[str, ...]
    digest: str


def prompt(task: MicroTask, *, count: Callable[[Sequence[Message]], int], window: int) -> Prompt:
    """The prompt for a task, until the shared one of `core.microtasks` is there."""
    system = "You edit one file. Answer with one unified diff of it and nothing else."
    messages = (
        Message(role="system", content=system),
        Message(role="user", content=f"{task.instruction}\n\nFile {task.path}:\n{task.excerpt}"),
    )
    tokens = count(messages)
    if tokens + task.answer_tokens > window:
        raise RequestError(f"{task.path}: the prompt takes {tokens} tokens; the window has {window}")
    digest = hashlib.sha256(repr(messages).encode()).hexdigest()
    return Prompt(
        messages=messages, prompt_tokens=tokens, answer_tokens=task.answer_tokens, left_out=(), digest=digest
    )
