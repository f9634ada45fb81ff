"""`gitagent demo`: the main job on a small repository made for it."""

import shutil
from pathlib import Path

import click

from gitagent.errors import RequestError

ELSEWHERE = "gitagent demo --dir SOME_NEW_DIRECTORY"


@click.command("demo")
@click.option("--dir", "directory", type=click.Path(path_type=Path), default=Path("gitagent-demo"),
              show_default=True, help="Where to make the repository; it stays there to look at.")  # fmt: skip
@click.option("--sandbox", type=click.Choice(["auto", "docker", "bubblewrap", "none"]), default="auto",
              show_default=True, help="Where its tests run.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line.")
@click.pass_context
def demo_command(ctx: click.Context, directory: Path, sandbox: str, as_json: bool) -> None:
    """Make a repository with a real bug, then fix it: no model, no account, no network."""
    from gitagent import demo
    from gitagent.cli.fix import fix_command

    try:
        if directory.exists() and any(directory.iterdir()):
            if not demo.is_ours(directory):
                raise RequestError(
                    f"{directory} is not empty and was not made by a demo. Nothing was changed.", hint=ELSEWHERE
                )
            shutil.rmtree(directory)
        directory.mkdir(parents=True, exist_ok=True)
        demo.build(directory)
    except OSError as error:
        raise RequestError(
            f"{directory} cannot be made into the demo's repository: {error.strerror}.", hint=ELSEWHERE
        ) from error
    if not as_json:
        click.echo(
            f"A repository with a bug is in {directory}: five commits, 44 tests, one of them red. Its issue:\n"
        )
        click.echo("".join(f"    {line}\n" for line in demo.issue().split("\n")))
        click.echo(f'$ gitagent fix --repo {directory} "$(cat {directory}/ISSUE.md)"\n')
    # None for the rest, so that configuration and defaults hold as they do on the command line.
    backend = None if sandbox == "auto" else sandbox
    ctx.invoke(fix_command, text=(demo.issue(),), repo=str(directory), sandbox=backend, yes=True, as_json=as_json)
