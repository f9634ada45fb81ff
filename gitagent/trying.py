"""Tries candidates: forked from one warm pytest where the project uses it, one by one elsewhere.

What a trial calls passed is a promise. Only a run of its own, in a fresh interpreter (`run_tests`), counts
for a verdict, so that a candidate which fools the trial has won nothing.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

from gitagent.core import candidates as candidates_of
from gitagent.core import hostility
from gitagent.core.testing import WHOLE_SUITE, selected_argv
from gitagent.core.verdicts import outcome_of
from gitagent.errors import GitagentError
from gitagent.ports import Workspace
from gitagent.records import Candidate, Outcome, State, TestCommand, TestRun
from gitagent.testruns import PYTEST_ENDS, execute, in_process, last_line, run_tests, script

Texts = Mapping[str, str | None]
_Key = frozenset[tuple[str, str | None]]
_Edits = dict[str, candidates_of.Edit]

_BATCH_BYTES = 8 * 1024**2
_BATCH_SECONDS = (2.0, 6.0, 12.0)
_FIRST_BATCH, _GROWTH = 16, 8
# How many candidates share a warm fork.
TOGETHER = 64
# So many of the candidates that hung, the best ones, are tried once more at the end.
_AGAIN = 8
# Results of so many tests, over all candidates of a batch, fit into what a command may print.
_MOST_RESULTS = 6_000
# So long is drawn for one message, and as long as the message before took.
_PATIENCE_SECONDS = 1.0
_MOST_PATIENCE_SECONDS = 5.0
_PATIENCE = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the red tests said about one candidate; `passed` and `failed` are test ids, `hung` it took too long."""

    candidate: Candidate
    state: State
    reason: str
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    hung: bool = False
    seconds: float = field(default=0.0, compare=False)


@dataclass(slots=True)
class Warmth:
    """What forks of one tree have taught; hand it to the next trials of the same tree, and they begin sooner."""

    base_seconds: float | None = None
    base_outcomes: object = None
    modules: list[str] = field(default_factory=list)
    files: object = None
    together: int = TOGETHER
    checked: bool = False
    sent: int = 0
    bytecode: str = field(default_factory=lambda: f"gitagent-bytecode-{os.urandom(8).hex()}")


