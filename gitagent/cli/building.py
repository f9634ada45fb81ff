"""Builds the adapters a command needs, each slow import inside the function that needs it."""

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.git_notes import GitNotes
from gitagent.adapters.git_runs import GitRuns
from gitagent.adapters.git_verdicts import GitVerdicts
from gitagent.ahead import AskedAhead
from gitagent.budgets import Budget, OutOfBudget
from gitagent.config import Config, load_for
from gitagent.core.microtasks import outlines
from gitagent.core.plan_files import SavedPlan
from gitagent.errors import GitagentError, RepositoryError, RequestError
from gitagent.events import Event, Noted, StepStarted, Stream, TestsStarted
from gitagent.ports import Forge, Index, Model, Planner, Ports, Sandbox, Steps, Worker
from gitagent.records import Candidate, Findings, MicroTask, Note, Place, Plan, Request, Shown, Span, Spending

if TYPE_CHECKING:
    from gitagent.adapters.llama import LlamaWorker
    from gitagent.adapters.openai_server import OpenAIServer
    from gitagent.standby import Clock

# Importing it would take a while where it is not compiled.
HAS_PYTEST = "import importlib.util, sys; sys.exit('no pytest' if not importlib.util.find_spec('pytest') else 0)"


def config_for(repository: GitRepository, flags: Mapping[str, object]) -> Config:
    """The settings for a repository: its files are read from the working copy, in a bare one from HEAD."""

    given = {name: value for name, value in flags.items() if value is not None}
    return load_for(flags=given, read=repository.settings_text)


def sandbox_for(repository: GitRepository, config: Config, stream: Stream, *, build: bool = True) -> Sandbox:
    """The sandbox the settings ask for, or the best that is there. Raises SandboxError if there is none.

    Without `build` an image that would have to be built is only told of.
    """
    from gitagent.adapters import sandboxes
    from gitagent.core import images

    box = config.sandbox
    entries = {entry.path: entry.oid for entry in repository.entries(repository.head().oid)}
    described = images.devcontainer_of(entries)
    chosen = sandboxes.choose(
        box.backend,
        image=box.image or None,
        python=box.python or None,
        repository=repository.directory,
        paths=entries,
        devcontainer=repository.read(entries[described]).decode("utf-8", "replace") if described else None,
        needs=("python3", "-c", HAS_PYTEST) if any(path.endswith(".py") for path in entries) else (),
        read=lambda path: repository.read(entries[path]) if path in entries else None,
        base=box.base or None,
        tell=lambda line: stream(StepStarted(step="image", detail=line)),
        build=build,
    )
    for note in chosen.notes:
        stream(Noted(level="info", text=note))
    return chosen.sandbox


def api_model(config: Config, left: Callable[[], float] = lambda: math.inf) -> "OpenAIServer":
    """The model behind the configured endpoint, which answers within the seconds that are `left`.

    Raises RequestError if none is set, or only half of one.
    """
    api = config.api
    if not api.base_url and not api.model:
        raise RequestError(
            "--api needs an endpoint, and none is set. Nothing was run.",
            hint="export GITAGENT_API_BASE_URL=… GITAGENT_API_MODEL=…",
        )
    for name, value in (("api.base_url", api.base_url), ("api.model", api.model)):
        if not value:
            variable = "GITAGENT_" + name.replace(".", "_").upper()
            raise RequestError(
                f"{name} is not set, expected one for --api. Nothing was run.", hint=f"export {variable}=…"
            )
    from gitagent.adapters.openai_server import OpenAIServer

    # A repository may name an endpoint, but the user's key goes only where the user sent it.
    origin = config.origins.get("api.base_url", "")
    trusted = not origin.startswith((".gitagent.toml", "pyproject.toml"))
    key = os.environ.get(api.key_env) or os.environ.get("OPENAI_API_KEY") or ""
    return OpenAIServer(
        api.base_url,
        api.model,
        api_key=key if trusted else "",
        key_name=api.key_env,
        window=api.window,
        timeout_seconds=api.timeout_seconds,
        prices=prices_of(config),
        longest_wait_seconds=60.0 if api.when_down == "fallback" and not api.fallback_model else 5.0,
        left=left,
    )


@contextmanager
def booked(repository: GitRepository, budget: Budget) -> Iterator[None]:
    """Add what the block costs, however it ends, to the project's ledger; it is no run."""
    from gitagent.adapters.git_spent import GitSpent

    try:
        yield
    finally:
        with suppress(GitagentError):  # what was answered is worth more than its record
            GitSpent(repository).book(budget.ledger)


