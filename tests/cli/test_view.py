"""The two readers of a run's events."""

import io
import json
from dataclasses import replace

import pytest

from gitagent.cli import view
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
    RunFailed,
    RunFinished,
    RunStarted,
    StepStarted,
    StoodIn,
    TaskStarted,
    TestsFinished,
    TestsStarted,
    ToolFinished,
    ToolProposed,
    VerdictReached,
    Waited,
)
from gitagent.records import MicroTask, Plan, Spending, Suspect

STARTED = RunStarted(run="r1", title="Sum is wrong", source="text", base="b" * 40, branch="gitagent/1-sum")
SPENT = Spending(worker="api", calls=1, prompt_tokens=90, answer_tokens=10, dollars=0.5, seconds=1.0)
DIFF = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n"


def tasks(count: int) -> tuple[MicroTask, ...]:
    return tuple(
        MicroTask(id=f"t{n}", path="a.py", first_line=n, excerpt="", instruction="", answer_tokens=9)
        for n in range(1, count + 1)
    )


def told(*events: Event, terminal: bool = False) -> str:
    out = io.StringIO()
    shown = view.LiveView(out, terminal=terminal)
    for event in events:
        shown(event)
    shown.close()
    return out.getvalue()


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (STARTED, "▶ Sum is wrong  (text, base bbbbbbbbbbbb, run r1)\n"),
        (Noted(level="warning", text="mind this"), "! mind this\n"),
        (Noted(level="info", text="by the way"), "· by the way\n"),
        (StepStarted(step="sandbox", detail="none"), ""),
        (TestsStarted(where="tip", argv=("pytest",), sandbox="none", tests=2), ""),
        (TaskStarted(task="t1", path="a.py", worker="api", attempt=1), ""),
        (TestsFinished(where="base", state="failed", passed=1, failed=2, skipped=3, reason="", took_seconds=0.5),
         "✘ base: 1 passed, 2 failed, 3 skipped in 0.5 s\n"),
        (TestsFinished(where="tip", state="inconclusive", passed=0, failed=0, skipped=0, reason="no test ran",
                       took_seconds=0.5), "✘ tip: 0 passed, 0 failed, 0 skipped in 0.5 s, no test ran\n"),
        (Located(suspects=()), ""),
        (Located(suspects=(Suspect(path="a.py", line=3, score=0.9, reason="run by 1 failing"),)),
         "· most suspicious: a.py:3: run by 1 failing\n"),
        (Planned(plan=Plan(summary="s", mode="any", tasks=tasks(6), planner="localizer")),
         "· plan by localizer: first of a.py:1, a.py:2, a.py:3, a.py:4 and 2 more\n"),
        (Planned(plan=Plan(summary="s", mode="all", planner="chat", tasks=(
            *tasks(2), *(replace(task, action="delete") for task in tasks(1)),
            *(replace(task, action="rename", to="b.py") for task in tasks(1))))),
         "· plan by chat: change a.py:1, a.py:2, delete a.py, rename a.py to b.py\n"),
        (PromptBuilt(task="t1", worker="api", prompt_tokens=90, answer_tokens=10, window=4096, left_out=("What",)),
         "· api: 90 prompt + 10 answer of 4096 tokens, left out: What\n"),
        (ModelReplied(spending=SPENT), "· api: 10 tokens in 1.0 s, $0.5000\n"),
        (ToolProposed(number=3, tool="bash", call="bash ls", approved=False), "· 3 bash ls (not approved)\n"),
        (ToolFinished(number=3, tool="bash", exit_code=2, stdout="o", stderr="no\nway", took_seconds=1.0),
         "✘ 3 exit code 2: no\n"),
        (ToolFinished(number=3, tool="bash", exit_code=0, stdout="o", stderr="", took_seconds=1.0), ""),
        (ReplyRefused(task="t1", worker="api", reason="no diff"), "✘ api: reply refused: no diff\n"),
        (Escalated(task="t1", worker="local", to="api", reason="no diff"),
         "· local gave up (no diff); asking api\n"),
        (CandidateProposed(number=1, task="t1", worker="api", path="a.py", pattern="p", diff=DIFF), ""),
        (CandidateTried(number=1, state="failed", reason="x"), ""),
        (CandidateTried(number=2, state="passed", reason=""), "✔ candidate 2 turns the red tests green\n"),
        (Committed(task="t1", branch="b", oid="c" * 40, subject="a: use y", diff=DIFF),
         f"✔ cccccccccccc a: use y\n{DIFF}"),
        (VerdictReached(state="passed", reason="good", fail_to_pass=("a",), pass_to_fail=("b",), pass_to_pass=3,
                        flaky=()),
         "✔ verdict passed: good\n  red → green  a\n  green → red  b\n  still green  3 tests\n"),
        (PullRequestReady(forge="local", number=1, url="refs/x", title="t"),
         "✔ pull request 1 on local: refs/x\n"),
        (RunFinished(run="r1", state="nothing", reason="none", branch="", tried=4, ledger=(SPENT,),
                     took_seconds=2.0), "✘ nothing: none (4 candidates, 2.0 s, 100 tokens, $0.5000)\n"
         "· 0 % of tokens stayed local\n"),
        (Quoted(worker="api", model="m", tokens=1234, dollars=0.5, minutes=30.0),
         "· this run takes at most 1,234 tokens, $0.50, 30 minutes\n"),
        (Quoted(worker="api", model="m", tokens=9, dollars=None, minutes=0.5),
         "· this run takes at most 9 tokens, an unknown sum (no price is set), 0.5 minutes\n"),
        (Waited(worker="api", model="m", wait_seconds=20.0, reason="busy"), "! m: waiting 20 s: busy\n"),
        (StoodIn(worker="api", model="m", to="n", reason="down"), "! n stands in for m: down\n"),
        (Routed(task="t1", score=0.1, threshold=0.75, facts={"files": 1.0}, parts={"files": 0.0}, worker="local",
                reason="it is easy"), ""),
        (RunFailed(run="r1", error="e", hint="h", exit_code=3), ""),
    ],
)  # fmt: skip
def test_each_event_is_a_line_or_nothing(event: Event, line: str) -> None:
    assert told(event) == line
    assert bool(told(event, terminal=True).strip()) or not line


