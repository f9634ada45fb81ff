"""What the pipeline needs from the world, each in as few methods as will do.

A port speaks in records. Foreign types and exceptions stop in the adapter behind it, which raises only
errors of `gitagent.errors`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, Required, TypedDict

from gitagent.events import Event, Stream
from gitagent.records import (
    Candidate,
    Commit,
    Execution,
    FileEntry,
    Findings,
    Head,
    Message,
    MicroTask,
    Note,
    Place,
    Plan,
    PullRequest,
    Reply,
    Request,
    SandboxLimits,
    Shown,
    Span,
    Spending,
    TestRun,
)

Listener = Callable[[Event], None]


class Repository(Protocol):
    """A git repository, read only."""

    def head(self) -> Head:
        """Where the user stands. Raises RepositoryError if there is no commit yet."""

    def resolve(self, rev: str) -> str:
        """The commit a revision names. Raises RepositoryError if it names none, or is ambiguous."""

    def tree(self, commit: str) -> str:
        """The tree oid of a commit."""

    def message(self, commit: str) -> str:
        """The commit's whole message."""

    def author(self, commit: str) -> str:
        """Who wrote a commit, as `Name <email>`."""

    def entries(self, commit: str) -> tuple[FileEntry, ...]:
        """Every file of the commit, in path order, submodules and symlinks included."""

    def read(self, blob: str) -> bytes:
        """A blob's bytes. Raises RepositoryError if it is not there (a shallow or partial clone)."""

    def is_ancestor(self, ancestor: str, commit: str) -> bool:
        """Whether a commit is another or lies in its history. Raises RepositoryError if one is not there."""

    def between(self, base: str, tip: str) -> list[str]:
        """The commits of `tip` that are not in `base`, newest first. Raises RepositoryError if one is missing."""

    def joined(self, ours: str, theirs: str) -> tuple[str, tuple[str, ...]]:
        """The tree of a merge and the paths where the two do not go together, which it has as `theirs` has them.

        ("", ()) if they have no history in common that is here.
        """

    def paths_of(self, commit: str) -> frozenset[str]:
        """The paths a commit changed against its first parent."""

    def is_dirty(self) -> bool:
        """Whether the working copy or index differs from HEAD (a bare repository never does)."""

    def checkout(self, commit: str, directory: str) -> None:
        """Write the commit's files, bytes as stored, below an empty directory outside the repository."""


class Scratch(Protocol):
    """Where proposed texts become commits without touching anyone's checkout."""

    branch: str

    def commit(
        self, texts: Mapping[str, str | None], message: str, *, modes: Mapping[str, int] | None = None
    ) -> Commit:
        """Commit whole new file texts on the branch's tip, keyed by path; None deletes.

        `modes` are git's (100644 or 100755) for files that get another than they had.
        Raises RepositoryError if the branch is gone or was moved by someone else, and then nothing changed.
        """

    def join(self, tree: str, other: str, message: str) -> Commit:
        """Commit a merge of the branch's tip and another commit that comes to this tree; raises as `commit`."""

    def tree_of(self, texts: Mapping[str, str | None]) -> str:
        """The oid of the tree that `commit` would record; writes blobs and trees only, no ref.

        What an earlier commit deleted may be deleted again.
        """


class Branches(Protocol):
    """The scratch branches of a repository."""

    def create(self, branch: str, base: str, *, again: bool = False) -> Scratch:
        """Start a branch at a commit.

        Raises RepositoryError if the branch exists and `again` is false. With `again` the branch starts
        anew and its old tip stays reachable under `refs/gitagent/replaced/`.
        """

    def open(self, branch: str) -> Scratch:
        """The branch as it stands, to go on with. Raises RepositoryError if there is none."""

    def resume(self, branch: str, base: str, run: str, *, again: bool = False) -> Scratch:
        """The branch for a run that was cut short: commits that are there already are taken as made when they come.

        Where there is no branch it is made. Raises RepositoryError if it holds commits of others.
        """

    def drop(self, branch: str, tip: str) -> None:
        """Delete a branch of ours if it is still at `tip`."""


class Runs(Protocol):
    """The record of every run, under `refs/gitagent/runs/`."""

    def save(self, run: str, files: Mapping[str, str], message: str) -> None:
        """Record files (name to text) as the run's newest state."""

    def load(self, run: str) -> Mapping[str, str]:
        """The newest recorded files. Raises RequestError if no run has this id (a unique prefix is enough)."""

    def ids(self) -> tuple[str, ...]:
        """Run ids, newest first."""


class Notes(Protocol):
    """Texts attached to commits, in the repository."""

    def write(self, commit: str, text: str) -> None:
        """Make this the commit's note, in place of an earlier one; notes of other commits stay."""

    def read(self, commit: str) -> str | None:
        """The commit's note, None if it has none."""


class Verdicts(Protocol):
    """Test runs already paid for, by tree, environment and command line; a cache, which may forget.

    `turn` tells a second run of the same from the first. `maker` is the id of the run of ours that paid for it.
    """

    def get(
        self, tree: str, sandbox: str, argv: Sequence[str], *, turn: int = 0, maker: str = ""
    ) -> TestRun | None:
        """The run known for this, None if none is; with `maker`, only one that this run of ours made itself."""

    def put(self, run: TestRun, *, turn: int = 0, maker: str = "") -> None:
        """Remember a run, unless it was inconclusive."""


class Steps(Protocol):
    """What a run has paid for, by question; answers and questions are what JSON takes."""

    seconds: float

    def known(self, kind: str, *asked: object) -> Any:
        """The answer kept for the very same question, None if there is none."""

    def keep(self, kind: str, *asked: object, answer: object, soon: bool = False) -> None:
        """Write an answer down before it is relied on; with `soon` at most a moment later.

        Raises RepositoryError if it cannot be written.
        """