def prices_of(config: Config) -> dict[str, tuple[float, float]]:
    """The user's price table, and in it the price set for the model itself."""
    own = (config.api.prompt_price, config.api.answer_price)
    return {**config.prices, **({config.api.model: own} if any(own) else {})}


def clock_for(config: Config, stream: Stream, *, before_seconds: float = 0.0) -> "Clock":
    """What tells how much is left of a run's minutes, `before_seconds` of which are gone."""
    from gitagent.standby import Clock

    clock = Clock(config.limits(), before_seconds=before_seconds)
    stream.add(clock.heard)
    return clock


def check_for(config: Config, stream: Stream, left: Callable[[], float]) -> Callable[[], None]:
    """What raises OutOfBudget before a question once tokens or dollars are spent, or nothing of the time is left."""
    limits = config.limits()
    budget = Budget(replace(limits, minutes=math.inf))
    stream.add(budget.heard)

    def check() -> None:
        budget.check()
        if left() <= 0:
            raise OutOfBudget(f"the limit run.minutes = {limits.minutes:g} was reached")

    return check


def asked_model(
    config: Config,
    server: "OpenAIServer",
    stream: Stream,
    clock: "Clock",
    *,
    check: Callable[[], None],
    side_by_side: int = 1,
) -> Model:
    """The model behind the endpoint with what stands in for it, by the settings.

    `check` is called before each question, of which `side_by_side` may be asked at once.
    """
    from gitagent.adapters.openai_server import OpenAIServer
    from gitagent.core.ledger import Price, price_of
    from gitagent.standby import StandbyModel

    api = config.api
    models: list[Model] = [server]
    prices = prices_of(config)
    price = price_of(prices, api.model) or (Price() if server.stays_here else None)
    if api.fallback_model:
        elsewhere = bool(api.fallback_base_url) and api.fallback_base_url != api.base_url
        other = OpenAIServer(
            api.fallback_base_url or api.base_url,
            api.fallback_model,
            # The key is the first endpoint's; another one gets a key of its own, or none.
            api_key=os.environ.get("GITAGENT_API_FALLBACK_KEY", "") if elsewhere else server.key,
            key_name="GITAGENT_API_FALLBACK_KEY" if elsewhere else api.key_env,
            window=api.window,
            timeout_seconds=api.timeout_seconds,
            prices=prices,
            left=clock.left,
        )
        models.append(other)
        theirs = price_of(prices, api.fallback_model) or (Price() if other.stays_here else None)
        price = (
            Price(max(price.prompt, theirs.prompt), max(price.answer, theirs.answer)) if price and theirs else None
        )
    return StandbyModel(
        models,
        stream,
        limits=config.limits(),
        price=price,
        clock=clock,
        waits=api.when_down == "wait",
        side_by_side=side_by_side,
        check=check,
    )


def ports_for(
    repository: GitRepository,
    config: Config,
    stream: Stream,
    forge: Forge,
    steps: Steps | None = None,
    stop_asked: Callable[[], bool] = lambda: False,
) -> Ports:
    """Everything a run needs, workers cheapest first; what models answer is kept in `steps`.

    Workers and planners are loaded while the first tests run: nobody needs them before, and the run waits then.
    """
    outlines.read_with(_spans, _fields)
    index = LaterIndex("index", lambda: _index(repository))
    workers: list[LaterWorker] = []
    ahead: dict[str, AskedAhead] = {}
    planners = [LaterPlanner("localizer", lambda: _localizer(config))]
    preloads: list[Later[Any]] = []
    local = Later("local model", lambda: _local(config, stream)) if config.local.model else None
    if config.templates.enabled:
        judge = local if config.templates.judge else None
        workers.append(LaterWorker("templates", lambda: _templates(judge)))
    if local is not None:
        workers.append(LaterWorker("local", lambda: _kept_worker(local.made(), steps, stream)))
    if config.run.mode == "api":
        clock = clock_for(config, stream, before_seconds=steps.seconds if steps else 0.0)
        check = check_for(config, stream, clock.left)
        server = api_model(config, clock.left)
        preloads.append(Later("openai", server.preload))  # its import takes half a second
        asked = asked_model(config, server, stream, clock, check=check, side_by_side=config.api.parallel)
        model = _kept(asked, steps)
        ahead["api"] = AskedAhead(LaterWorker("api", lambda: _asking(model, stream)), most=config.api.parallel)
        workers.append(LaterWorker("api", lambda: ahead["api"]))
        if config.run.planner != "localizer":
            planners.append(LaterPlanner("chat", lambda: _chat(model, stream, config, index)))
    elif local is not None and config.run.planner == "model":
        planners.append(
            LaterPlanner("chat", lambda: _chat(_kept(local.made().model, steps), stream, config, index))
        )
    lazy = ("local", "chat") if config.run.mode != "api" else ("local",)
    soon: list[Later[Any]] = [one for one in planners if one.name not in lazy]
    soon += [one for one in workers if one.name not in lazy]
    # A local model takes memory, so it is loaded when it is asked and not before.
    stream.add(_BesideTests([*preloads, *soon]))
    return Ports(
        repository=repository,
        branches=GitBranches(repository),
        runs=GitRuns(repository),
        sandbox=sandbox_for(repository, config, stream),
        forge=forge,
        workers=tuple(workers),
        planners=tuple(planners),
        stream=stream,
        notes=GitNotes(repository),
        verdicts=GitVerdicts(repository) if config.tests.cache else None,
        remembered=lambda: remembered(repository),
        index=index,
        steps=steps,
        stop_asked=stop_asked,
        ahead={name: worker.ask for name, worker in ahead.items()},
    )