def test_on_a_terminal_the_moving_line_takes_a_strangers_text_as_text() -> None:
    proposed = CandidateProposed(number=1, task="t1", worker="api", path="a.py", pattern="[bold]x[/nope]", diff="")
    committed = Committed(task="t1", branch="b", oid="c" * 40, subject="[red]s", diff=DIFF)
    shown = told(StepStarted(step="locate", detail="1"), proposed, committed, terminal=True)
    assert "[red]s" in shown


def test_nothing_a_stranger_wrote_steers_a_terminal_or_a_runner() -> None:
    shown = told(Noted(level="info", text="a\x1b[31mb\rc\u202ed\n::error::x"))
    assert shown == "· a\\x1b[31mb\\rc\\u202ed\n ::error::x\n"


def test_json_lines_are_objects_and_keep_bytes_that_are_no_text_readable() -> None:
    out = io.StringIO()
    lines = view.view_for(as_json=True, out=out)
    lines(Noted(level="info", text="caf\udce9"))
    lines.close()
    assert json.loads(out.getvalue()) | {"seconds": 0} == {
        "event": "noted", "seconds": 0, "level": "info", "text": "caf\\udce9"}  # fmt: skip


def test_a_persons_view_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    shown = view.view_for(as_json=False)
    shown(Noted(level="info", text="x"))
    shown.close()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "· x\n")


def test_what_is_said_before_a_run_starts_is_heard_after_its_start() -> None:
    heard: list[Event] = []
    held = view.OnceStarted(heard.append)
    early, late = Noted(level="info", text="early"), Noted(level="info", text="late")
    held(early)
    assert heard == []
    held(STARTED)
    held(late)
    assert heard == [STARTED, early, late]


def test_a_route_is_explained_on_request() -> None:
    out = io.StringIO()
    route = Routed(task="t1", score=0.3, threshold=0.75, facts={"files": 3.0, "errors": 0.0},
                   parts={"files": 0.3, "errors": 0.0}, worker="local", reason="it is easy")  # fmt: skip
    view.LiveView(out, terminal=False, explains=True)(route)
    assert out.getvalue() == (
        "· task t1: score 0.30 of 0.75 (files 3: 0.30, errors 0: 0.00)\n· task t1: local, since it is easy\n"
    )
