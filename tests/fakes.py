"""Small whole fakes of what is out of a test's reach."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitagent.core import diffs
from gitagent.core.microtasks import estimate
from gitagent.errors import DiffError, GitagentError, ModelError
from gitagent.records import (
    Candidate,
    Execution,
    Findings,
    Message,
    MicroTask,
    Plan,
    Reply,
    Request,
    SandboxLimits,
    Spending,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question a fake model was asked."""

    messages: tuple[Message, ...]
    answer_tokens: int
    temperature: float
    seed: int
    schema: Mapping[str, object] | None
    grammar: str = ""

    @property
    def text(self) -> str:
        """All that was said to the model."""
        return "\n".join(message.content for message in self.messages)


Answering = Sequence[str | Reply | ModelError] | Callable[[Question], str | Reply | ModelError]


class FakeModel:
    """A whole model that answers from a list (the last answer again and again) or by a function.

    It counts as `estimate` does, keeps to its window like a real one, and remembers what it was asked.
    """

    def __init__(
        self, answers: Answering, *, window: int = 4096, name: str = "fake", takes_grammar: bool = False
    ) -> None:
        self.name = name
        self._takes_grammar = takes_grammar
        self.digest = "f" * 64
        self.window = window
        self.asked: list[Question] = []
        self._answers = answers

    def count(self, messages: Sequence[Message]) -> int:
        return 3 + sum(4 + estimate(message.content) for message in messages)

    def takes_grammar(self) -> bool:
        return self._takes_grammar

    def reply(
        self,
        messages: Sequence[Message],
        *,
        answer_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        schema: Mapping[str, object] | None = None,
        grammar: str = "",
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
            grammar=grammar,
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


Texts = Mapping[str, str]
Judging = Callable[[Texts], bool]


class FakeWorkspace:
    """A tree in memory whose one test is a function of its texts; remembers every tree it was asked about."""

    def __init__(self, texts: Texts, judge: Judging) -> None:
        self.texts = dict(texts)
        self.judged: list[Texts] = []
        self.closed = False
        self._judge = judge

    def write(self, texts: Mapping[str, str | None]) -> None:
        assert not self.closed
        for path, text in texts.items():
            if text is None:
                self.texts.pop(path, None)
            else:
                self.texts[path] = text

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes = b"",
        collect: Sequence[str] = (),
    ) -> Execution:
        assert not self.closed and timeout_seconds > 0
        self.judged.append(dict(self.texts))
        good = self._judge(self.texts)
        return Execution(
            argv=tuple(argv), exit_code=0 if good else 1, output="" if good else "not yet", seconds=0.1
        )


class FakeSandbox:
    """Opens workspaces in memory; `opened` holds them all, in order."""

    name = "fake"

    def __init__(self, judge: Judging) -> None:
        self.opened: list[FakeWorkspace] = []
        self._judge = judge

    def identity(self) -> str:
        return "fake:sha256:0"

    @contextlib.contextmanager
    def open(self, fill: Callable[[str], None], limits: SandboxLimits) -> Iterator[FakeWorkspace]:
        with tempfile.TemporaryDirectory() as directory:
            fill(directory)
            files = [file for file in Path(directory).rglob("*") if file.is_file()]
            texts = {file.relative_to(directory).as_posix(): file.read_bytes().decode() for file in files}
        workspace = FakeWorkspace(texts, self._judge)
        self.opened.append(workspace)
        yield workspace
        workspace.closed = True


class FakeWorker:
    """A worker with a list of answers, given one a question: a whole new text, or the error it raises instead."""

    def __init__(self, name: str, *answers: str | GitagentError) -> None:
        self.name = name
        self.asked: list[MicroTask] = []
        self._answers = list(answers)

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        self.asked.append(task)
        answers = self._answers if self.name == "templates" else self._answers[:1]
        if self.name != "templates":
            self._answers = self._answers[1:] or self._answers
        for number, answer in enumerate(answers[:limit]):
            if isinstance(answer, GitagentError):
                raise answer
            diff = diffs.between({task.path: (text or None, answer)})
            if not diff.text:
                raise DiffError("the diff changes nothing")
            yield Candidate(
                task=task.id,
                worker=self.name,
                diff=diff,
                texts={task.path: answer},
                score=-float(number),
                pattern=f"answer {number + 1}",
            )


class FakePlanner:
    """A planner with one plan, or the error it raises instead."""

    def __init__(self, name: str, plan: Plan | GitagentError) -> None:
        self.name = name
        self.findings: list[Findings] = []
        self._plan = plan

    def plan(
        self, request: Request, findings: Findings, read: Callable[[str], str | None]
    ) -> tuple[Plan, tuple[Spending, ...]]:
        self.findings.append(findings)
        if isinstance(self._plan, GitagentError):
            raise self._plan
        return self._plan, ()
