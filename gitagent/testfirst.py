"""Before anything is mended: a test that fails because of what is asked, where the project has none.

It counts only if it fails on base for the reason the request states. Then it is a commit of its own, the work begins on
that commit, and red-to-green means this test.
"""

from collections.abc import Iterator
from dataclasses import replace

from gitagent import proving
from gitagent.core import diffs, intake, localizing, reproducing, testing
from gitagent.errors import DiffError, ModelError
from gitagent.events import Noted, ReplyRefused, StepStarted, TaskStarted
from gitagent.guarding import Gate
from gitagent.ports import Ports, Worker
from gitagent.records import Candidate, MicroTask, Note, Request, SandboxLimits, TestCommand
from gitagent.searching import Budget
from gitagent.tree import Tree
from gitagent.workspaces import Workspaces

ATTEMPTS = 2
ANSWER_TOKENS = 600
_SHOWN_FILES, _SHOWN_CHARACTERS = 3, 6_000


class TestFirst:
    """Finds one failing test for a request: from a traceback in it, else from the models, cheapest first."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    def __init__(
        self,
        *,
        request: Request,
        ports: Ports,
        tree: Tree,
        command: TestCommand,
        workspaces: Workspaces,
        budget: Budget,
        limits: SandboxLimits,
    ) -> None:
        self._request, self._ports, self._tree = request, ports, tree
        self._command, self._workspaces, self._budget = command, workspaces, budget
        self._limits = limits
        slug = intake.branch_of(request).partition("-")[2]
        self.path = reproducing.place_of(tree.entries, slug, request.key)

    def found(self) -> tuple[MicroTask, Candidate] | None:
        """The task of writing it, and the test that counts; None if none does.

        Raises OutOfBudget. An endpoint that is out of reach is told here, and is an error where it is asked next.
        """
        if self._command.runner != "pytest":
            return None
        self._ports.stream(StepStarted(step="test first", detail=self.path))
        task = self._task()
        for worker, candidate in self._proposals(task):
            why = self._unfit(candidate)
            if not why:
                return task, candidate
            self._told(worker, why)
        return None

    def _task(self) -> MicroTask:
        text = self._request.text
        sources = [
            path for path in localizing.files_by_words(text, self._tree.entries) if self._tree.is_source(path)
        ]
        notes = [
            Note(title=path, text=shown[:_SHOWN_CHARACTERS], priority=at + 1)
            for at, path in enumerate(sources[:_SHOWN_FILES])
            if path.endswith(".py") and (shown := self._tree.on_base(path))
        ]
        return MicroTask(
            id="test",
            path=self.path,
            first_line=1,
            excerpt="",
            instruction=reproducing.instruction(text, self.path),
            answer_tokens=ANSWER_TOKENS,
            notes=tuple(notes),
        )

    def _proposals(self, task: MicroTask) -> Iterator[tuple[str, Candidate]]:
        """Tests that might do, with who proposed each; what was wrong with the last is told to the model."""
        text = reproducing.from_traceback(self._request.text, self._tree.entries, self._tree.on_base)
        if text is not None:
            diff = diffs.between({self.path: (None, text)})
            pattern = "the call of the traceback does not raise"
            yield (
                "traceback",
                Candidate(task=task.id, worker="traceback", diff=diff, texts={self.path: text}, pattern=pattern),
            )
        for worker in self._ports.workers:
            if worker.name == "templates":
                continue
            asked, self._why = task, ""
            for attempt in range(1, ATTEMPTS + 1):
                self._budget.check()
                asked = replace(asked.retried_after(self._why), attempt=attempt) if self._why else task
                self._ports.stream(TaskStarted(task=task.id, path=self.path, worker=worker.name, attempt=attempt))
                try:
                    answers = list(worker.candidates(asked, "", limit=1))
                except DiffError as refusal:
                    self._told(worker.name, str(refusal))
                    continue
                except ModelError as error:
                    self._ports.stream(Noted(level="warning", text=f"{worker.name}: {error}"))
                    break
                for candidate in answers:
                    yield worker.name, replace(candidate, pattern="a test that fails because of what is asked")

    def _told(self, worker: str, why: str) -> None:
        self._why = why
        self._ports.stream(ReplyRefused(task="test", worker=worker, reason=why))

    def _unfit(self, candidate: Candidate) -> str:
        """Why this test does not count, "" if it does: it has been seen to fail as it should."""
        if set(candidate.texts) != {self.path} or candidate.texts[self.path] is None:
            return f"it is to be one new file, {self.path}"
        refused = Gate(self._tree).refusal(candidate)
        if refused:
            return refused
        with self._workspaces.fresh() as workspace:
            workspace.write(candidate.texts)
            run = proving.run_tests(
                workspace,
                self._command,
                tests=(self.path,),
                tree="",
                sandbox="",
                timeout_seconds=self._budget.cap(self._limits.timeout_seconds),
            )
        if run.state == "inconclusive" and not run.results:
            return f"it cannot be run: {run.reason}"
        return reproducing.unfit(run.results, self.path, self._request.text, testing.is_test_path)


def worth_it(workers: tuple[Worker, ...], text: str) -> bool:
    """Whether there is anybody, or anything in the request, to get a test from."""
    return any(worker.name != "templates" for worker in workers) or 'File "' in text