Made = TypeVar("Made")


class Later(Generic[Made]):
    """Something made when it is first needed, once, whichever thread needs it."""

    def __init__(self, name: str, make: Callable[[], Made]) -> None:
        self.name = name
        self._make, self._lock = make, threading.Lock()
        self._made: list[Made] = []

    def made(self) -> Made:
        """The thing itself. Raises what making it raises, each time."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


class LaterWorker(Later[Worker]):
    """A worker not loaded yet."""

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        yield from self.made().candidates(task, text, limit=limit)


class LaterPlanner(Later[Planner]):
    """A planner not loaded yet."""

    def plan(
        self, request: Request, findings: Findings, read: Callable[[str], str | None]
    ) -> tuple[Plan, tuple[Spending, ...]]:
        return self.made().plan(request, findings, read)


class LaterIndex(Later[Index]):
    """The index, opened where no test leads the way."""

    def places(self, commit: str, text: str, *, most: int = 50, shown: Shown | None = None) -> tuple[Place, ...]:
        return self.made().places(commit, text, most=most, shown=shown)

    def symbols(
        self, commit: str, text: str, *, most: int = 50, shown: Shown | None = None
    ) -> tuple[tuple[Span, float], ...]:
        return self.made().symbols(commit, text, most=most, shown=shown)

    def repository_map(self, commit: str, text: str, *, budget_tokens: int, count: Callable[[str], int]) -> str:
        return self.made().repository_map(commit, text, budget_tokens=budget_tokens, count=count)

    def dependents(self, commit: str, spans: Sequence[Span]) -> tuple[int, ...]:
        return self.made().dependents(commit, spans)


class _BesideTests:
    """Hears the first tests begin, and makes things on a thread of its own then."""

    def __init__(self, soon: Sequence[Later[Any]]) -> None:
        self._soon = list(soon)

    def __call__(self, event: Event) -> None:
        if isinstance(event, TestsStarted) and self._soon:
            soon, self._soon = self._soon, []
            threading.Thread(target=self._load, args=(soon,), name="gitagent-loading", daemon=True).start()

    def _load(self, soon: Sequence[Later[Any]]) -> None:
        for one in soon:
            with suppress(GitagentError):  # raised again, and told, where it is needed
                one.made()


def index_for(repository: GitRepository) -> Index:
    """The index of a repository's code, opened when it is first asked."""
    outlines.read_with(_spans, _fields)
    return LaterIndex("index", lambda: _index(repository))


def planning_model(config: Config, stream: Stream) -> Model | None:
    """The model that plans and asks back: the endpoint's, else the local one, None if neither is set up."""
    if config.run.mode == "api":
        # A person may take any time to answer.
        checked = check_for(config, stream, lambda: math.inf)

        def check() -> None:
            try:
                checked()
            except OutOfBudget as limit:
                raise RequestError(
                    f"there is no plan: {limit}. Nothing was changed.",
                    hint="export GITAGENT_RUN_TOKENS=…, or GITAGENT_RUN_DOLLARS=…",
                ) from limit

        clock = clock_for(config, stream)
        return asked_model(config, api_model(config), stream, clock, check=check)
    return _local(config, stream).model if config.local.model else None


