"""The command line: builds the adapters, hands them on as Ports. Only this package knows click."""

import importlib
from typing import Any

import click

from gitagent import __version__

# Name, module and one-line help of every command, so that `--help` imports none of them.
COMMANDS = {
    "fix": ("gitagent.cli.fix", "Work on a request and open a pull request."),
    "plan": ("gitagent.cli.plan", "Ask what a request leaves open, then plan it."),
    "run": ("gitagent.cli.plan", "Carry out a plan that was written down, or a command: run /name."),
    "apply": ("gitagent.cli.apply", "Apply a diff, however mangled, exactly or not at all."),
    "verify": ("gitagent.cli.verify", "Run a certificate's tests again and say whether it holds."),
    "localize": ("gitagent.cli.localize", "Rank the files or functions a request is about."),
    "ask": ("gitagent.cli.ask", "Answer a question about the code; looks, never changes."),
    "memory": ("gitagent.cli.memory", "Lasting facts about the project, for prompts."),
    "pr": ("gitagent.cli.pr", "List, show, merge or close pull requests."),
    "log": ("gitagent.cli.history", "List past runs."),
    "show": ("gitagent.cli.history", "Show a run: what was asked, planned, tried and spent."),
    "status": ("gitagent.cli.runs", "Say which runs are under way, cut short or finished."),
    "stop": ("gitagent.cli.runs", "Ask a run to stop at its next step."),
    "steer": ("gitagent.cli.steer", "Correct a run that is under way."),
    "undo": ("gitagent.cli.runs", "Take a run's branch and local pull request back."),
    "prune": ("gitagent.cli.runs", "Remove what is written down of old runs."),
    "journal": ("gitagent.cli.journal", "Push or fetch what is written down of runs."),
    "explain": ("gitagent.cli.explain", "Say which run changed a line, and why."),
    "resume": ("gitagent.cli.resume", "Go on with a run that was cut short."),
    "hook": ("gitagent.cli.hook", "Let commits ask and pushes be checked: git hooks."),
    "bot": ("gitagent.cli.bot", "The jobs of the GitHub workflow."),
    "replay": ("gitagent.cli.replay", "Ask a run's local workers again and compare the diffs."),
    "ledger": ("gitagent.cli.ledger", "What the runs cost, by worker."),
    "init": ("gitagent.cli.setup", "Write a configuration for this repository."),
    "doctor": ("gitagent.cli.doctor", "Say what is there, what is missing, and the command that mends it."),
    "demo": ("gitagent.cli.demo", "Fix a real bug in a small repository made for it."),
    "models": ("gitagent.cli.models", "List, fetch and choose local models."),
    "config": ("gitagent.cli.setup", "Print each setting and where it came from."),
    "completion": ("gitagent.cli.setup", "Print the shell completion script."),
}


class Commands(click.Group):
    """Loads a command's module when it is called; shows our own errors, lets bugs crash loudly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _told(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        from gitagent.errors import GitagentError

        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _told(error) from None
        except GitagentError as error:
            _say(str(error), error.hint)
            ctx.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted", err=True)
            ctx.exit(130)


def _told(error: click.UsageError) -> Exception:
    """The error as all of ours are told; help that was asked for by saying nothing stays help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    where = error.ctx.command_path if error.ctx else "gitagent"
    _say(f"{error.format_message()} Nothing was run.", f"{where} --help")
    return click.exceptions.Exit(error.exit_code)


def _say(error: str, hint: str) -> None:
    """Both lines; an error may quote a file, a model or what was typed, so credentials stop here."""
    from gitagent.core.secrets import redacted

    click.echo(redacted(f"error: {error}" + (f"\nhint: {hint}" if hint else "")), err=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gitagent")
def main() -> None:
    """A coding bot that lives in git: from a sentence to a proven pull request."""
