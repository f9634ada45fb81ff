"""Builds the adapters a command needs, each slow import inside the function that needs it."""

import os
from collections.abc import Mapping

from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.git_runs import GitRuns
from gitagent.config import Config, load_for
from gitagent.errors import RequestError
from gitagent.events import Noted, Stream
from gitagent.ports import Forge, Model, Planner, Ports, Sandbox, Worker

DEVCONTAINER = ".devcontainer/devcontainer.json"


def config_for(repository: GitRepository, flags: Mapping[str, object]) -> Config:
    """The settings for a repository: its files are read from the working copy, in a bare one from HEAD."""

    given = {name: value for name, value in flags.items() if value is not None}
    return load_for(flags=given, read=repository.settings_text)


def sandbox_for(repository: GitRepository, config: Config, stream: Stream) -> Sandbox:
    """The sandbox the settings ask for, or the best that is there. Raises SandboxError if there is none."""
    from gitagent.adapters import sandboxes

    box = config.sandbox
    entries = {entry.path: entry.oid for entry in repository.entries(repository.head().oid)}
    container = entries.get(DEVCONTAINER)
    chosen = sandboxes.choose(
        box.backend,
        image=box.image or None,
        python=box.python or None,
        repository=repository.directory,
        paths=entries,
        devcontainer=repository.read(container).decode("utf-8", "replace") if container else None,
        needs=("python3", "-c", "import pytest") if any(path.endswith(".py") for path in entries) else (),
    )
    for note in chosen.notes:
        stream(Noted(level="info", text=note))
    return chosen.sandbox


def api_model(config: Config) -> Model | None:
    """The model behind the configured endpoint, None if none is configured."""
    api = config.api
    if not api.base_url and not api.model:
        return None
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
    server = OpenAIServer(
        api.base_url,
        api.model,
        api_key=key if trusted else "",
        key_name=api.key_env,
        window=api.window,
        timeout_seconds=api.timeout_seconds,
        prices={api.model: (api.prompt_price, api.answer_price)},
    )
    # Importing openai takes half a second; it goes on beside the first test run.
    server.preload()
    return server


def ports_for(repository: GitRepository, config: Config, stream: Stream, forge: Forge) -> Ports:
    """Everything a run needs, workers cheapest first."""
    from gitagent.adapters.templates import TemplatesWorker
    from gitagent.planners import ChatPlanner, LocalizerPlanner

    workers: list[Worker] = []
    planners: list[Planner] = [LocalizerPlanner(window=config.local.window)]
    if config.templates.enabled:
        workers.append(TemplatesWorker())
    if config.local.model:
        from gitagent.adapters.llama import LlamaWorker

        workers.append(
            LlamaWorker(
                config.local.model, window=config.local.window, listener=stream, threads=config.local.threads
            )
        )
    if config.run.mode == "api":
        from gitagent.workers import ModelWorker

        model = api_model(config)
        if model is None:
            raise RequestError(
                "--api needs an endpoint, and none is set. Nothing was run.",
                hint="export GITAGENT_API_BASE_URL=… GITAGENT_API_MODEL=…",
            )
        workers.append(ModelWorker(model, stream, name="api"))
        planners.append(ChatPlanner(model, stream))
    return Ports(
        repository=repository,
        branches=GitBranches(repository),
        runs=GitRuns(repository),
        sandbox=sandbox_for(repository, config, stream),
        forge=forge,
        workers=tuple(workers),
        planners=tuple(planners),
        stream=stream,
    )
