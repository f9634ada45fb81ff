"""What a run says while it goes on: one typed event per step, for the live view and for `--json`.

An event becomes one JSON object: `{"event": "candidate_tried", "seconds": 3.21, ...its fields}` where
`seconds` is the time since the run began. docs/events.md lists them all; a test keeps the two the same.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Literal

from gitagent.records import Plan, Spending, State, Suspect


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Anything that happened in a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A request was understood; `branch` is the scratch branch the work will be on."""

    run: str
    title: str
    source: str
    base: str
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """Something the user should know; `level` is "info" or "warning"."""

    level: Literal["info", "warning"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """Something that takes a while begins: preparing a sandbox, loading a model, locating."""

    step: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestsStarted(Event):
    """Tests begin on `where` ("base", "tip"); `tests` is how many were chosen, 0 for the whole suite."""

    __test__ = False

    where: str
    argv: tuple[str, ...]
    sandbox: str
    tests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TestsFinished(Event):
    """Tests ended on `where`."""

    __test__ = False

    where: str
    state: State
    passed: int
    failed: int
    skipped: int
    reason: str
    took_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Located(Event):
    """The most suspicious lines, best first."""

    suspects: tuple[Suspect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(Event):
    """A plan was made."""

    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(Event):
    """A worker begins on a micro-task."""

    task: str
    path: str
    worker: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered(Event):
    """Somebody corrected the run; who is asked from this task on is told."""

    task: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptBuilt(Event):
    """A prompt was counted with the worker's own tokenizer, before it was sent."""

    task: str
    worker: str
    prompt_tokens: int
    answer_tokens: int
    window: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReplied(Event):
    """A model answered."""

    spending: Spending


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateProposed(Event):
    """The `number`-th candidate of the run, counted from 1."""

    number: int
    task: str
    worker: str
    path: str
    pattern: str
    diff: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRefused(Event):
    """A worker's reply was no usable diff; the reason is told to it when it is asked again."""

    task: str
    worker: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateTried(Event):
    """The tests spoke about a candidate."""

    number: int
    state: State
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed(Event):
    """A task's first worker was chosen; `facts` lead to `parts` (0 to 1 each), and these to `score`."""

    task: str
    score: float
    threshold: float
    facts: Mapping[str, float] = field(hash=False)
    parts: Mapping[str, float] = field(hash=False)
    worker: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted(Event):
    """Before the first question to an endpoint: the most this run can take; `dollars` is null without a price."""

    worker: str
    model: str
    tokens: int
    dollars: float | None
    minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited(Event):
    """An endpoint is over its limit or down, and is asked again in so many seconds."""

    worker: str
    model: str
    wait_seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoodIn(Event):
    """An endpoint is over its limit or down, and another model answers for the rest of the run."""

    worker: str
    model: str
    to: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalated(Event):
    """The router moved from one worker up to the next."""

    task: str
    worker: str
    to: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed(Event):
    """A micro-task became a commit on the scratch branch."""

    task: str
    branch: str
    oid: str
    subject: str
    diff: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictReached(Event):
    """Tests on base were held against tests on tip."""

    state: State
    reason: str
    fail_to_pass: tuple[str, ...]
    pass_to_fail: tuple[str, ...]
    pass_to_pass: int
    flaky: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestReady(Event):
    """A pull request awaits a human."""

    forge: str
    number: int
    url: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProposed(Event):
    """A model that answers a question wants a tool's help; `approved` says whether it gets it."""

    number: int
    tool: str
    call: str
    approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished(Event):
    """A tool's typed result; `exit_code` is null where it was stopped for time."""

    number: int
    tool: str
    exit_code: int | None
    stdout: str
    stderr: str
    took_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """A question was answered after so many steps."""

    text: str
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The run is over; `state` as in `records.Report`."""

    run: str
    state: str
    reason: str
    branch: str
    tried: int
    ledger: tuple[Spending, ...]
    took_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(Event):
    """The run ended in an error; nothing but what earlier events name was changed."""

    run: str
    error: str
    hint: str
    exit_code: int


class Stream:
    """Hands every event to every reader, in the order both came; one event at a time, whichever thread it is from."""

    def __init__(self, *readers: Callable[[Event], None]) -> None:
        self._readers = list(readers)
        self._lock = threading.RLock()

    def add(self, reader: Callable[[Event], None]) -> None:
        """One more reader, for the events still to come."""
        self._readers.append(reader)

    def __call__(self, event: Event) -> None:
        with self._lock:
            for reader in self._readers:
                reader(event)


def name_of(event: type[Event] | Event) -> str:
    """The event's name in JSON: `candidate_tried` for CandidateTried."""
    kind = event if isinstance(event, type) else type(event)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def as_json(event: Event, seconds: float) -> dict[str, object]:
    """The event as a JSON-able object; records inside become objects, tuples become arrays."""
    return {"event": name_of(event), "seconds": round(seconds, 3)} | _plain_fields(event)


def _plain_fields(record: object) -> dict[str, object]:
    return {f.name: as_plain(getattr(record, f.name)) for f in fields(record)}  # type: ignore[arg-type]


def as_plain(value: object) -> object:
    """Records as objects, tuples as arrays, texts as valid UTF-8: what `json.dumps` takes."""
    if is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, (tuple, list, set, frozenset)):
        return [as_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, str):
        # Bytes that were no UTF-8 are surrogates in our texts; JSON readers elsewhere reject them.
        return value.encode("utf-8", "backslashreplace").decode()
    return value
