"""`gitagent run /name`: commands in files, those of the package and those of the repository."""

import os
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitagent.cli.printing import harmless
from gitagent.core import instructions
from gitagent.core.instructions import Command
from gitagent.core.secrets import redacted
from gitagent.errors import RequestError

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository

# Where `fix` looks for how complex the asker's command says the work is.
COMPLEXITY = "gitagent.complexity"
MOST_FILES = 200


def commands(repository: "GitRepository") -> tuple[dict[str, Command], dict[str, RequestError]]:
    """Every command by name, as the files are now; the repository's own take the place of the package's.

    And what is wrong with each file that is none, or would turn a question into a change, by the name it would have.
    """
    found = {one.name: one for one in _packaged()}
    wrong: dict[str, RequestError] = {}
    for path, text in _of_repository(repository):
        try:
            one = instructions.command(path, text)
        except RequestError as error:
            wrong[instructions.name_of(path)] = error
            continue
        known = found.get(one.name)
        if known is not None and known.asks and not one.asks:
            wrong[one.name] = RequestError(
                f"{path}: /{one.name} is a question and changes nothing; a repository cannot make it more. "
                "Nothing was run.",
                hint=f"give the command in {path} another name",
            )
            continue
        found[one.name] = one
    return found, wrong


def run(ctx: click.Context, name: str, rest: Sequence[str]) -> None:
    """Run a command with these words and options: those of `gitagent fix`, or of `gitagent ask` for a question."""
    from gitagent.adapters.git import GitRepository
    from gitagent.cli.ask import ask_command
    from gitagent.cli.fix import fix_command

    known, wrong = commands(GitRepository(_repo_of(rest)))
    if name in wrong:
        raise wrong[name]
    for problem in wrong.values():
        click.echo(f"! left out: {harmless(redacted(str(problem))).removesuffix(' Nothing was run.')}", err=True)
    if not name:
        for one in known.values():
            click.echo(f"/{one.name:<12} {one.description}".rstrip())
        return
    chosen = known.get(name)
    if chosen is None:
        raise RequestError(
            f"there is no command /{name[:40]}, expected one of {', '.join(f'/{one}' for one in sorted(known))}. "
            "Nothing was run.",
            hint="gitagent run /",
        )
    target, field = (ask_command, "question") if chosen.asks else (fix_command, "text")
    with target.make_context(f"run /{name}", list(rest), parent=ctx.parent) as inner:
        inner.params[field] = (chosen.request(inner.params[field]),)
        inner.meta[COMPLEXITY] = chosen.complexity
        target.invoke(inner)


def _packaged() -> Iterator[Command]:
    for file in sorted(resources.files("gitagent").joinpath("commands").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".md"):
            yield instructions.command(file.name, file.read_text("utf-8"))


def _of_repository(repository: "GitRepository") -> Iterator[tuple[str, str]]:
    """Path and text of the repository's commands, from the working copy; a bare repository's from HEAD."""
    if repository.git.workdir is None:
        for entry in repository.entries(repository.head().oid):
            if (
                entry.path.startswith(instructions.FOLDER)
                and entry.path.endswith(".md")
                and entry.mode == 0o100644
            ):
                yield entry.path, repository.read(entry.oid).decode("utf-8", "replace")
        return
    folder = Path(repository.git.workdir, instructions.FOLDER)
    if os.path.realpath(folder) != os.path.join(os.path.realpath(repository.git.workdir), *folder.parts[-2:]):
        return  # a link that leads elsewhere
    for file in sorted(folder.glob("*.md"))[:MOST_FILES]:
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as opened:
                data = opened.read(4 * instructions.MOST_CHARACTERS)
            yield instructions.FOLDER + file.name, data.decode("utf-8", "replace")


def _repo_of(rest: Sequence[str]) -> str:
    """What `--repo` says among a command's words, "." if nothing."""
    for at, word in enumerate(rest):
        if word == "--repo" and at + 1 < len(rest):
            return rest[at + 1]
        if word.startswith("--repo="):
            return word.removeprefix("--repo=")
    return "."
