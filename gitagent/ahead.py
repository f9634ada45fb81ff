"""Questions to a worker that can answer several at once: asked side by side, answered in the plan's order."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from gitagent.errors import GitagentError
from gitagent.ports import Worker
from gitagent.records import Candidate, MicroTask

Question = tuple[MicroTask, str]


class AskedAhead:
    """A worker some of whose questions were asked before they are put, at most `most` at the same time.

    Whoever puts a question gets the answer to this very question, as if it were asked now: commits and their order
    are what they would be one by one.
    """

    def __init__(self, worker: Worker, *, most: int) -> None:
        self.name, self.most = worker.name, most
        self._worker = worker
        self._known: dict[tuple[MicroTask, str], list[Candidate] | GitagentError] = {}

    def ask(self, questions: Sequence[Question]) -> None:
        """Ask these, one answer each, and wait for all; a refusal is kept for whoever puts the question."""
        if len(questions) < 2 or self.most < 2:
            return
        with ThreadPoolExecutor(self.most, thread_name_prefix="gitagent-asking") as threads:
            answers = [threads.submit(self._answer, task, text) for task, text in questions]
        self._known |= {question: answer.result() for question, answer in zip(questions, answers, strict=True)}

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        """What the worker answers, as in `ports.Worker`."""
        known = self._known.pop((task, text), None) if limit == 1 else None
        if known is None:
            yield from self._worker.candidates(task, text, limit=limit)
        elif isinstance(known, GitagentError):
            raise known
        else:
            yield from known

    def _answer(self, task: MicroTask, text: str) -> list[Candidate] | GitagentError:
        try:
            return list(self._worker.candidates(task, text, limit=1))
        except GitagentError as error:
            return error
