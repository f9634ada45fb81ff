"""Every noun of a run, as frozen plain data.

Paths are `str` from the repository root with `/`. A file's text is `str` decoded as UTF-8 with
`surrogateescape`, line endings kept, so that encoding it back gives the same bytes. Lines are
counted from 1 and end at `\n` alone. Oids are full hex.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Source = Literal["text", "issue", "commit", "test", "stdin"]
Outcome = Literal["passed", "failed", "error", "skipped"]
State = Literal["passed", "failed", "inconclusive"]
Action = Literal["change", "add", "delete", "rename"]
_LAST, _EARLIER = "Refused last time", "Refused before that"
Runner = Literal["pytest", "unittest", "npm", "cargo", "go", "maven", "gradle", "custom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a commit's tree: `mode` as git writes it (0o100644, 0o100755, 0o120000, 0o160000)."""

    path: str
    oid: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the user stands: `branch` is the short name, or None when HEAD is detached."""

    branch: str | None
    oid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit made on a scratch branch."""

    branch: str
    oid: str
    tree: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asked for, cleaned, with the commit it was asked about.

    `reference` is the issue number, revision or test id the request came from, or "". `tests` are the
    test ids the asker named as failing. `key` names the request for good: the same ask has the same key.
    """

    text: str
    source: Source
    reference: str
    asked_by: str
    base: str
    key: str
    tests: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The first line with words in it, at most 72 characters."""
        first = next((line.strip() for line in self.text.split("\n") if line.strip()), "")
        return first if len(first) <= 72 else first[:71].rstrip() + "…"

    @property
    def digest(self) -> str:
        """Sixteen hex digits of what was asked, word for word, with the tests that were named."""
        asked = "\0".join((self.text, *self.tests))
        return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A named stretch of one file, both lines included: a function, a class or the module itself."""

    path: str
    name: str
    first_line: int
    last_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Something a source text defines. `kind` is function, method, class, struct, union, enum, interface, trait,
    impl, module, type, macro, constant or field.

    `parent` is the dotted name of what it is defined in, "" at the top. `signature` is its own words without its
    body, on one line.
    """

    name: str
    kind: str
    first_line: int
    last_line: int
    parent: str = ""
    signature: str = ""

    @property
    def dotted(self) -> str:
        """The whole name: `Basket.total`."""
        return f"{self.parent}.{self.name}" if self.parent else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file a request is about, `score` from 0 to 1 against the best one, with the evidence in words.

    `symbols` are its functions and classes that fit, best first; () where nobody looked into it.
    """

    path: str
    score: float
    reason: str
    symbols: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One line under suspicion, `score` from 0 (innocent) to 1, with the evidence in words."""

    path: str
    line: int
    score: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What failing tests tell about where a fault is.

    `suspects` are lines, best first; `words` are the tests' names, texts and tracebacks, with what they failed of.
    """

    suspects: tuple[Suspect, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A piece of context for a prompt; those of low `priority` number go in first."""

    title: str
    text: str
    priority: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroTask:
    """One question to a worker about one stretch of one file.

    `first_line` is 1-based, as in a hunk header. `excerpt` keeps its newlines, so that excerpts
    join back into the file; it is "" for a file to be made. `answer_tokens` is the room left for the
    diff. `depends_on` holds ids of tasks of the same plan; a low `priority` number goes first. Nobody is asked about
    the actions delete and rename (to the path `to`). `symbol` is the function or class it is about, "" if none is.
    `state` is what was said, tried and done since it was planned, oldest first; it has a budget of its own in prompts.
    """

    id: str
    path: str
    first_line: int
    excerpt: str
    instruction: str
    answer_tokens: int
    notes: tuple[Note, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    depends_on: tuple[str, ...] = ()
    priority: int = 5
    attempt: int = 1
    action: Action = "change"
    to: str = ""
    symbol: str = ""
    state: tuple[Note, ...] = ()

    def retried_after(self, reason: str) -> "MicroTask":
        """The same question, told what was wrong with the last answer, and with those before."""
        before = (note for note in self.state if note.text != reason or note.title not in (_LAST, _EARLIER))
        known = (replace(note, title=_EARLIER, priority=4) if note.title == _LAST else note for note in before)
        state = (*known, Note(title=_LAST, text=reason, priority=2))
        return replace(self, state=state, attempt=self.attempt + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done, as data.

    `mode` "all": every task is needed, in dependency order. "any": the tasks are alternatives, best
    first, and the first that the tests accept is enough.
    """

    summary: str
    mode: Literal["all", "any"]
    tasks: tuple[MicroTask, ...]
    planner: str
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which lines one test ran, by path; only files of the tree under test."""

    test: str
    outcome: Outcome
    lines: Mapping[str, frozenset[int]] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is known before planning, no model asked.

    `red` are the tests that fail on base and should pass. `suspects` are lines, best first. `files` are the
    paths worth looking at, best first; `sizes` gives the line count of those that were read. `coverage` is what
    each test ran, where that was traced. `places` are what the
    index found for the request's words, () where tests lead the way. `directives` are what the repository's
    instructions and the project's lasting facts say.
    """

    red: tuple["TestResult", ...] = ()
    suspects: tuple[Suspect, ...] = ()
    files: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict, hash=False)
    coverage: tuple[Coverage, ...] = ()
    places: tuple[Place, ...] = ()
    directives: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """A clean unified diff of one or more files, `a/` and `b/` before the paths."""

    text: str
    paths: tuple[str, ...]
    added: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What one question to a model, or a sum of them, cost. `seconds` is wall time waiting for it.

    `stays_here` is true where nothing of it left this machine.
    """

    worker: str
    calls: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0
    stays_here: bool = False

    def plus(self, other: "Spending") -> "Spending":
        """The sum, under this one's worker name."""
        return replace(
            self,
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            answer_tokens=self.answer_tokens + other.answer_tokens,
            dollars=self.dollars + other.dollars,
            seconds=self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How a prompt used its window, in tokens: its own, those kept for the answer; and the notes that did not fit."""

    window: int
    prompt_tokens: int
    answer_tokens: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One worker's answer to one task: an applied diff with the whole new texts it leads to.

    `texts` is keyed by path; None means the file goes away. `score` orders candidates of one worker,
    best first at the highest (log-probability, or suspicion x prior). `pattern` says in a few words what
    was done. The digests are sha256 hex of the model's file (or its name) and of the prompt, "" if none. `build`
    names the programs that made it, down to their versions, where the same ones would make it again.
    """

    task: str
    worker: str
    diff: Diff
    texts: Mapping[str, str | None] = field(hash=False)
    score: float = 0.0
    pattern: str = ""
    model_digest: str = ""
    prompt_digest: str = ""
    spending: Spending = Spending(worker="")
    temperature: float = 0.0
    seed: int = 0
    room: Room | None = None
    build: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A model's answer. `finish` is "length" when it ran into `answer_tokens`, else "stop"."""

    text: str
    spending: Spending
    finish: Literal["stop", "length"] = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCommand:
    """How a project runs its tests.

    `argv` runs the whole suite. `select` is put after `argv` together with test ids (already in the
    runner's own notation) to run only those; None if the runner cannot. `results` is the path, inside the
    sandbox, of the file `reader` reads; with reader "exit" only the exit code counts.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    runner: Runner
    argv: tuple[str, ...]
    select: tuple[str, ...] | None
    reader: Literal["junit", "tap", "jest", "exit"]
    results: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What a test run may use. `disk_bytes` bounds the writable part of the sandbox."""

    timeout_seconds: float = 300.0
    memory_bytes: int = 2 * 1024**3
    cpus: float = 2.0
    processes: int = 256
    disk_bytes: int = 1024**3
    output_bytes: int = 4 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What a command did in a sandbox.

    `exit_code` is None when it was killed for time. `output` is stdout and stderr together, its middle cut
    out (and said so) beyond the limit. `files` holds the asked-for result files that exist, by path.
    """

    argv: tuple[str, ...]
    exit_code: int | None
    output: str
    seconds: float
    timed_out: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One test's outcome. `id` is in the runner's own notation and can be handed back to it."""

    __test__ = False

    id: str
    outcome: Outcome
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """One run of tests on one tree. `sandbox` names the environment down to its digest."""

    __test__ = False

    tree: str
    sandbox: str
    argv: tuple[str, ...]
    state: State
    results: tuple[TestResult, ...]
    exit_code: int | None
    seconds: float
    reason: str = ""
    output: str = ""

    def having(self, *outcomes: Outcome) -> tuple[str, ...]:
        """The ids of tests with one of these outcomes, in the run's order."""
        return tuple(result.id for result in self.results if result.outcome in outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Tests on base against tests on tip, by test id. Flaky ones are in no other list.

    `red` are the tests that were to be mended. `command` is the whole suite's command line, `scope` the tests it
    was narrowed to, () for all. `again` are second runs: of base, then of tip, of the doubtful tests alone.
    """

    state: State
    reason: str
    base: TestRun
    tip: TestRun
    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    fail_to_fail: tuple[str, ...] = ()
    pass_to_fail: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    red: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    again: tuple[TestRun, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request on a forge. `number` is 0 and `url` "" until the forge has opened it.

    `base_branch` is a short name; `base` and `tip` are commits. `draft` stays true until a human says so.
    """

    title: str
    body: str
    branch: str
    base_branch: str
    base: str
    tip: str
    key: str
    number: int = 0
    url: str = ""
    state: Literal["open", "merged", "closed"] = "open"
    draft: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Hard limits of one run; reaching one ends it with what is proven so far."""

    minutes: float = 30.0
    dollars: float = 1.0
    tokens: int = 200_000
    candidates: int = 2_000
    diff_lines: int = 400
    attempts: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run ended: "proven" has a verdict that passed, "unproven" a diff but no proof, "nothing" neither.

    `ended` is whether it came to its end by itself: no error, nobody's interrupt, no request to stop.
    """

    run: str
    state: Literal["proven", "unproven", "nothing", "interrupted"]
    request: Request
    reason: str
    plan: Plan | None = None
    commits: tuple[Commit, ...] = ()
    verdict: Verdict | None = None
    pull: PullRequest | None = None
    ledger: tuple[Spending, ...] = ()
    seconds: float = 0.0
    tried: int = 0
    ended: bool = False
