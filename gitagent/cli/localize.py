"""`gitagent localize`: which files and functions a request or a failing test is about, without a model."""

import codecs
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from gitagent.cli.sandboxing import sandbox_options, settings
from gitagent.errors import RequestError

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.config import Config
    from gitagent.records import Shown, TestRun

_MOST_BYTES = 4_000_000


@click.command("localize")
@click.argument("text", default="")
@click.option("--test", "tests", metavar="NODEID", multiple=True, help="A failing test that shows it; repeatable.")
@click.option("--tests", "all_tests", is_flag=True, help="Run all tests, and take those that fail.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--request-file", metavar="FILE", help="Read the request from a file; `-` is standard input.")
@click.option("--rev", default="HEAD", show_default=True, help="The commit to look at.")
@click.option("--symbols", is_flag=True, help="Rank functions and classes instead of files.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many to print.")
@sandbox_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, best first: of paths, or of symbols.")
def localize_command(
    text: str,
    tests: tuple[str, ...],
    all_tests: bool,
    repo: str,
    request_file: str | None,
    rev: str,
    symbols: bool,
    limit: int,
    sandbox: str | None,
    image: str | None,
    python: str | None,
    test_command: str | None,
    as_json: bool,
) -> None:
    """Print the files that a request is about, best first.

    TEXT is the request, `-` for standard input; with a failing test there need not be one. What is committed is
    looked at and nothing is changed; only with --test or --tests anything is run, in a sandbox.
    """
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.index import CodeIndex
    from gitagent.cli import building
    from gitagent.cli.printing import print_json

    if tests and all_tests:
        raise RequestError(
            "--test and --tests exclude each other, expected one. Nothing was run.",
            hint="gitagent localize --test NODEID",
        )
    request = _request(text, request_file, tested=bool(tests) or all_tests)
    repository = GitRepository(repo)
    if rev == "HEAD":
        repository.head()  # says it best where there is no commit yet
    commit = repository.resolve(rev)
    shown = None
    if tests or all_tests:
        config = building.config_for(repository, settings(sandbox, image, python, test_command))
        shown = _shown(repository, config, commit, tests, request)
    index = CodeIndex(repository)
    try:
        if symbols:
            found = index.symbols(commit, request, most=limit, shown=shown)
            _tell_lacking(index.lacking)
            if as_json:
                print_json(
                    [
                        {
                            "path": span.path,
                            "name": span.name,
                            "first_line": span.first_line,
                            "last_line": span.last_line,
                            "score": score,
                        }
                        for span, score in found
                    ]
                )
            else:
                _print((score, f"{span.path}:{span.first_line}", span.name) for span, score in found)
        else:
            places = index.places(commit, request, most=limit, shown=shown)
            _tell_lacking(index.lacking)
            if as_json:
                print_json([place.path for place in places])
            else:
                _print((place.score, place.path, place.reason) for place in places)
    finally:
        index.close()


def _shown(
    repository: "GitRepository", config: "Config", commit: str, tests: tuple[str, ...], request: str
) -> "Shown":
    """What the failing tests show. Raises RequestError if none fails and nothing else was asked."""
    from gitagent.cli import building
    from gitagent.cli.carrying import ended_by_signals
    from gitagent.cli.printing import one_line
    from gitagent.events import Noted, Stream
    from gitagent.witnessing import Witness

    def noted(event: object) -> None:
        if isinstance(event, Noted):
            click.echo(one_line(event.text), err=True)

    def told(run: "TestRun") -> None:
        click.echo(f"tests: {one_line(run.reason)} in {run.seconds:.1f} s", err=True)

    with ended_by_signals():
        witness = Witness(
            repository,
            building.sandbox_for(repository, config, Stream(noted)),
            config.sandbox_limits(),
            configured=config.tests.command,
            told=told,
        )
        found = witness.asked(commit, tests, request)
    if not found.red:
        if not request:
            raise RequestError(
                f"no test fails at {commit[:12]}, and nothing else was asked. Nothing was ranked.",
                hint='gitagent localize "what is wrong"',
            )
        click.echo("no test fails there, so the request's words decide alone", err=True)
    elif not found.coverage:
        click.echo("what the tests ran cannot be told, so their words and tracebacks count alone", err=True)
    return found.shown


def _request(text: str, request_file: str | None, *, tested: bool) -> str:
    """The request as text, which may be empty where it is `tested`. Raises RequestError if there is none, or two."""
    if text and request_file:
        raise RequestError("a request and --request-file exclude each other, expected one. Nothing was looked at.")
    said = text
    source = request_file or ("-" if text == "-" else "")
    if source:
        try:
            if source == "-":
                data = sys.stdin.buffer.read(_MOST_BYTES)
            else:
                with open(source, "rb") as file:
                    data = file.read(_MOST_BYTES)
        except OSError as error:
            raise RequestError(
                f"{source}: cannot be read ({error.strerror}), expected a text file. Nothing was looked at.",
                hint="gitagent localize - < FILE",
            ) from error
        # Some shells of Windows write UTF-16 when they redirect.
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        said = data.decode("utf-16" if wide else "utf-8-sig", "replace")
    if not any(sign.isalnum() for sign in said):
        if tested:
            return ""
        raise RequestError(
            "the request is empty, expected some words about what is wrong. Nothing was looked at.",
            hint='gitagent localize "what is wrong", or --test NODEID',
        )
    return said


def _tell_lacking(files: int) -> None:
    if files:
        said = "1 file is" if files == 1 else f"{files:,} files are"
        click.echo(f"{said} not in this partial clone, and not looked at", err=True)
        click.echo("hint: git fetch --refetch --no-filter", err=True)


def _print(rows: Iterable[tuple[float, str, str]]) -> None:
    """Score, place and words, a line each; one line that says so where nothing was found."""
    from gitagent.cli.printing import one_line

    found = [(f"{score:.2f}", one_line(place), one_line(words)) for score, place, words in rows]
    if not found:
        click.echo("nothing in the commit shares a word with the request", err=True)
        return
    width = min(max(len(place) for _, place, _ in found), 70)
    for score, place, words in found:
        click.echo(f"{score}  {place.ljust(width)}  {words}".rstrip())
