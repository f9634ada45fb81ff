"""`gitagent doctor`: what is there, what is missing, and the one command that mends it."""

import importlib.util
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from gitagent.errors import GitagentError

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.openai_probe import Capabilities
    from gitagent.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding: "ok", "missing" (something does not work without it) or "optional"."""

    name: str
    state: Literal["ok", "missing", "optional"]
    says: str
    mend: str = ""
    table: Mapping[str, str] = field(default_factory=dict)


@click.command("doctor")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--probe", is_flag=True, help="Ask the endpoint what it can do, in some dozen tokens.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_context
def doctor_command(ctx: click.Context, repo: str, probe: bool, as_json: bool) -> None:
    """Say what is there, what is missing, and the command that mends it.

    Exit code 1 if `gitagent fix` would not work here.
    """
    from gitagent.core.secrets import redacted

    # An endpoint's address may hold a password.
    checks = [replace(check, says=redacted(check.says)) for check in examine(repo, probe=probe)]
    if as_json:
        import json

        click.echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            mark = {"ok": "ok", "missing": "MISSING", "optional": "-"}[check.state]
            click.echo(f"{mark:8}{check.name:{width}}  {check.says}")
            wide = max(map(len, check.table), default=0)
            for fact, value in check.table.items():
                click.echo(f"{'':8}{'':{width}}    {fact:{wide}}  {value}")
            if check.mend:
                click.echo(f"{'':8}{'':{width}}  mend: {check.mend}")
    ctx.exit(1 if any(check.state == "missing" for check in checks) else 0)


def examine(repo: str, *, probe: bool = False) -> Iterator[Check]:
    """Every check, in the order a new user meets them. Only with `probe` is the endpoint asked anything."""
    yield Check(name="python", state="ok", says=f"{platform.python_version()}, {os.cpu_count()} processors")
    from gitagent.adapters.git import GitRepository
    from gitagent.cli.building import config_for

    try:
        repository = GitRepository(repo)
        head = repository.head()
        where = head.branch or "a detached HEAD"
        yield Check(name="repository", state="ok", says=f"{repository.directory}, {where} at {head.oid[:12]}")
        config = config_for(repository, {})
        changed = sorted(set(config.origins.values()))
        yield Check(
            name="settings", state="ok", says=f"from {', '.join(changed)}" if changed else "all at default"
        )
    except GitagentError as error:
        yield Check(name="repository", state="missing", says=str(error), mend=error.hint)
        return
    for check in (_tests, _sandbox, _python, _local, _probed if probe else _api, _forge):
        yield _guarded(check, repository, config)


_NAMES = {"_probed": "endpoint"}


def _guarded(
    check: Callable[["GitRepository", "Config"], Check], repository: "GitRepository", config: "Config"
) -> Check:
    try:
        return check(repository, config)
    except GitagentError as error:
        return Check(
            name=_NAMES.get(check.__name__, check.__name__.strip("_")),
            state="missing",
            says=str(error),
            mend=error.hint,
        )


def _tests(repository: "GitRepository", config: "Config") -> Check:
    from gitagent.core import testing

    entries = {entry.path: entry for entry in repository.entries(repository.head().oid)}

    def read(path: str) -> str | None:
        return repository.read(entries[path].oid).decode("utf-8", "replace") if path in entries else None

    command = testing.detect(entries, read, configured=config.tests.command)
    return Check(name="tests", state="ok", says=f"{' '.join(command.argv)}  ({command.why})")


def _sandbox(repository: "GitRepository", config: "Config") -> Check:
    from gitagent.cli.building import sandbox_for
    from gitagent.events import Event, Noted, Stream

    notes: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)

    sandbox = sandbox_for(repository, config, Stream(hear), build=False)
    return Check(name="sandbox", state="ok", says="; ".join([f"{sandbox.name}, {sandbox.identity()}", *notes]))


def _python(repository: "GitRepository", config: "Config") -> Check:
    from gitagent.adapters.sandboxes import find_python

    python = config.sandbox.python or find_python(repository.directory)
    return Check(name="interpreter", state="ok", says=f"{python} runs the tests outside a container")


def _local(repository: "GitRepository", config: "Config") -> Check:
    from gitagent import local_build

    missing = [name for name in ("llama_cpp", "llguidance") if importlib.util.find_spec(name) is None]
    if missing:
        state: Literal["missing", "optional"] = "missing" if config.local.model else "optional"
        says = f"{' and '.join(missing)} not installed, so no local model; the rest works"
        return Check(
            name="local",
            state=state,
            says=says,
            mend=f"{local_build.command(in_clone=_in_clone())}  ({local_build.HOW_LONG})",
        )
    if not config.local.model:
        says = "llama.cpp is there, no model is chosen"
        return Check(
            name="local", state="optional", says=says, mend="export GITAGENT_LOCAL_MODEL=/path/to/model.gguf"
        )
    if not os.path.isfile(config.local.model):
        says = f"local.model = {config.local.model} is no file"
        return Check(
            name="local", state="missing", says=says, mend="export GITAGENT_LOCAL_MODEL=/path/to/model.gguf"
        )
    size = os.path.getsize(config.local.model) / 2**20
    return Check(
        name="local", state="ok", says=f"{config.local.model}, {size:,.0f} MiB, window {config.local.window}"
    )


def _in_clone() -> bool:
    """Whether gitagent runs from a clone, whose Makefile builds the wheel."""
    return (Path(__file__).parents[2] / "Makefile").is_file()


def _api(repository: "GitRepository", config: "Config") -> Check:
    return _endpoint(config, probe=False)


def _probed(repository: "GitRepository", config: "Config") -> Check:
    return _endpoint(config, probe=True)


def _endpoint(config: "Config", *, probe: bool) -> Check:
    from gitagent.cli.building import api_model

    if not config.api.base_url and not config.api.model:
        mend = "export GITAGENT_API_BASE_URL=… GITAGENT_API_MODEL=…"
        return Check(name="endpoint", state="optional", says="none is set; --api needs one", mend=mend)
    server = api_model(config)
    key = (
        "a key is set"
        if os.environ.get(config.api.key_env) or os.environ.get("OPENAI_API_KEY")
        else "no key is set"
    )
    says = f"{config.api.model} at {config.api.base_url}, {key}"
    known = server.probed() if probe else server.known()
    if known is None:
        return Check(name="endpoint", state="ok", says=says, mend="gitagent doctor --probe  (says what it can do)")
    return Check(name="endpoint", state="ok", says=says, table=_table(known))


def _table(known: "Capabilities") -> dict[str, str]:
    """What an endpoint can do, a line each."""
    told = {True: "yes", False: "no", None: "not asked"}
    grammar = {"": "no; free answers are applied tolerantly", None: "not asked"}
    return {
        "server": f"{known.server or 'not one we know'} {known.version}".rstrip(),
        "grammar": grammar.get(known.grammar, f"yes, as `{known.grammar}`: answers are held to diffs that apply"),
        "JSON schema": told[known.schema],
        "counts at a stream's end": told[known.usage],
        "counts tokens for us": told[known.tokenizer],
        "context length": f"{known.window:,} tokens" if known.window else "not told",
        "probed": f"{datetime.fromtimestamp(known.probed_at).astimezone():%Y-%m-%d %H:%M}, for {known.tokens} tokens",
    }


def _forge(repository: "GitRepository", config: "Config") -> Check:
    from gitagent.cli.forges import forge_for

    forge = forge_for(repository, config)
    if forge.name == "local":
        return Check(name="forge", state="ok", says="pull requests are kept in the repository: gitagent pr list")
    if not forge.has_token:
        mend = "export GITHUB_TOKEN=…, or gh auth login"
        return Check(name="forge", state="missing", says=f"{forge.name}, but no token was found", mend=mend)
    return Check(name="forge", state="ok", says=f"{forge.name}, with a token")