def planner_for(config: Config, model: Model | None, stream: Stream, index: Index) -> Planner:
    """The planner of `gitagent plan`: a chat with the model, the localizer without one."""
    return _localizer(config) if model is None else _chat(model, stream, config, index)


def saved_planner(config: Config, plan: SavedPlan, repository: GitRepository, stream: Stream) -> Planner:
    """The planner that follows a plan that was written down."""
    from gitagent.core.microtasks import estimate
    from gitagent.planners import SavedPlanner
    from gitagent.tree import Tree

    @cache
    def tree() -> Tree | None:
        with suppress(RepositoryError):  # a clone may not have the commit
            return Tree(repository, plan.base) if plan.base else None
        return None

    def before(path: str) -> str | None:
        base = tree()
        return base.shown(path) if base else None

    window = config.local.window if config.local.model or config.run.mode != "api" else config.api.window
    return SavedPlanner(
        plan,
        stream,
        before=before,
        window=window,
        count=lambda messages: sum(4 + estimate(message.content) for message in messages),
    )


def _index(repository: GitRepository) -> Index:
    from gitagent.adapters.index import CodeIndex

    return CodeIndex(repository)


def _spans(path: str, text: str) -> tuple[Span, ...] | None:
    from gitagent.adapters import treesitter

    return treesitter.spans(path, text)


def _fields(path: str, text: str) -> tuple[Span, ...]:
    from gitagent.adapters import treesitter

    return treesitter.fields(path, text)


def _templates(judge: "Later[LlamaWorker] | None") -> Worker:
    from gitagent.adapters.templates import TemplatesWorker

    if judge is None:
        return TemplatesWorker()
    return TemplatesWorker(judge=lambda before, texts: judge.made().model.log_probabilities(before, texts))


# Not the model's path: which file is opened is the word of whoever replays.
REPLAYED = ("templates.judge", "local.window", "local.candidates")


def replay_workers(config: Config) -> dict[str, Worker]:
    """The workers whose answers can come out the same again, each loaded when it is asked."""
    local = Later("local", lambda: _local(config, Stream()))
    return {
        "templates": LaterWorker("templates", lambda: _templates(local if config.templates.judge else None)),
        "local": LaterWorker("local", local.made),
    }


def replay_settings(config: Config) -> dict[str, object]:
    """The settings that decide what those workers answer, for the record of a run."""
    return {name: config.value(name) for name in REPLAYED}


def _localizer(config: Config) -> Planner:
    from gitagent.planners import LocalizerPlanner

    return LocalizerPlanner(window=config.local.window)


def _kept(model: Model, steps: Steps | None) -> Model:
    from gitagent.remembering import RememberingModel

    return RememberingModel(model, steps) if steps else model


def _kept_worker(worker: Worker, steps: Steps | None, stream: Stream) -> Worker:
    from gitagent.remembering import RememberingWorker

    return RememberingWorker(worker, steps, stream) if steps else worker


def _local(config: Config, stream: Stream) -> "LlamaWorker":
    from gitagent.adapters.llama import LlamaWorker

    local = config.local
    return LlamaWorker(
        local.model,
        window=local.window,
        listener=stream,
        threads=local.threads or None,
        parallel=local.candidates,
    )


def remembered(repository: GitRepository) -> tuple[Note, ...]:
    """The project's lasting facts, as many as a prompt has room for."""
    from gitagent.adapters.git_memory import GitMemory
    from gitagent.core import memory
    from gitagent.core.microtasks import estimate

    return memory.note(GitMemory(repository).facts(), budget_tokens=memory.FACTS_TOKENS, count=estimate)


def local_model(config: Config, stream: Stream) -> Model:
    """The model of the local worker alone, for what is no diff."""
    return _local(config, stream).model


def _asking(model: Model, stream: Stream) -> Worker:
    from gitagent.workers import ModelWorker

    return ModelWorker(model, stream, name="api")


def _chat(model: Model, stream: Stream, config: Config, index: Index) -> Planner:
    from gitagent.planners import ChatPlanner

    # Tasks go to the local model first, so they are cut for its window.
    return ChatPlanner(
        model,
        stream,
        worker_window=min(config.local.window, model.window) if config.local.model else None,
        tight=config.run.mode != "api",
        repository_map=lambda request, budget, count: index.repository_map(
            request.base, request.text, budget_tokens=budget, count=count
        ),
    )
