"""Candidates from a worker on one side, tests on the other, a budget over both."""

import hashlib
import heapq
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gitagent import proving
from gitagent.budgets import Budget as Budget
from gitagent.budgets import OutOfBudget as OutOfBudget
from gitagent.core import hostility, impact, microtasks, routing, syntax, turns
from gitagent.core.testing import is_test_path
from gitagent.errors import DiffError, ModelError
from gitagent.events import (
    CandidateProposed,
    CandidateTried,
    Escalated,
    Noted,
    ReplyRefused,
    Stream,
    TaskStarted,
)
from gitagent.ports import Steps, Worker, Workspace
from gitagent.records import (
    Candidate,
    Coverage,
    MicroTask,
    Plan,
    State,
    TestCommand,
    TestResult,
)

# How many more candidates are tried after the first survivor, in search of a smaller one.
ENCORE = 48
# One line changed for another: that small, a survivor need not wait.
SMALL = 2
SURVIVORS = 4
# So many answers of a worker that costs nothing go into one message to the sandbox.
BATCH = 1024
# Of many red tests the templates' answers are tried on so many at first; those that pass have to pass all.
MANY_RED, FEW_RED = 12, 8
# Survivors are tried on so many of the passing tests they touch before they are tried on all tests.
IMPACTED_TESTS = 50
MODEL_TASKS = 4


