"""Two readers of one event stream: lines for a person, JSON objects for a program."""

import json
import sys
import time
from collections.abc import Callable
from typing import TextIO

from gitagent.cli.printing import harmless
from gitagent.core import ledger
from gitagent.core.secrets import redacted, redacted_in
from gitagent.events import (
    CandidateProposed,
    CandidateTried,
    Committed,
    Escalated,
    Event,
    Located,
    ModelReplied,
    Noted,
    Planned,
    PromptBuilt,
    PullRequestReady,
    Quoted,
    ReplyRefused,
    Routed,
    RunFinished,
    RunStarted,
    Steered,
    StepStarted,
    StoodIn,
    TaskStarted,
    TestsFinished,
    TestsStarted,
    ToolFinished,
    ToolProposed,
    VerdictReached,
    Waited,
    as_json,
)

SHOWN = 10


class JsonLines:
    """One JSON object a line on standard output, flushed at once."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._began = out, time.monotonic()

    def __call__(self, event: Event) -> None:
        self._out.write(json.dumps(redacted_in(as_json(event, time.monotonic() - self._began))) + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing is held back."""


class LiveView:
    """Lines with what happened; on a terminal, colours and a moving line with what is happening."""

    def __init__(self, out: TextIO, *, terminal: bool, explains: bool = False) -> None:
        self._out, self._began = out, time.monotonic()
        self._explains = explains
        self._tried = self._passed = 0
        self._doing = ""
        self._tests_run = 0
        self._status = None
        self._console = None
        if terminal:
            from rich.console import Console

            self._console = Console(file=out, highlight=False)
            self._status = self._console.status("starting")
            self._status.start()

    def close(self) -> None:
        """Stop the moving line."""
        if self._status is not None:
            self._status.stop()

    def __call__(self, event: Event) -> None:
        for mark, text in self._lines(event):
            self._print(mark, text)
        if isinstance(event, CandidateProposed):
            self._status_line(f"{self._doing}: candidate {event.number}, {harmless(event.pattern)}")
        elif isinstance(event, (StepStarted, TestsStarted, TaskStarted)):
            self._status_line(self._doing)

    def _lines(self, event: Event) -> list[tuple[str, str]]:
        match event:
            case RunStarted():
                return [("▶", f"{event.title}  ({event.source}, base {event.base[:12]}, run {event.run})")]
            case Noted():
                return [("!" if event.level == "warning" else "·", event.text)]
            case StepStarted():
                doing = {"sandbox": "preparing the sandbox", "locate": "locating the fault"}
                self._doing = f"{doing.get(event.step, event.step)} ({event.detail})"
            case TestsStarted():
                what = f"{event.tests} test{'s' if event.tests > 1 else ''}" if event.tests else "the whole suite"
                self._doing = f"running {what} on {event.where}"
                self._tests_run = event.tests
            case TaskStarted():
                self._doing = f"{event.worker} at {event.path}"
            case TestsFinished():
                return [("✔" if event.state == "passed" else "✘", self._tests(event))]
            case Located() if event.suspects:
                best = event.suspects[0]
                reason = f": {best.reason}" if best.reason else ""
                return [("·", f"most suspicious: {best.path}:{best.line}{reason}")]
            case Planned():
                return [("·", f"plan by {event.plan.planner}: {self._plan(event)}")]
            case PromptBuilt():
                left_out = f", left out: {', '.join(event.left_out)}" if event.left_out else ""
                room = f"{event.prompt_tokens} prompt + {event.answer_tokens} answer of {event.window} tokens"
                return [("·", f"{event.worker}: {room}{left_out}")]
            case ModelReplied():
                spent = event.spending
                money = f", ${spent.dollars:.4f}" if spent.dollars else ""
                return [("·", f"{spent.worker}: {spent.answer_tokens} tokens in {spent.seconds:.1f} s{money}")]
            case ToolProposed():
                return [("·", f"{event.number} {event.call}{'' if event.approved else ' (not approved)'}")]
            case ToolFinished() if event.exit_code != 0:
                ended = "stopped for time" if event.exit_code is None else f"exit code {event.exit_code}"
                said = event.stderr.strip().partition("\n")[0]
                return [("✘", f"{event.number} {ended}{': ' + said if said else ''}")]
            case Steered():
                return [("!", f"taken up from task {event.task} on: {event.text}")]
            case ReplyRefused():
                return [("✘", f"{event.worker}: reply refused: {event.reason}")]
            case Routed() if self._explains:
                return self._routed(event)
            case Quoted():
                money = "an unknown sum (no price is set)" if event.dollars is None else f"${event.dollars:.2f}"
                return [
                    ("·", f"this run takes at most {event.tokens:,} tokens, {money}, {event.minutes:g} minutes")
                ]
            case Waited():
                return [("!", f"{event.model}: waiting {event.wait_seconds:.0f} s: {event.reason}")]
            case StoodIn():
                return [("!", f"{event.to} stands in for {event.model}: {event.reason}")]
            case Escalated():
                return [("·", f"{event.worker} gave up ({event.reason}); asking {event.to}")]
            case CandidateTried():
                self._tried += 1
                if event.state == "passed":
                    self._passed += 1
                    return [("✔", f"candidate {event.number} turns the red tests green")]
            case Committed():
                return [("✔", f"{event.oid[:12]} {event.subject}"), ("", event.diff.rstrip("\n"))]
            case VerdictReached():
                return self._verdict(event)
            case PullRequestReady():
                return [("✔", f"pull request {event.number} on {event.forge}: {event.url}")]
            case RunFinished():
                spent_tokens = sum(one.prompt_tokens + one.answer_tokens for one in event.ledger)
                dollars = sum(one.dollars for one in event.ledger)
                cost = f"{spent_tokens} tokens, ${dollars:.4f}" if event.ledger else "no model asked"
                mark = "✔" if event.state == "proven" else "✘"
                took = (
                    f"{event.tried} candidate{'' if event.tried == 1 else 's'}, {event.took_seconds:.1f} s, {cost}"
                )
                told = [(mark, f"{event.state}: {event.reason} ({took})")]
                return [*told, ("·", ledger.share_in_words(event.ledger))] if event.ledger else told
        return []

    def _routed(self, event: Routed) -> list[tuple[str, str]]:
        parts = [f"{name} {event.facts[name]:g}: {part:.2f}" for name, part in event.parts.items()]
        return [
            ("·", f"task {event.task}: score {event.score:.2f} of {event.threshold:g} ({', '.join(parts)})"),
            ("·", f"task {event.task}: {event.worker}, since {event.reason}"),
        ]

    def _tests(self, event: TestsFinished) -> str:
        counts = f"{event.passed} passed, {event.failed} failed, {event.skipped} skipped"
        reason = f", {event.reason}" if event.state == "inconclusive" else ""
        # The same place is tested more than once: as a whole, and again in doubtful tests.
        some = f" ({self._tests_run} test{'s' if self._tests_run > 1 else ''})" if self._tests_run else ""
        return f"{event.where}{some}: {counts} in {event.took_seconds:.1f} s{reason}"

    def _plan(self, event: Planned) -> str:
        tasks = event.plan.tasks
        more = f" and {len(tasks) - 4} more" if len(tasks) > 4 else ""
        if event.plan.mode == "any" and len(tasks) > 1:
            return "first of " + ", ".join(f"{task.path}:{task.first_line}" for task in tasks[:4]) + more
        told, action = [], ""
        for task in tasks[:4]:
            verb = "" if task.action == action else f"{task.action} "
            action = task.action
            place = f"{task.path}:{task.first_line}" if action == "change" else task.path
            told.append(f"{verb}{place}{f' to {task.to}' if task.to else ''}")
        return ", ".join(told) + more

    def _verdict(self, event: VerdictReached) -> list[tuple[str, str]]:
        mark = {"passed": "✔", "failed": "✘", "inconclusive": "?"}[event.state]
        lines = [(mark, f"verdict {event.state}: {event.reason}")]
        lines += [("", f"  red → green  {name}") for name in event.fail_to_pass[:SHOWN]]
        lines += [("", f"  green → red  {name}") for name in event.pass_to_fail[:SHOWN]]
        count = event.pass_to_pass
        lines.append(("", f"  still green  {count} test{'' if count == 1 else 's'}"))
        return lines

    def _status_line(self, text: str) -> None:
        if self._status is not None:
            from rich.markup import escape

            self._status.update(escape(redacted(harmless(text))[:160]))

    def _print(self, mark: str, text: str) -> None:
        text = redacted(harmless(text))
        if self._console is None:
            self._out.write(f"{mark:1} {text}\n" if mark else f"{text}\n")
            self._out.flush()
            return
        from rich.text import Text

        if not mark and text.startswith("diff --git"):
            from rich.syntax import Syntax

            self._console.print(Syntax(text, "diff", background_color="default"))
            return
        style = {"✔": "green", "✘": "red", "!": "yellow", "▶": "bold"}.get(mark, "dim")
        line = Text(f"{mark:1} ", style=style) if mark else Text("")
        self._console.print(line + Text(text), soft_wrap=True)


class OnceStarted:
    """Keeps back what is said while a run is being prepared, so that `run_started` is the first a reader hears."""

    def __init__(self, reader: Callable[[Event], None]) -> None:
        self._reader = reader
        self._waiting: list[Event] | None = []

    def __call__(self, event: Event) -> None:
        if self._waiting is None:
            self._reader(event)
        elif isinstance(event, RunStarted):
            first, self._waiting = [event, *self._waiting], None
            for one in first:
                self._reader(one)
        else:
            self._waiting.append(event)


def view_for(*, as_json: bool, out: TextIO | None = None, explains: bool = False) -> JsonLines | LiveView:
    """The reader the user asked for; JSON goes to standard output, a person's view to standard error."""
    if as_json:
        return JsonLines(out or sys.stdout)
    out = out or sys.stderr
    return LiveView(out, terminal=out.isatty(), explains=explains)
