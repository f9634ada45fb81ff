"""`gitagent hook`: commits that ask, pushes that are checked. The hooks themselves are the sh files of `hooks/`."""

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from gitagent.cli.printing import one_line
from gitagent.errors import GitagentError

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository

_ABOUT = {
    "commit-msg": "refuses a `Gitagent:` trailer that would not be understood",
    "post-commit": "a trailer `Gitagent: fix …` starts a run in the background",
    "pre-push": "red tests offer a fix and do not push",
}
_MOST_NAMED = 10

_repo = click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")


@click.group()
def hook_command() -> None:
    """Let commits ask and pushes be checked: git hooks.

    A commit whose message ends with a trailer `Gitagent: fix what is wrong` starts a run on it in the background.
    Hooks do nothing in CI, during a rebase or merge, and where the environment has GITAGENT_HOOKS=0.
    """


@hook_command.command("install")
@click.option("--pre-push", "pre_push", is_flag=True, help="Also run the tests before a push; red ones stop it.")
@_repo
def install_command(pre_push: bool, repo: str) -> None:
    """Install the hooks; hooks that are there already go on working, before ours."""
    from gitagent.adapters import git_hooks
    from gitagent.adapters.git import GitRepository

    directory = git_hooks.hooks_directory(GitRepository(repo))
    for name in git_hooks.NAMES:
        if name == "pre-push" and not pre_push:
            continue
        before = git_hooks.install(directory, name)
        how = {
            "missing": "",
            "installed": ", as before",
            "outdated": ", anew",
            "other": ", after the one there was",
        }
        click.echo(f"{name}: installed{how[before]}: {_ABOUT[name]}")


@hook_command.command("uninstall")
@_repo
def uninstall_command(repo: str) -> None:
    """Take our hooks away; those that were there before are back in their place."""
    from gitagent.adapters import git_hooks
    from gitagent.adapters.git import GitRepository

    repository = GitRepository(repo)
    directory = git_hooks.hooks_directory(repository)
    gone = [name for name in git_hooks.NAMES if git_hooks.uninstall(directory, name)]
    git_hooks.forget_logs(repository)
    click.echo(f"uninstalled: {', '.join(gone)}" if gone else "no hook of ours was installed")


@hook_command.command("status")
@_repo
def status_command(repo: str) -> None:
    """Say which hooks are installed, and where."""
    from gitagent.adapters import git_hooks
    from gitagent.adapters.git import GitRepository

    directory = git_hooks.hooks_directory(GitRepository(repo))
    words = {
        "missing": "not installed",
        "other": "not installed; another hook is there",
        "outdated": "installed by another version or interpreter; gitagent hook install renews it",
    }
    click.echo(f"hooks in {one_line(str(directory))}")
    for name in git_hooks.NAMES:
        state = git_hooks.state_of(directory, name)
        chained = " (after the one there was)" if (directory / (name + git_hooks.EARLIER)).exists() else ""
        click.echo(f"{name:11}  {words.get(state, 'installed' + chained)}")


@hook_command.command("run", hidden=True)
@click.argument("name", type=click.Choice(["post-commit", "pre-push"]))
@click.pass_context
def run_command(ctx: click.Context, name: str) -> None:
    """What the installed hooks call."""
    from gitagent.adapters import git_hooks
    from gitagent.adapters.git import GitRepository

    repository = GitRepository(".")
    if git_hooks.in_progress(repository):
        return
    if name == "post-commit":
        _after_commit(repository)
    else:
        ctx.exit(_before_push(repository))


def _after_commit(repository: "GitRepository") -> None:
    from gitagent.core import intake

    oid = repository.head().oid
    if intake.TRAILER.search(repository.message(oid)):
        _start(repository, oid, ["--commit", oid])


def _start(repository: "GitRepository", oid: str, asking: list[str]) -> None:
    """A run of its own, in a session of its own, that outlives the hook."""
    from gitagent.adapters import git_hooks
    from gitagent.adapters.git_worktrees import outside_hooks
    from gitagent.cli.building import config_for

    environment = outside_hooks()
    if not config_for(repository, {}).hook.publish:
        environment["GITAGENT_FORGE_NAME"] = "local"
    log = git_hooks.log_for(repository, oid)
    with log.open("ab") as out:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "gitagent", "fix", *asking, "--yes"],
            cwd=repository.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    click.echo(f"gitagent: at work in the background on {oid[:12]}; what it says: {log}", err=True)


def _before_push(repository: "GitRepository") -> int:
    """0 to let the push go on, 1 if a test is red on what would be pushed."""
    from gitagent import checking
    from gitagent.cli import building
    from gitagent.events import Stream

    for name in _pushed_commits():
        oid = repository.resolve(name)
        try:
            config = building.config_for(repository, {})
            run = checking.check(
                repository,
                building.sandbox_for(repository, config, Stream()),
                oid,
                test_command=config.tests.command,
                limits=config.sandbox_limits(),
            )
        except GitagentError as error:
            click.echo(f"gitagent: the tests of {oid[:12]} were not run, and the push goes on: {error}", err=True)
            continue
        red = run.having("failed", "error")
        if run.state == "inconclusive":
            reason = one_line(run.reason)
            click.echo(f"gitagent: the tests of {oid[:12]} could not tell ({reason}); the push goes on", err=True)
        elif run.state == "failed":
            _offer(repository, oid, red)
            return 1
    return 0


def _pushed_commits() -> list[str]:
    """The commits of branches that a push would send, ours left out. pre-commit tells one in the environment."""
    told = os.environ.get("PRE_COMMIT_TO_REF") or os.environ.get("PRE_COMMIT_LOCAL_BRANCH")
    if told:
        return [told]
    lines = [line.split() for line in sys.stdin.read(1 << 20).split("\n")]
    found = [
        line[1] for line in lines
        if len(line) == 4 and line[2].startswith("refs/heads/") and not line[2].startswith("refs/heads/gitagent/")
    ]  # fmt: skip
    return [oid for oid in dict.fromkeys(found) if oid.strip("0")]


def _offer(repository: "GitRepository", oid: str, red: tuple[str, ...]) -> None:
    click.echo(f"error: {len(red)} of the tests of {oid[:12]} fail. Nothing was pushed.", err=True)
    for test in red[:_MOST_NAMED]:
        click.echo(f"  {one_line(test, 110)}", err=True)
    if len(red) > _MOST_NAMED:
        click.echo(f"  and {len(red) - _MOST_NAMED} more", err=True)
    named = [word for test in red[:_MOST_NAMED] for word in ("--test", test)]
    asking = ["--base", oid, *named]
    if _is_wanted():
        _start(repository, oid, asking)
    else:
        shown = one_line(" ".join(shlex.quote(word) for word in asking))
        click.echo(f"hint: gitagent fix {shown}   (git push --no-verify pushes all the same)", err=True)


def _is_wanted() -> bool:
    """Whether somebody at the terminal says yes; a hook's own input is what git tells it."""
    try:
        with open("/dev/tty", "r+b", buffering=0) as terminal:
            terminal.write(b"gitagent: work on a fix in the background? [y/N] ")
            return terminal.readline(100).strip().lower() in (b"y", b"yes")
    except OSError:
        return False