class Search:
    """One warm workspace and the tests that must turn green in it.

    `partial` are trials of templates that turned some of the red tests green, in the order they were tried; nobody
    has asked yet whether they are refused.
    `refuses` says why an answer may not even be tried, "" if it may; of the many answers of templates, which are small
    edits made of the file's own words, most are asked about only once they pass. `passing_seconds` is what the
    slowest test took that passes on base, `coverage` what each test ran there: a survivor is handed over only if it
    breaks none of the tests it touches. `patience` is how often a worker may fail a task while there is another.
    `corrected` puts into a task what people said meanwhile.
    """

    def __init__(
        self,
        *,
        workspace: Workspace,
        command: TestCommand,
        red: Sequence[TestResult],
        read: Callable[[str], str | None],
        budget: Budget,
        stream: Stream,
        wanted: Mapping[str, int],
        timeout_seconds: float,
        refuses: Callable[[Candidate], str] = lambda candidate: "",
        passing_seconds: float = 0.0,
        patience: int = 2,
        steps: Steps | None = None,
        corrected: Callable[[MicroTask], MicroTask] = lambda task: task,
    ) -> None:
        self._patience, self._corrected = patience, corrected
        self._steps, self._accepted = steps, list[str]()
        self._refuses = refuses
        self.workspace, self._command, self._red = workspace, command, tuple(one.id for one in red)
        self._read, self._budget, self._stream = read, budget, stream
        self._wanted, self._timeout = wanted, timeout_seconds
        self._seen: set[str] = set()
        self._number = 0
        self.partial: list[proving.Trial] = []
        self.coverage: tuple[Coverage, ...] = ()
        self._end: OutOfBudget | None = None
        self._passing_seconds = passing_seconds
        self._few, self._red_seconds = telling(red), sum(one.seconds for one in red)
        self._warmth: dict[tuple[str, ...], proving.Warmth] = {}

    def templates(self, worker: Worker, plan: Plan, limit: int) -> Iterator[Candidate]:
        """Survivors among the worker's answers to all tasks: best answers tried first, small diffs at once.

        A larger survivor waits a while for a smaller one. Once time gets short, what was found is better than more:
        survivors that wait, or else the partial trials.
        """
        for task in plan.tasks:
            self._stream(TaskStarted(task=task.id, path=task.path, worker=worker.name, attempt=task.attempt))
        answers = [worker.candidates(task, self._read(task.path) or "", limit=limit) for task in plan.tasks]
        merged = heapq.merge(*answers, key=lambda candidate: -candidate.score)
        waiting: list[Candidate] = []
        since = 0
        for trial in self._trials(merged, limit, red=self._few):
            since += bool(waiting)
            if trial.passed and trial.failed:
                self.partial.append(trial)
            if trial.state == "passed" and not self.refusal(trial.candidate) and self._passes_all(trial):
                if _size(trial.candidate) <= SMALL:
                    yield from self._harmless([trial.candidate])  # none of the rest is better
                else:
                    waiting.append(trial.candidate)
            if since >= ENCORE or len(waiting) >= SURVIVORS:
                yield from self._harmless(waiting)
                waiting, since = [], 0  # the tests refused them all: on with the search
            if (self.partial or waiting) and self._budget.is_late:
                break
        yield from self._harmless(waiting)

    def model(self, worker: Worker, plan: Plan, *, is_last: bool = True) -> Iterator[Candidate]:
        """Survivors among a model's answers, task by task; a refusal or a failed test is told to it.

        One that is not the last to be asked is asked again only as often as the patience with it goes.
        """
        most = self._budget.limits.attempts
        for task in map(self._corrected, plan.tasks[:MODEL_TASKS]):
            tried: list[str] = []
            for number in range(most if is_last else min(self._patience, most)):
                asked, told = turns.again(task, tried, number) if tried else task, ""
                for trial in self._answers(worker, asked, self._wanted.get(worker.name, 1)):
                    if isinstance(trial, str):
                        told = trial
                    elif trial.state == "passed" and (broken := self.breaks(trial.candidate)):
                        told = turns.short(f"the tests it must turn green pass, but it breaks others: {broken}")
                    elif trial.state == "passed":
                        yield trial.candidate
                        told = "the tests it must turn green pass, but others that passed before now fail"
                    else:
                        told = turns.short(f"the change applies, but the tests still fail: {trial.reason}")
                tried += [told] if told else []

    def best(self, task: MicroTask, workers: Sequence[Worker], first: str = "") -> tuple[Candidate | None, str]:
        """The answer that turns most red tests green, with its verdict in words, or None with the reason.

        Workers go from the cheapest up, beginning with `first`, and the next one is asked after the last has answered
        nothing usable so often. One that is out of reach is passed over; where it was the last, a cheaper one that
        was not asked stands in for it.
        """
        by_name, task = {worker.name: worker for worker in workers}, self._corrected(task)
        names, told, tried = list(by_name), "", list[str]()
        current: str | None = first or (names[0] if names else None)
        answers: list[State] = []
        down, done = set[str](), set[str]()
        error: ModelError | None = None
        while current is not None:
            asked = turns.again(task, tried, len(answers)) if tried else task
            try:
                chosen, said = self._best_answer(by_name[current], asked)
                told = said or told or "no answer could be tried"  # the same answer again is not tried
                tried.append(told)
            except ModelError as unreachable:
                error, chosen, told = unreachable, None, str(unreachable)
                down.add(current)
            if chosen is not None:
                return chosen.candidate, self._said(chosen)
            answers.append("failed")
            left = set(names) - down - done - {current}
            patience = min(self._patience, self._budget.limits.attempts) if left else self._budget.limits.attempts
            to = routing.next_worker(names, current, answers, down=down | done, patience=patience)
            if to is not None and to != current:
                self._stream(Escalated(task=task.id, worker=current, to=to, reason=told))
                done.add(current)
                answers = []
            current = to
        if error is not None:
            raise error
        return None, told or "no worker is set up"

    def _best_answer(self, worker: Worker, task: MicroTask) -> tuple[proving.Trial | None, str]:
        """Of one question's answers the one that turns most red tests green, and what was wrong with the others."""
        chosen: proving.Trial | None = None
        told = ""
        # In a plan of several tasks one answer alone seldom turns a test green, so a paid model is
        # asked for one only; what is wrong with it shows at the end and comes back as feedback.
        wanted = 1 if worker.name == "api" else self._wanted.get(worker.name, 1)
        try:
            for trial in self._answers(worker, task, wanted):
                if isinstance(trial, str):
                    told = trial
                elif broken := syntax.broken(trial.candidate.texts):
                    told = broken
                    self._stream(ReplyRefused(task=task.id, worker=worker.name, reason=broken))
                elif chosen is None or len(trial.passed) > len(chosen.passed):
                    chosen = trial
        except OutOfBudget:
            if chosen is None:
                raise
        return chosen, told

    def _said(self, trial: proving.Trial) -> str:
        return f"{trial.state} ({len(trial.passed)} of {len(self._red)} red tests pass)"

    def _passes_all(self, trial: proving.Trial) -> bool:
        """Whether a candidate that passed turns all red tests green, and not only those it was tried on."""
        whole = self.whole(trial)
        if whole.state != "passed":
            passed = f"only {len(whole.passed)} of {len(self._red)} red tests pass"
            reason = turns.short(f"{passed}: {whole.reason}", 300)
            task, worker = trial.candidate.task, trial.candidate.worker
            self._stream(ReplyRefused(task=task, worker=worker, reason=reason))
        return whole.state == "passed"

    def whole(self, trial: proving.Trial) -> proving.Trial:
        """The trial of one of the templates' answers again, on all red tests if there are more than it was tried on."""
        if self._few == self._red:
            return trial
        # For one candidate nothing is warmed up, and base has been seen.
        cold = proving.Warmth(base_seconds=self._red_seconds, together=0)
        for again in self._tried([trial.candidate], batch=1, warmth=cold):
            trial = again
        if few := self._warmth.get(self._few):
            few.files = None  # they are of another time now
        return trial

    def _harmless(self, survivors: Sequence[Candidate]) -> Iterator[Candidate]:
        """Those that break none of the tests they touch, best first."""
        for survivor in sorted(survivors, key=_rank):
            if broken := self.breaks(survivor):
                reason = f"turns the red tests green, but breaks others: {broken}"
                self._stream(
                    ReplyRefused(task=survivor.task, worker=survivor.worker, reason=turns.short(reason, 300))
                )
            else:
                yield survivor

    def breaks(self, candidate: Candidate) -> str:
        """What a candidate breaks among the tests that ran the lines it changes, "" if nothing is known to break.

        Of many such tests those are run that say most; a test that fails must fail twice.
        """
        changed = impact.changed_lines(candidate.diff.text)
        tests = impact.impacted(self.coverage, changed, besides=self._red)[:IMPACTED_TESTS]
        if not tests or self._command.select is None:
            return ""
        asked = (*self._asked(candidate), tests)
        known = self._steps.known("breaks", *asked) if self._steps else None
        if known is None:
            known = self._broken(candidate, tests)
            if self._steps:
                self._steps.keep("breaks", *asked, answer=known)
        return str(known)

    def _broken(self, candidate: Candidate, tests: tuple[str, ...]) -> str:
        self.workspace.write(candidate.texts)
        try:
            for _ in range(2):
                run = proving.run_tests(
                    self.workspace,
                    self._command,
                    tests=tests,
                    tree="",
                    sandbox="",
                    timeout_seconds=self._budget.cap(self._timeout),
                )
                broken = [one for one in run.results if one.outcome in ("failed", "error") and one.id in tests]
                if run.state != "failed" or not broken:
                    return ""
                tests = tuple(one.id for one in broken)
        finally:
            self.workspace.write({path: self._read(path) for path in candidate.texts})
            for warmth in self._warmth.values():
                warmth.files = None  # they are of another time now
        return "\n".join(f"{one.id}\n{one.message}" for one in broken[:3])

    def first_passing(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """The first with which every red test passes, None if there is none; a trial, not a verdict."""
        for trial in self._tried(candidates, stop_after=1, batch=BATCH):
            if trial.state == "passed":
                return trial.candidate
        return None

    def forget(self) -> None:
        """Take answers again that were tried before: what was no change by itself may well be a part of one."""
        self._seen.clear()

    def accept(self, candidate: Candidate) -> None:
        """Make a candidate part of the tree that further ones are tried on."""
        self.workspace.write(candidate.texts)
        self._accepted.append(_digest(candidate))
        self._seen.clear()
        self._warmth.clear()

    def _answers(self, worker: Worker, task: MicroTask, wanted: int) -> Iterator[proving.Trial | str]:
        """Trials of a model's answers; a refused reply is its reason instead."""
        self._budget.check()
        self._stream(TaskStarted(task=task.id, path=task.path, worker=worker.name, attempt=task.attempt))
        text = self._read(task.path) or ""
        try:
            answers = self._split(worker, task, text, wanted)
            # An answer that is paid for is tried before the next one is asked for.
            yield from self._trials(answers, wanted, batch=1 if worker.name == "api" else wanted)
        except DiffError as refusal:
            self._stream(ReplyRefused(task=task.id, worker=worker.name, reason=str(refusal)))
            yield str(refusal)

    def _split(self, worker: Worker, task: MicroTask, text: str, wanted: int) -> Iterator[Candidate]:
        """The worker's candidates; a task too large for its window is split, and its parts asked in turn."""
        try:
            yield from worker.candidates(task, text, limit=wanted)
        except microtasks.TooLargeError as too_large:
            parts = microtasks.split(task)
            if len(parts) < 2:
                raise
            self._stream(Noted(level="info", text=f"{too_large}; split into {len(parts)}"))
            for part in parts:
                yield from self._split(worker, part, text, wanted)

    def _trials(
        self, candidates: Iterable[Candidate], limit: int, *, red: tuple[str, ...] = (), batch: int = BATCH
    ) -> Iterator[proving.Trial]:
        numbers: dict[int, int] = {}
        if not self._red:
            for candidate in self._proposed(candidates, limit, numbers):
                yield proving.Trial(candidate=candidate, state="inconclusive", reason="no test was red on base")
            return
        for trial in self._tried(self._proposed(candidates, limit, numbers), batch=batch, red=red):
            number = numbers[id(trial.candidate)]
            self._stream(CandidateTried(number=number, state=trial.state, reason=turns.short(trial.reason, 300)))
            yield trial
        if self._end is not None:
            raise self._end

    def _tried(
        self,
        candidates: Iterable[Candidate],
        *,
        batch: int,
        stop_after: int | None = None,
        red: tuple[str, ...] = (),
        warmth: proving.Warmth | None = None,
    ) -> Iterator[proving.Trial]:
        """Trials, in order, on all red tests if none are named; those that the journal knows are not made again."""
        red = red or self._red
        coming, passed = iter(candidates), 0
        for candidate in coming:
            known = self._steps.known("trial", *self._asked(candidate, red)) if self._steps else None
            if known is None:
                coming = itertools.chain([candidate], coming)
                break
            state, reason, *tests = known
            trial = proving.Trial(
                candidate=candidate, state=state, reason=reason, passed=tuple(tests[0]), failed=tuple(tests[1])
            )
            yield trial
            passed += state == "passed"
            if passed == stop_after:
                return
        for trial in proving.try_candidates(
            self.workspace,
            self._command,
            red=red,
            candidates=coming,
            originals=self._read,
            timeout_seconds=self._budget.cap(self._timeout),
            passing_seconds=self._passing_seconds,
            stop_after=None if stop_after is None else stop_after - passed,
            batch=batch,
            warmth=warmth or self._warmth.setdefault(red, proving.Warmth()),
        ):
            if self._steps:
                told = [trial.state, trial.reason, trial.passed, trial.failed]
                self._steps.keep("trial", *self._asked(trial.candidate, red), answer=told, soon=True)
            yield trial

    def _asked(self, candidate: Candidate, red: tuple[str, ...] = ()) -> tuple[object, ...]:
        return self._accepted, self._command.argv, red or self._red, _digest(candidate)

    def _proposed(
        self, candidates: Iterable[Candidate], limit: int, numbers: dict[int, int]
    ) -> Iterator[Candidate]:
        taken, refused, worker = 0, "", ""
        for candidate in candidates:
            if self._end is not None:
                return
            try:
                self._budget.check()
            except OutOfBudget as end:
                self._end = end  # what was proposed before is still tried, and this too if it is paid for
                if not end.is_spent:
                    return
            result = _digest(candidate)
            if result in self._seen:
                continue
            self._seen.add(result)
            worker = candidate.worker
            before = {path: self._read(path) for path in candidate.texts}
            asked = worker != "templates" or hostility.is_suspicious(candidate.texts, before)
            if asked and (refusal := self.refusal(candidate)):
                refused = refusal
                continue
            lines = _size(candidate)
            if lines > self._budget.limits.diff_lines:
                most = self._budget.limits.diff_lines
                raise DiffError(f"the diff changes {lines} lines, at most {most} are allowed")
            self._number += 1
            taken += 1
            numbers[id(candidate)] = self._number
            self._stream(
                CandidateProposed(
                    number=self._number,
                    task=candidate.task,
                    worker=candidate.worker,
                    path=candidate.diff.paths[0],
                    pattern=candidate.pattern,
                    diff=candidate.diff.text,
                )
            )
            yield candidate
            if taken >= limit:
                return
        if refused and not taken and worker != "templates":
            raise DiffError(refused)  # there is somebody to tell

    def refusal(self, candidate: Candidate) -> str:
        """Why a candidate may not be offered, "" if it may."""
        refusal = self._refuses(candidate) or hostility.refusal(candidate.texts, self._read, is_test=is_test_path)
        if refusal:
            self._stream(ReplyRefused(task=candidate.task, worker=candidate.worker, reason=refusal))
        return refusal


def telling(red: Sequence[TestResult]) -> tuple[str, ...]:
    """Of many red tests a few that fail in ways of their own, the quickest of each kind; of few all, in order."""
    if len(red) <= MANY_RED:
        return tuple(one.id for one in red)
    kinds: dict[tuple[str, str], list[TestResult]] = {}
    for one in sorted(red, key=lambda one: one.seconds):
        # What it raises, and where it is written.
        raised = re.search(r"\b\w*(?:Error|Exception|Warning)\b", one.message)
        kinds.setdefault((raised[0] if raised else "", one.id.rpartition("::")[0]), []).append(one)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*kinds.values()))
    chosen = set(itertools.islice((one.id for one in turns if one is not None), FEW_RED))
    return tuple(one.id for one in red if one.id in chosen)


def steps(trials: Sequence[proving.Trial]) -> Iterator[proving.Trial]:
    """Trials that turned some red tests green, one after the other: the most tests first, then the smallest.

    Of those that turn the same tests, only the first few are worth a look.
    """
    tried: Counter[frozenset[str]] = Counter()
    for trial in sorted(trials, key=lambda one: (-len(one.passed), _size(one.candidate), -one.candidate.score)):
        tests = frozenset(trial.passed)
        tried[tests] += 1
        if tried[tests] <= SURVIVORS:
            yield trial


def _rank(candidate: Candidate) -> tuple[int, float, int]:
    """Smallest first, then the likeliest in its worker's eyes, then what moves the fewest lines."""
    return _size(candidate), -candidate.score, impact.moved_lines(candidate.diff.text)


def _digest(candidate: Candidate) -> str:
    """The name of the texts a candidate leads to."""
    return hashlib.sha256(repr(sorted(candidate.texts.items())).encode("utf-8", "surrogatepass")).hexdigest()


def _size(candidate: Candidate) -> int:
    return candidate.diff.added + candidate.diff.removed
