"""Settings: defaults, then the user's file, the repository's, the environment, and flags on top.

The user's file is `$XDG_CONFIG_HOME/gitagent/config.toml`; the repository's is `.gitagent.toml` or
`[tool.gitagent]` in `pyproject.toml`. `api.model` is set in TOML as `model` under `[api]` and in the
environment as `GITAGENT_API_MODEL`. A repository is a stranger's until its owner is known: what would widen
its own permissions (turn the sandbox off, choose a host program, send a token somewhere) it may not set.
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_type_hints

from gitagent.errors import RequestError
from gitagent.records import Limits, SandboxLimits


def _setting(default: Any, about: str, *, repository: bool = True, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"about": about, "repository": repository, "choices": choices})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Where the code may go, and how a run is bounded."""

    mode: str = _setting(
        "local",
        "local: nothing leaves the machine; api: the endpoint is allowed too",
        repository=False,
        choices=("local", "api"),
    )
    minutes: float = _setting(30.0, "wall time of one run, in minutes")
    dollars: float = _setting(1.0, "money one run may spend on a paid endpoint, in US dollars")
    tokens: int = _setting(200_000, "tokens one run may send and receive, all models together")
    candidates: int = _setting(2_000, "candidate diffs one run may try")
    attempts: int = _setting(3, "times a worker is asked again after a refusal or a failed verdict")
    test_first: bool = _setting(True, "where no test fails, write one that does before anything is mended")
    minimal: bool = _setting(True, "take out of a model's change what the red tests do not need")
    diff_lines: int = _setting(400, "added and removed lines a proposal may have")
    planner: str = _setting(
        "auto",
        "auto: a chat model plans with --api, else the localizer; model: the local model may plan too",
        choices=("auto", "localizer", "model"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TestsConfig:
    """How the tests run."""

    __test__ = False

    command: str = _setting("", "command for the whole suite; found by convention when empty")
    timeout_seconds: float = _setting(300.0, "time for one run of the whole suite, in seconds")
    allow_changes: bool = _setting(
        False,
        "changes to existing tests, CI and lock files are committed on their own, not refused",
        repository=False,
    )
    cache: bool = _setting(
        True, "runs on base known for the same tree, environment and command are not made again"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """What the tests run in."""

    backend: str = _setting(
        "auto",
        "auto, docker, bubblewrap, or none (tests run unprotected)",
        choices=("auto", "docker", "bubblewrap", "none"),
    )
    image: str = _setting("", "container image; found by convention when empty")
    base: str = _setting("", "image that one built from dependency files begins with; by language when empty")
    python: str = _setting("", "interpreter or virtual environment for bubblewrap and none", repository=False)
    memory_mb: int = _setting(2048, "memory, in MiB")
    cpus: float = _setting(2.0, "processors")
    processes: int = _setting(256, "processes and threads")
    disk_mb: int = _setting(1024, "writable space, in MiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatesConfig:
    """The worker that needs no model."""

    enabled: bool = _setting(True, "try repair patterns before any model")
    candidates: int = _setting(400, "candidates tried before a model is asked, where one is set up")
    judge: bool = _setting(False, "let the local model, loaded for it, put the best candidates in order")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalConfig:
    """The model on this machine."""

    model: str = _setting("", "path of a GGUF file", repository=False)
    window: int = _setting(4096, "context window, in tokens")
    threads: int = _setting(0, "processor threads; 0 chooses by measurement")
    candidates: int = _setting(8, "diffs sampled for one micro-task")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """An OpenAI-compatible endpoint. The key is read from the environment only."""

    base_url: str = _setting("", "address of the endpoint, ending in /v1")
    model: str = _setting("", "model name as the endpoint knows it")
    key_env: str = _setting("GITAGENT_API_KEY", "environment variable that holds the key", repository=False)
    window: int = _setting(4096, "tokens a prompt and its answer may take together")
    timeout_seconds: float = _setting(120.0, "time for one answer, in seconds")
    parallel: int = _setting(4, "questions about independent tasks that are asked at the same time")
    prompt_price: float = _setting(0.0, "US dollars for a million prompt tokens", repository=False)
    answer_price: float = _setting(0.0, "US dollars for a million answer tokens", repository=False)
    when_down: str = _setting(
        "fallback",
        "fallback: the fallback model, or a cheaper worker, stands in at once; wait: first as long as it asks",
        choices=("fallback", "wait"),
    )
    fallback_model: str = _setting("", "model that stands in while the first is down or over its limit")
    fallback_base_url: str = _setting("", "address of its endpoint; empty for the same", repository=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """When a task goes straight to the larger model."""

    threshold: float = _setting(0.75, "complexity from which a task skips the local worker, 0 to 1")
    patience: int = _setting(2, "failed answers or verdicts of a worker on a task before a stronger one is asked")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeConfig:
    """Where pull requests go."""

    name: str = _setting("auto", "auto, github or local", choices=("auto", "github", "local"))
    remote: str = _setting("origin", "git remote that is pushed to")
    base_url: str = _setting("", "GitHub Enterprise address; empty for the public site", repository=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskConfig:
    """What a question may look at without asking back."""

    allow: str = _setting(
        "read_file, grep, git",
        "tools that run unasked, each with a prefix if wanted: bash/pytest -q",
        repository=False,
    )
    steps: int = _setting(40, "steps to an answer, at most 40")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookConfig:
    """What a git hook may start."""

    publish: bool = _setting(
        False, "runs that a hook starts may push and open pull requests on the hosting site", repository=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, and `origins`: where each came from, by dotted name.

    `prices` are dollars per million prompt and answer tokens by the beginning of a model's name: the user's own
    table `[prices]`.
    """

    run: RunConfig = RunConfig()
    tests: TestsConfig = TestsConfig()
    sandbox: SandboxConfig = SandboxConfig()
    templates: TemplatesConfig = TemplatesConfig()
    local: LocalConfig = LocalConfig()
    api: ApiConfig = ApiConfig()
    routing: RoutingConfig = RoutingConfig()
    forge: ForgeConfig = ForgeConfig()
    hook: HookConfig = HookConfig()
    ask: AskConfig = AskConfig()
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)
    origins: Mapping[str, str] = field(default_factory=dict, hash=False)

    def limits(self) -> Limits:
        """The hard limits of one run."""
        run = self.run
        return Limits(
            minutes=run.minutes,
            dollars=run.dollars,
            tokens=run.tokens,
            candidates=run.candidates,
            attempts=run.attempts,
            diff_lines=run.diff_lines,
        )

    def sandbox_limits(self) -> SandboxLimits:
        """What one sandbox may use."""
        box = self.sandbox
        return SandboxLimits(
            timeout_seconds=self.tests.timeout_seconds,
            memory_bytes=box.memory_mb * 2**20,
            cpus=box.cpus,
            processes=box.processes,
            disk_bytes=box.disk_mb * 2**20,
        )

    def value(self, name: str) -> object:
        """The value of a dotted name."""
        section, _, key = name.partition(".")
        return getattr(getattr(self, section), key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One known setting: its dotted name, type, default and what it is for."""

    name: str
    kind: type
    default: object
    about: str
    repository: bool
    choices: tuple[str, ...]

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "GITAGENT_" + self.name.replace(".", "_").upper()


def settings() -> dict[str, Setting]:
    """Every known setting by dotted name, in the order of the classes above."""
    known: dict[str, Setting] = {}
    for section in fields(Config):
        if section.name in ("prices", "origins"):
            continue
        kinds = get_type_hints(section.type)
        for key in fields(section.type):  # type: ignore[arg-type]
            name = f"{section.name}.{key.name}"
            known[name] = Setting(name=name, kind=kinds[key.name], default=key.default, **key.metadata)
    return known


def load(
    *,
    user_file: tuple[str, str] | None,
    repository_files: Mapping[str, str],
    environment: Mapping[str, str],
    flags: Mapping[str, object],
) -> Config:
    """The configuration, lowest layer first.

    `user_file` is (path, text) or None; `repository_files` maps `.gitagent.toml` and `pyproject.toml` to
    their texts where they exist; `flags` are dotted names the command line gave. Raises RequestError that
    names the file and key for anything unknown, of the wrong type, or not the repository's to say.
    """
    known = settings()
    config = Config()
    if user_file is not None:
        path, text = user_file
        table = _parse(path, text)
        config = replace(config, prices=_prices(table.pop("prices", {}), path))
        config = _layer(config, known, _flat(table, path, known), path)
    for path, table in _repository_tables(repository_files):
        if "prices" in table:
            raise RequestError(
                f"{path}: [prices] is not a repository's to say. Nothing was run.",
                hint=f"edit {user_config_path(environment)}",
            )
        values = _flat(table, path, known)
        for name, value in values.items():
            if _widens(known[name], value, config):
                raise RequestError(
                    f"{path}: {name} = {value!r} is not a repository's to say. Nothing was run.",
                    hint=f"export {known[name].variable}={value}, or edit {user_config_path(environment)}",
                )
        config = _layer(config, known, values, path)
    config = _layer(config, known, _from_environment(environment, known), "environment")
    return _layer(config, known, dict(flags), "flag")


def load_for(
    *,
    flags: Mapping[str, object],
    read: Callable[[str], str | None],
    environment: Mapping[str, str] | None = None,
) -> Config:
    """The configuration for a repository; `read` gives a file's text at its root, None if there is none."""
    environment = os.environ if environment is None else environment
    path = user_config_path(environment)
    user_file = None
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            user_file = (path, file.read())
    texts = {name: read(name) for name in (".gitagent.toml", "pyproject.toml")}
    return load(
        user_file=user_file,
        repository_files={name: text for name, text in texts.items() if text is not None},
        environment=environment,
        flags=flags,
    )


def _prices(table: object, path: str) -> dict[str, tuple[float, float]]:
    """The price table: `"name" = [2.5, 10.0]`, dollars for a million prompt and answer tokens."""
    prices: dict[str, tuple[float, float]] = {}
    for name, pair in table.items() if isinstance(table, dict) else [("prices", table)]:
        numbers = [one for one in pair if type(one) in (int, float) and one >= 0] if isinstance(pair, list) else []
        if len(numbers) != 2 or numbers != pair:
            raise RequestError(
                f"{path}: prices: {name}: expected two numbers, dollars for a million prompt and answer tokens, got "
                f"{pair!r}. Nothing was run.",
                hint=f"edit {path}",
            )
        prices[name] = (float(numbers[0]), float(numbers[1]))
    return prices


def _widens(setting: Setting, value: object, config: Config) -> bool:
    """Whether a repository that sets this would give itself more than its user did."""
    if setting.name in ("run.dollars", "run.tokens"):
        limit = config.value(setting.name)
        return isinstance(value, (int, float)) and isinstance(limit, (int, float)) and value > limit
    return not setting.repository or (setting.name == "sandbox.backend" and value == "none")


def user_config_path(environment: Mapping[str, str]) -> str:
    """Where the user's own settings are, whether or not the file exists."""
    home = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME") or "~", ".config")
    return os.path.join(os.path.expanduser(home), "gitagent", "config.toml")


def user_cache_path(environment: Mapping[str, str]) -> str:
    """Where what may be deleted at any time is kept, whether or not it exists."""
    home = environment.get("XDG_CACHE_HOME") or os.path.join(environment.get("HOME") or "~", ".cache")
    return os.path.join(os.path.expanduser(home), "gitagent")


def _parse(path: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path}: not TOML: {error}. Nothing was run.", hint=f"edit {path}") from error


def _repository_tables(files: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    tables: list[tuple[str, dict[str, Any]]] = []
    if "pyproject.toml" in files and "gitagent" in files["pyproject.toml"]:
        tool = _parse("pyproject.toml", files["pyproject.toml"]).get("tool")
        table = tool.get("gitagent") if isinstance(tool, dict) else None
        if table is not None:
            tables.append(("pyproject.toml [tool.gitagent]", table))
    if ".gitagent.toml" in files:
        tables.append((".gitagent.toml", _parse(".gitagent.toml", files[".gitagent.toml"])))
    if len(tables) == 2:
        raise RequestError(
            "both .gitagent.toml and pyproject.toml [tool.gitagent] set gitagent up. Nothing was run.",
            hint="keep one of the two",
        )
    return tables


def _flat(table: dict[str, Any], path: str, known: Mapping[str, Setting]) -> dict[str, object]:
    if not isinstance(table, dict):
        raise RequestError(f"{path}: expected a table of settings, got {table!r}. Nothing was run.")
    flat: dict[str, object] = {}
    for section, keys in table.items():
        if not isinstance(keys, dict):
            raise _unknown(section, path, known)
        for key, value in keys.items():
            name = f"{section}.{key}"
            if name not in known:
                raise _unknown(name, path, known)
            flat[name] = value
    return flat


def _unknown(name: str, where: str, known: Mapping[str, Setting]) -> RequestError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    by_key = [full for full in known if full.split(".")[1] == name.split(".")[-1]]
    best = (near or by_key or ["run.mode"])[0]
    return RequestError(
        f"{where}: there is no setting {name!r}; the nearest is {best!r}. Nothing was run.", hint="gitagent config"
    )


_KEYS = ("GITAGENT_API_KEY", "GITAGENT_API_FALLBACK_KEY")


def _from_environment(environment: Mapping[str, str], known: Mapping[str, Setting]) -> dict[str, object]:
    by_variable = {setting.variable: setting for setting in known.values()}
    sections = tuple({f"GITAGENT_{name.split('.')[0].upper()}_" for name in known})
    flat: dict[str, object] = {}
    for variable, text in environment.items():
        if variable in by_variable:
            flat[by_variable[variable].name] = _from_text(by_variable[variable], text, variable)
        elif variable.startswith(sections) and variable not in _KEYS:
            near = difflib.get_close_matches(variable, by_variable, n=1, cutoff=0.0)[0]
            raise RequestError(
                f"environment: there is no setting {variable}; the nearest is {near}. Nothing was run.",
                hint="gitagent config",
            )
    return flat


def _from_text(setting: Setting, text: str, where: str) -> object:
    if setting.kind is str:
        return text
    try:
        if setting.kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        return setting.kind(text)
    except (ValueError, KeyError):
        raise RequestError(
            f"{where}: expected {_KINDS[setting.kind]}, got {text!r}. Nothing was run.", hint="gitagent config"
        ) from None


_KINDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


def _layer(config: Config, known: Mapping[str, Setting], values: Mapping[str, object], origin: str) -> Config:
    by_section: dict[str, dict[str, object]] = {}
    for name, value in values.items():
        by_section.setdefault(name.split(".")[0], {})[name.split(".")[1]] = _checked(known[name], value, origin)
    sections: dict[str, Any] = {
        section: replace(getattr(config, section), **keys) for section, keys in by_section.items()
    }
    return replace(config, **sections, origins={**config.origins, **dict.fromkeys(values, origin)})


def _checked(setting: Setting, value: object, origin: str) -> object:
    if setting.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not setting.kind:
        raise RequestError(
            f"{origin}: {setting.name}: expected {_KINDS[setting.kind]}, got {value!r}. Nothing was run.",
            hint="gitagent config",
        )
    if setting.choices and value not in setting.choices:
        raise RequestError(
            f"{origin}: {setting.name}: expected one of {', '.join(setting.choices)}, got {value!r}. "
            "Nothing was run.",
            hint="gitagent config",
        )
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not 0 <= value < float("inf"):
        raise RequestError(f"{origin}: {setting.name}: expected 0 or more, got {value!r}. Nothing was run.")
    return value