def try_candidates(
    workspace: Workspace,
    command: TestCommand,
    *,
    red: Sequence[str],
    candidates: Iterable[Candidate],
    originals: Callable[[str], str | None],
    batch: int = 1024,
    together: int = TOGETHER,
    timeout_seconds: float = 60.0,
    passing_seconds: float = 0.0,
    stop_after: int | None = None,
    warmth: Warmth | None = None,
) -> Iterator[Trial]:
    """Run the red tests on each candidate, in order, until `stop_after` have passed (None: to the end).

    The workspace holds the tree of base, before and after. `originals` gives a file's text there. Batches grow
    up to `batch` candidates, so the first answer comes early; candidates are drawn no sooner than they are
    needed, and an error in drawing one is raised after those before it were tried. `timeout_seconds` bounds one
    run of the tests; a candidate gets less if base was quick, and so were the tests that pass (the slowest took
    `passing_seconds`). `together` candidates share a fork where that
    can be trusted; 0 gives each a process of its own. One that took too long is tried once more, with more time,
    if all are tried and none has passed; only if it passes then is it told again.
    """
    source = _Source(candidates)
    waiting = source.waiting
    known: dict[_Key, Trial] = {}
    slow = _OneByOne(workspace, command, red, originals, timeout_seconds)
    warmth = warmth or Warmth()
    warmth.files = None  # others may have written since
    warmth.together = min(warmth.together, together)
    forked = _Forked.of(workspace, command, red, originals, timeout_seconds, warmth, passing_seconds)
    trier: _Trier = forked or slow
    hung: list[Candidate] = []
    batch = min(batch, max(_MOST_RESULTS // (len(red) + 5), 16))
    took = 0.0
    size, passed, most = min(_FIRST_BATCH, max(batch, 1)), 0, sys.maxsize if stop_after is None else stop_after
    while passed < most:
        source.draw(size, min(max(_PATIENCE_SECONDS, took), _MOST_PATIENCE_SECONDS))
        if not waiting:
            break
        for candidate in waiting[:size]:
            # A fork compiles what it is sent, and only what changed of it.
            wrong = candidates_of.outside(candidate.texts)
            if not wrong and trier is slow:
                wrong = candidates_of.wrong(candidate.texts, originals)
            if wrong:
                known[_key(candidate)] = Trial(candidate=candidate, state="failed", reason=wrong)
        fresh = _unlike(waiting[:size], known)
        began = time.monotonic()
        trials = trier.attempt(fresh, most - passed) if fresh else ()
        took = time.monotonic() - began
        if trials is None:
            trier = slow
            continue
        for trial in trials:
            known[_key(trial.candidate)] = trial
        while waiting and passed < most and (found := known.get(_key(waiting[0]))) is not None:
            candidate = waiting.pop(0)
            if found.candidate is not candidate:
                found = Trial(candidate=candidate, state=found.state, reason="the same texts as one before it")
            passed += found.state == "passed"
            if found.hung and trier is forked:
                hung.append(candidate)
            yield found
        size = min(max(batch, 1), size * _GROWTH)
    if hung and not passed and forked is not None and trier is forked:
        for trial in forked.patiently(hung[:_AGAIN]):
            if trial.state == "passed":
                yield trial


class _Trier(Protocol):
    def attempt(self, candidates: Sequence[Candidate], stop_after: int) -> Sequence[Trial] | None:
        """Trials of the first so many candidates, at least one; None if this way of trying does not work here."""


class _OneByOne:
    """Writes a candidate's files, runs the tests as ever, and puts the files back."""

    def __init__(
        self,
        workspace: Workspace,
        command: TestCommand,
        red: Sequence[str],
        originals: Callable[[str], str | None],
        timeout_seconds: float,
    ) -> None:
        self._workspace, self._command, self._red = workspace, command, tuple(red)
        self._originals, self._most_seconds = originals, timeout_seconds
        self._limit_seconds: float | None = None

    def attempt(self, candidates: Sequence[Candidate], stop_after: int) -> Sequence[Trial]:
        if self._limit_seconds is None:
            base = self._run(self._most_seconds)
            self._limit_seconds = min(self._most_seconds, 5 * base.seconds + 10)
        candidate = candidates[0]
        self._workspace.write(candidate.texts)
        try:
            run = self._run(self._limit_seconds)
        finally:
            self._workspace.write({path: self._originals(path) for path in candidate.texts})
        outcomes = {test: outcome_of(run, test) for test in self._red}
        state: State = "failed" if run.state == "failed" else "inconclusive"
        if run.state != "inconclusive" and all(outcome == "passed" for outcome in outcomes.values()):
            state = "passed"
        failed = tuple(test for test in self._red if outcomes[test] in ("failed", "error"))
        told = next((result.message for result in run.results if result.id in failed), "")
        reason = f"{failed[0]}: {last_line(told)}" if failed and told else run.reason
        passed = tuple(test for test in self._red if outcomes[test] == "passed")
        trial = Trial(
            candidate=candidate, state=state, reason=reason, passed=passed, failed=failed, seconds=run.seconds
        )
        return (trial,)

    def _run(self, timeout_seconds: float) -> TestRun:
        return run_tests(
            self._workspace,
            self._command,
            tests=self._red,
            tree="",
            sandbox="",
            timeout_seconds=timeout_seconds,
        )


class _Forked:
    """Sends a batch to `inside/trials.py`, which loads pytest once and forks for each candidate."""

    def __init__(
        self,
        workspace: Workspace,
        command: TestCommand,
        red: Sequence[str],
        originals: Callable[[str], str | None],
        timeout_seconds: float,
        start: tuple[tuple[str, ...], list[str], bool],
        warmth: Warmth,
        passing_seconds: float,
    ) -> None:
        self._workspace, self._command, self._red = workspace, command, tuple(red)
        self._originals, self._most_seconds = originals, timeout_seconds
        self._python, self._options, self._cwd_first = start
        self._warmth = warmth
        self._patience = 1.0
        self._passing_seconds = passing_seconds

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        command: TestCommand,
        red: Sequence[str],
        originals: Callable[[str], str | None],
        timeout_seconds: float,
        warmth: Warmth,
        passing_seconds: float,
    ) -> "_Forked | None":
        start = in_process(command)
        if start is None or not red or WHOLE_SUITE in red:
            return None
        selected_argv(command, red)  # refuses ids that are options
        return cls(workspace, command, red, originals, timeout_seconds, start, warmth, passing_seconds)

    def patiently(self, candidates: Sequence[Candidate]) -> Sequence[Trial]:
        """Trials in fresh processes, each with several times as long as before, until one passes."""
        self._warmth = replace(self._warmth, together=0, sent=len(_BATCH_SECONDS))
        self._patience = _PATIENCE
        return self.attempt(candidates, 1) or ()

    def attempt(self, candidates: Sequence[Candidate], stop_after: int) -> Sequence[Trial] | None:
        before = {path: self._originals(path) for candidate in candidates for path in candidate.texts}
        batch, edits = _within_bytes(candidates, before)
        said = self._send(batch, edits, before, stop_after)
        if self._mended(said) and not any(kind in ("start", "done") for kind, _ in said):
            said = self._send(batch, edits, before, stop_after)  # what came before had left a damaged tree
            self._mended(said)
        base = said.get(("base", 0))
        if self._warmth.base_seconds is None and base is not None:
            if not self._is_faithful(base):
                return None
            self._warmth.base_seconds = float(cast(float, base["seconds"]))
            self._warmth.modules = cast(list[str], said.get(("warm", 0), {}).get("names", []))
            self._warmth.base_outcomes = cast(Mapping[str, object], base["told"]).get("outcomes")
        self._warmth.checked = self._warmth.checked or ("checked", 0) in said
        if ("cold", 0) in said:
            self._warmth.together = 0
        if self._warmth.base_seconds is None or ("refused", 0) in said:
            self._workspace.write(before)
            return None
        trials = []
        for number, candidate in enumerate(batch):
            done = said.get(("done", number))
            if done is not None:
                trials.append(self._trial(candidate, done))
            elif ("start", number) in said:
                reason = "the test process ended with all around it (out of memory?)"
                trials.append(Trial(candidate=candidate, state="failed", reason=reason, failed=self._red))
        if ("end", 0) not in said:
            self._workspace.write(before)
        return trials or None

    def _send(
        self, batch: Sequence[Candidate], edits: Sequence[_Edits], before: Texts, stop_after: int
    ) -> dict[tuple[str, int], dict[str, object]]:
        word = os.urandom(16).hex()
        seconds = _BATCH_SECONDS[min(self._warmth.sent, len(_BATCH_SECONDS) - 1)]
        self._warmth.sent += 1
        job = {
            "args": self._options,
            "red": self._red,
            "originals": before,
            "candidates": edits,
            "together": self._warmth.together,
            "alone": [n for n, one in enumerate(batch) if hostility.is_suspicious(one.texts, before)],
            "checked": self._warmth.checked,
            "files": self._warmth.files,
            "base_outcomes": self._warmth.base_outcomes,
            "base_seconds": self._warmth.base_seconds,
            "most_seconds": self._most_seconds,
            "passing_seconds": self._passing_seconds,
            "patience": self._patience,
            "warm": self._warmth.modules,
            "batch_seconds": seconds,
            "stop_after": stop_after,
            "word": word,
            "bytecode": self._warmth.bytecode,
            "cwd_first": self._cwd_first,
        }
        execution = self._workspace.run(
            [*self._python, "-c", script("trials")],
            timeout_seconds=4 * self._most_seconds + seconds + 30,
            stdin=json.dumps(job).encode(),
        )
        said: dict[tuple[str, int], dict[str, object]] = {}
        for line in execution.output.split("\n"):
            if line.startswith(word + " "):
                with suppress(ValueError):  # the line at which the output was cut
                    kind, fields = json.loads(line[len(word) + 1 :])
                    said[str(kind), int(fields.get("number", 0))] = fields
        return said

    def _mended(self, said: Mapping[tuple[str, int], Mapping[str, object]]) -> bool:
        """Put back files that a candidate has damaged; whether there were any."""
        if ("files", 0) in said:
            self._warmth.files = said["files", 0]["files"]
        damaged = [str(path) for path in cast(list[object], said.get(("damaged", 0), {}).get("paths", []))]
        if damaged:
            known = {path: self._originals(path) for path in damaged if candidates_of.is_inside(path)}
            self._workspace.write(dict.fromkeys(known))  # a link or folder may be in its place
            self._workspace.write({path: text for path, text in known.items() if text is not None})
            self._warmth.files = None
        return bool(damaged)

    def _is_faithful(self, base: Mapping[str, object]) -> bool:
        """Whether the tests do in a fork what they do in a process of their own."""
        told = cast(Mapping[str, object], base["told"])
        if base["passes"]:
            return False
        outcomes = cast(Mapping[str, str], told.get("outcomes", {}))
        if "problem" in told or any(outcome in ("failed", "error") for outcome in outcomes.values()):
            return True
        # pytest did not get as far as the tests. It may be the project's fault: then it does not otherwise either.
        argv = selected_argv(self._command, self._red)
        execution, _ = execute(self._workspace, self._command, argv, self._most_seconds)
        return execution.exit_code == told.get("exit")

    def _trial(self, candidate: Candidate, done: Mapping[str, object]) -> Trial:
        told = cast(Mapping[str, object], done["told"])
        outcomes = cast(Mapping[str, Outcome], told.get("outcomes", {}))
        passed = tuple(test for test, outcome in outcomes.items() if outcome == "passed")
        failed = tuple(test for test, outcome in outcomes.items() if outcome in ("failed", "error"))
        state: State = "passed" if done["passes"] else "failed"
        reason = str(told.get("problem") or told.get("syntax") or told.get("reason") or "")
        if not reason:
            code = cast(int, told.get("exit", 0))
            reason = f"{len(passed)} passed" if done["passes"] else PYTEST_ENDS.get(code, f"exit code {code}")
        seconds = float(cast(float, told.get("seconds", 0.0)))
        return Trial(
            candidate=candidate,
            state=state,
            reason=reason,
            passed=passed,
            failed=failed,
            hung=str(told.get("problem", "")).startswith("took more than"),
            seconds=seconds,
        )


class _Source:
    """Candidates as they are asked for; `waiting` are those drawn and not yet tried."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self.waiting: list[Candidate] = []
        self._candidates = iter(candidates)
        self._error: GitagentError | None = None
        self._dry = False

    def draw(self, size: int, seconds: float) -> None:
        """Fill up `waiting`, but not for longer: the first candidate of a slow model is not kept waiting.

        Raises the worker's error once nothing is waiting any more.
        """
        began = time.monotonic()
        while len(self.waiting) < size and not self._dry:
            try:
                self.waiting.append(next(self._candidates))
            except StopIteration:
                self._dry = True
            except GitagentError as error:
                self._dry, self._error = True, error
            if time.monotonic() - began > seconds:
                break
        if self._error is not None and not self.waiting:
            raise self._error


def _unlike(candidates: Sequence[Candidate], known: Mapping[_Key, Trial]) -> list[Candidate]:
    keys: set[_Key] = set()
    fresh = []
    for candidate in candidates:
        key = _key(candidate)
        if key not in known and key not in keys:
            keys.add(key)
            fresh.append(candidate)
    return fresh


def _key(candidate: Candidate) -> _Key:
    return frozenset(candidate.texts.items())


def _within_bytes(candidates: Sequence[Candidate], before: Texts) -> tuple[Sequence[Candidate], list[_Edits]]:
    """The first candidates that go into one message, and what is sent of each."""
    total, edits = 0, list[_Edits]()
    for count, candidate in enumerate(candidates):
        edit = {path: candidates_of.edit(before[path], text) for path, text in candidate.texts.items()}
        total += sum(len(one[2]) if isinstance(one, tuple) else len(one or "") for one in edit.values())
        if total > _BATCH_BYTES and count:
            return candidates[:count], edits
        edits.append(edit)
    return candidates, edits
