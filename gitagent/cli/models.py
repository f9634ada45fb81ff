"""`gitagent models`: the model files on this machine."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gitagent.errors import GitagentError, RequestError


@click.group("models")
def models_command() -> None:
    """List, fetch and choose local models, and say which fit this machine."""


@models_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_models(as_json: bool) -> None:
    """List the models in the store; the one in use has a star."""
    from gitagent.adapters.llama import store

    directory = store.models_directory()
    used = _chosen()
    rows = [
        {
            "name": Path(one.path).name,
            "path": one.path,
            "size": one.size,
            "origin": one.origin,
            "sha256": one.sha256,
            "used": os.path.realpath(one.path) == os.path.realpath(used) if used else False,
        }
        for one in store.kept(directory)
    ]
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        star = "*" if row["used"] else " "
        click.echo(f"{star} {row['name']}  {_size(int(str(row['size'])))}  {row['origin'] or 'put there by hand'}")
    if used and not any(row["used"] for row in rows):
        click.echo(f"* {used}")
    if not rows:
        click.echo(f"no models in {directory}; get one with: gitagent models pull REPOSITORY FILE")


@models_command.command("pull")
@click.argument("repository")
@click.argument("file")
@click.option("--revision", default="main", show_default=True, help="Branch, tag or commit of the repository.")
@click.option("--sha256", default="", help="What the file's sha256 must be; by default what the server names.")
@click.option("--hub", envvar="HF_ENDPOINT", default="https://huggingface.co", show_default=True, help="Server.")
def pull_model(repository: str, file: str, revision: str, sha256: str, hub: str) -> None:
    """Fetch FILE (.gguf) of a Hugging Face REPOSITORY (OWNER/NAME) into the store.

    A pull that was interrupted goes on where it stopped. HF_TOKEN is used where a model needs one.
    """
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from gitagent.adapters.llama import store

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=_console()) as bar:
        task = bar.add_task(Path(file).name, total=None)
        path, header = store.pull(
            repository,
            file,
            directory=store.models_directory(),
            hub=hub.rstrip("/"),
            revision=revision,
            sha256=sha256,
            token=os.environ.get("HF_TOKEN", ""),
            progress=lambda done, total: bar.update(task, completed=done, total=total or None),
        )
    click.echo(f"{path}: {header.architecture}, trained for {header.window} tokens, {_size(header.size)}")
    click.echo(f"use it with: gitagent models use {path.name}")


@models_command.command("use")
@click.argument("name")
def use_model(name: str) -> None:
    """Make NAME (a file of the store, part of its name, or a path) the local model of all repositories."""
    from gitagent.adapters.llama import store
    from gitagent.adapters.llama.header import read_header
    from gitagent.config import user_config_path

    path = store.named(store.models_directory(), name)
    header = read_header(str(path))
    config = Path(user_config_path(os.environ))
    old = config.read_text(encoding="utf-8") if config.exists() else ""
    new = with_local_model(old, str(path))
    try:
        config.parent.mkdir(parents=True, exist_ok=True)
        part = config.with_suffix(".part")
        part.write_text(new, encoding="utf-8")
        part.replace(config)
    except OSError as error:
        raise RequestError(f"{config} cannot be written: {error.strerror}. It was not touched.") from error
    click.echo(f"{header.name or path.name} is the local model now ({config})")
    if os.environ.get("GITAGENT_LOCAL_MODEL"):
        click.echo("GITAGENT_LOCAL_MODEL is set and goes before it; unset it")


@models_command.command("doctor")
@click.option(
    "--window", type=int, default=None, help="Tokens of window to reckon with; by default as configured."
)
def check_models(window: int | None) -> None:
    """Say which models fit this machine's memory, and whether the chosen one can be used."""
    from gitagent.adapters.llama import fitting, installed, store
    from gitagent.adapters.llama.header import read_header

    window = window or 4096
    available = fitting.available_bytes()
    click.echo(f"memory that can be had: {_size(available) if available else 'unknown'}; window {window} tokens")
    for name, verdict in fitting.usual_sizes(window, available):
        click.echo(
            f"  {name:>5} in four bits  about {_size(verdict.weights + verdict.cache):>8}  {verdict.verdict}"
        )
    for needed in (installed.llama_cpp, installed.llguidance):
        _tell(lambda needed=needed: f"{needed().__name__.partition('.')[0]} is there")  # type: ignore[misc]
    used = _chosen()
    paths = [one.path for one in store.kept(store.models_directory())]
    for path in dict.fromkeys([*([used] if used else []), *paths]):

        def told(path: str = path) -> str:
            header = read_header(path)
            verdict = fitting.fit(header.size, header.cache_bytes_per_token, window, available)
            most = fitting.largest_window(header, available)
            return (
                f"{path}: {verdict.verdict}, {_size(verdict.weights + verdict.cache)}; window up to {most} tokens"
            )

        _tell(told)
    if not used:
        click.echo("no model is chosen: gitagent models use NAME")


def with_local_model(text: str, path: str) -> str:
    """A configuration file's text with `model` under `[local]` set, all else as it was.

    Raises RequestError if the text is no TOML, or its `[local]` is written in a way that is not safe to edit.
    """
    import json
    import tomllib

    lines = text.split("\n")
    setting = f"model = {json.dumps(path, ensure_ascii=False)}"
    section = ""
    place = None
    for number, line in enumerate(lines):
        bare = line.strip()
        if bare.startswith("["):
            section = bare.partition("#")[0].strip()
            if section == "[local]":
                place = (number + 1, False)
        elif section == "[local]" and bare.partition("=")[0].strip() == "model":
            place = (number, True)
            break
    if place is None:
        joined = text.rstrip("\n")
        new = f"{joined}\n\n[local]\n{setting}\n" if joined else f"[local]\n{setting}\n"
    else:
        at, replaces = place
        lines[at : at + replaces] = [setting]
        new = "\n".join(lines)
    try:
        before, after = tomllib.loads(text), tomllib.loads(new)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(
            f"your configuration is not understood: {error}. It was not touched.",
            hint=f"put under [local]:  {setting}",
        ) from error
    before.setdefault("local", {})["model"] = path
    if after != before:
        raise RequestError(
            "your configuration has its [local] in an unusual form. It was not touched.",
            hint=f"set there:  {setting}",
        )
    return new


def _chosen() -> str:
    """The model that a run would use, "" if none; no repository can choose it."""
    import tomllib

    from gitagent.config import user_config_path

    if named := os.environ.get("GITAGENT_LOCAL_MODEL"):
        return named
    try:
        with open(user_config_path(os.environ), "rb") as file:
            model = tomllib.load(file).get("local", {}).get("model", "")
    except (OSError, tomllib.TOMLDecodeError):
        return ""
    return str(model)


def _tell(check: Callable[[], str]) -> None:
    try:
        click.echo(check())
    except GitagentError as error:
        click.echo(f"{error}" + (f"\n  hint: {error.hint}" if error.hint else ""))


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True)