class Worker(Protocol):
    """Something that proposes diffs for a micro-task, cheapest kind first: templates, local, api."""

    name: str

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        """At most `limit` candidates, best first, lazily. `text` is the whole text of the task's file.

        Raises DiffError if a reply holds no usable diff (the pipeline asks again with the reason), ModelError
        if the model is out of reach.
        """


class Asking(TypedDict, total=False):
    """How a model is asked, as `Model.reply` takes it; for those that hand a question on."""

    answer_tokens: Required[int]
    temperature: float
    seed: int
    schema: Mapping[str, object] | None
    grammar: str


class Model(Protocol):
    """A language model alone: a window of tokens, a prompt in, a reply out."""

    @property
    def name(self) -> str:
        """As whoever runs it calls it."""

    @property
    def digest(self) -> str:
        """The sha256 hex of the model's file, or of its endpoint and name."""

    @property
    def window(self) -> int:
        """Tokens that a prompt and its answer may take together."""

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens these messages take in the model's own tokenizer, chat template included."""

    def takes_grammar(self) -> bool:
        """Whether `reply` can hold an answer to a grammar; finding out may take a question of a few tokens."""

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
        """Ask. `schema` is a JSON schema the answer should follow, where the model can be held to it.

        `grammar` is GBNF the answer should keep to; only for a model that takes one.

        Raises ModelError if it is out of reach, refuses, or answers nothing.
        """


class Workspace(Protocol):
    """One tree inside a sandbox, warm: files are replaced and commands run until it is closed."""

    def write(self, texts: Mapping[str, str | None]) -> None:
        """Replace files by whole new texts, keyed by path; None deletes."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes = b"",
        collect: Sequence[str] = (),
    ) -> Execution:
        """Run a command at the tree's root. `collect` are files to bring back, by absolute path inside.

        A command over its time is killed with everything it started, and is an Execution, not an error.
        Raises SandboxError if the sandbox itself breaks.
        """


class Sandbox(Protocol):
    """Where strangers' code runs: no network, no host files, hard limits."""

    name: str

    def identity(self) -> str:
        """The environment down to its digest, for verdicts: `docker:sha256:…`."""

    def open(self, fill: Callable[[str], None], limits: SandboxLimits) -> AbstractContextManager[Workspace]:
        """A fresh workspace; `fill(directory)` writes the tree's files below an empty host directory.

        Raises SandboxError if no engine answers or the image is missing.
        """


class Forge(Protocol):
    """A hosting site, or the stand-in inside the repository."""

    name: str

    @property
    def has_token(self) -> bool:
        """Whether there is what publishing needs; known without asking the site."""

    def issue(self, number: int) -> tuple[str, str]:
        """An issue's text (title, blank line, body) and its author's login. Raises ForgeError if unreadable."""

    def publish(self, pull: PullRequest) -> PullRequest:
        """Push the branch and open its pull request, or update the open one of the same branch."""

    def pulls(self, state: str = "open") -> tuple[PullRequest, ...]:
        """Our pull requests, newest first; `state` is open, merged, closed or all."""

    def pull(self, number: int) -> PullRequest:
        """One pull request. Raises ForgeError if there is none with this number."""

    def close(self, number: int) -> PullRequest:
        """Close without merging."""


class Planner(Protocol):
    """Turns a request and what was found about it into a plan."""

    name: str

    def plan(
        self, request: Request, findings: Findings, read: Callable[[str], str | None]
    ) -> tuple[Plan, tuple[Spending, ...]]:
        """A plan and what it cost. `read` gives a file's text on base, None if there is none.

        Raises ModelError or RequestError if no plan comes of it.
        """


class Index(Protocol):
    """The code of a repository by what it says; kept from run to run, brought up to date when it is asked."""

    def places(self, commit: str, text: str, *, most: int = 50, shown: Shown | None = None) -> tuple[Place, ...]:
        """The files of a commit that a request's text, and what failing tests showed, are about, best first."""

    def symbols(
        self, commit: str, text: str, *, most: int = 50, shown: Shown | None = None
    ) -> tuple[tuple[Span, float], ...]:
        """The functions and classes a request's text, and what failing tests showed, are about, best first."""

    def repository_map(self, commit: str, text: str, *, budget_tokens: int, count: Callable[[str], int]) -> str:
        """Paths and signatures for a planning prompt, those the text is about first, within so many tokens."""

    def dependents(self, commit: str, spans: Sequence[Span]) -> tuple[int, ...]:
        """For each stretch of a file how many other files use what it defines, tests apart.

        A stretch with a name is about that function or class.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything a run is given, built by the command line.

    `approves` is asked about a plan before anything of it is written; None approves every plan. `steered` gives
    the corrections that people made since it was last asked, `remembered` the
    project's lasting facts. `ahead` has, by a
    worker's name, what asks it about several tasks (each with its file's text) at once, before they are put to it.
    """

    repository: Repository
    branches: Branches
    runs: Runs
    sandbox: Sandbox
    forge: Forge
    workers: tuple[Worker, ...]
    stream: Stream
    planners: tuple[Planner, ...] = ()
    notes: Notes | None = None
    verdicts: Verdicts | None = None
    index: Index | None = None
    approves: Callable[[Plan], bool] | None = None
    steps: Steps | None = None
    stop_asked: Callable[[], bool] = lambda: False
    steered: Callable[[], Sequence[str]] = tuple
    ahead: Mapping[str, Callable[[Sequence[tuple[MicroTask, str]]], None]] = field(default_factory=dict)
    remembered: Callable[[], Sequence[Note]] = tuple
