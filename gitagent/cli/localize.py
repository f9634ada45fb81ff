"""`gitagent localize`: which files and functions a request is about, without a model and without a test."""

import sys
from collections.abc import Iterable

import click

from gitagent.errors import RequestError

_MOST_BYTES = 4_000_000


@click.command("localize")
@click.argument("text", default="")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--request-file", metavar="FILE", help="Read the request from a file; `-` is standard input.")
@click.option("--rev", default="HEAD", show_default=True, help="The commit to look at.")
@click.option("--symbols", is_flag=True, help="Rank functions and classes instead of files.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many to print.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, best first: of paths, or of symbols.")
def localize_command(
    text: str, repo: str, request_file: str | None, rev: str, symbols: bool, limit: int, as_json: bool
) -> None:
    """Print the files that a request is about, best first.

    TEXT is the request, `-` for standard input. What is committed is looked at, nothing is run or changed.
    """
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.index import CodeIndex
    from gitagent.cli.printing import print_json

    request = _request(text, request_file)
    repository = GitRepository(repo)
    if rev == "HEAD":
        repository.head()  # says it best where there is no commit yet
    commit = repository.resolve(rev)
    index = CodeIndex(repository)
    try:
        if symbols:
            found = index.symbols(commit, request, most=limit)
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
            places = index.places(commit, request, most=limit)
            if as_json:
                print_json([place.path for place in places])
            else:
                _print((place.score, place.path, place.reason) for place in places)
    finally:
        index.close()


def _request(text: str, request_file: str | None) -> str:
    """The request as text. Raises RequestError if there is none, or two."""
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
        said = data.decode("utf-8", "replace")
    if not any(sign.isalnum() for sign in said):
        raise RequestError(
            "the request is empty, expected some words about what is wrong. Nothing was looked at.",
            hint='gitagent localize "what is wrong"',
        )
    return said


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
