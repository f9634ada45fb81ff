"""`gitagent ask`: a question about the code, answered by a model that may look and never change."""

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import click

from gitagent.errors import RepositoryError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitagent.adapters.git import GitRepository
    from gitagent.config import Config
    from gitagent.core.asking import Call
    from gitagent.events import Stream
    from gitagent.ports import Model
    from gitagent.records import Note


@click.command("ask")
@click.argument("question", nargs=-1)
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--rev", metavar="REV", help="The commit to look at.  [default: HEAD]")
@click.option("--local", "mode", flag_value="local", help="Nothing leaves this machine.  [default]")
@click.option("--api", "mode", flag_value="api", help="Ask the configured endpoint.")
@click.option("--allow", multiple=True, metavar="TOOL[/PREFIX]",
              help="Run these calls unasked, beside ask.allow; repeatable: 'bash/pytest -q'.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1, 40), help="Steps to an answer.  [default: 40]")
@click.option("--sandbox", type=click.Choice(["auto", "docker", "bubblewrap", "none"]), help="Where bash runs.")
@click.option("--continue", "goes_on", is_flag=True, help="Go on from the last questions and answers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line (docs/events.md).")
@click.pass_context
def ask_command(
    ctx: click.Context,
    question: tuple[str, ...],
    repo: str,
    rev: str | None,
    mode: str | None,
    allow: tuple[str, ...],
    steps: int | None,
    sandbox: str | None,
    goes_on: bool,
    as_json: bool,
) -> None:
    """Answer a QUESTION about the code of a commit; `-` reads it from standard input.

    The model reads files, greps, runs read-only git, and commands in a sandbox; each call is approved by a rule
    (ask.allow, --allow) or by you. What is committed is looked at, and nothing of it is changed.
    """
    from gitagent.adapters.asking_tools import LookingTools
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_memory import GitMemory
    from gitagent.asking import Asker
    from gitagent.budgets import Budget
    from gitagent.cli import building
    from gitagent.cli.view import JsonLines, LiveView
    from gitagent.core import asking, intake, ledger
    from gitagent.core.memory import Turn
    from gitagent.events import Stream

    text = " ".join(question)
    if text == "-":
        text = sys.stdin.buffer.read(4 * intake.MAX_CHARACTERS + 4).decode("utf-8", "replace")
    if not text.strip():
        raise RequestError(
            "nothing was asked, expected a question. Nothing was run.", hint='gitagent ask "where is … decided?"'
        )
    repository = GitRepository(repo)
    flags = {"run.mode": mode, "sandbox.backend": sandbox, "ask.steps": steps}
    config = building.config_for(repository, flags)
    rules = asking.rules(",".join([config.ask.allow, *allow]))
    head = repository.head()
    commit = repository.resolve(rev or head.oid)
    asked = intake.request(text, source="text", base=commit).text
    # Lines alone: a moving one would write over the question whether a call may run.
    reader = JsonLines(sys.stdout) if as_json else LiveView(sys.stderr, terminal=False)
    stream = Stream(reader)
    budget = Budget(config.limits())
    stream.add(budget.heard)
    with contextlib.closing(reader), building.booked(repository, budget):
        model = _model(config, stream, budget.check)
        with LookingTools(
            repository, commit, lambda: building.sandbox_for(repository, config, stream), config.sandbox_limits()
        ) as tools:
            asker = Asker(
                model,
                tools,
                stream,
                approve=Approval(rules).approves,
                budget=budget,
                most_steps=min(max(config.ask.steps, 1), asking.MOST_STEPS),
                tight=config.run.mode != "api",
            )
            outcome = asker.answer(asked, _notes(repository, commit, goes_on=goes_on))
    if not outcome.answer:
        raise RequestError(
            f"the question was not answered: {outcome.reason}. Nothing was changed.",
            hint="ask for less at once, or with a stronger model: --api",
        )
    with contextlib.suppress(RepositoryError):  # the answer is worth more than its record
        GitMemory(repository).asked(Turn(question=asked, answer=outcome.answer))
    if not as_json:
        from gitagent.cli.printing import harmless
        from gitagent.core.secrets import redacted

        click.echo(harmless(redacted(outcome.answer)))
        spent, steps = ledger.total(budget.ledger), len(outcome.steps)
        tokens, took = spent.prompt_tokens + spent.answer_tokens, f"{steps} step{'' if steps == 1 else 's'}"
        cost = f"{took}, {tokens:,} tokens, ${spent.dollars:.4f}, {ledger.share_in_words(budget.ledger)}"
        click.echo(f"· {cost}", err=True)


def _notes(repository: "GitRepository", commit: str, *, goes_on: bool) -> "tuple[Note, ...]":
    """What the repository's instructions say, what is known of the project, and what was asked before."""
    from gitagent.adapters.git_memory import GitMemory
    from gitagent.cli import building
    from gitagent.core import instructions, memory
    from gitagent.core.microtasks import estimate
    from gitagent.tree import Tree

    tree = Tree(repository, commit)
    said = instructions.notes("", tree.shown, budget_tokens=instructions.WORKER_TOKENS, count=estimate)
    turns = GitMemory(repository).turns() if goes_on else ()
    before = memory.recent(turns, budget_tokens=memory.TURNS_TOKENS, count=estimate)
    return (*said, *building.remembered(repository), *before)


class Approval:
    """Asks at the terminal about each call that no rule covers; where nobody can be asked, the answer is no."""

    def __init__(self, rules: "tuple[tuple[str, tuple[str, ...]], ...]") -> None:
        self._rules = rules

    def approves(self, call: "Call") -> bool:
        from gitagent.cli.printing import harmless
        from gitagent.core.asking import is_allowed

        if is_allowed(call, self._rules):
            return True
        if not (os.isatty(0) and os.isatty(2)):
            return False
        if call.thought:
            click.echo(f"  {harmless(call.thought)}", err=True)
        click.echo(f"  {call.tool}: {harmless(call.input)}", err=True)
        said = click.prompt(
            "Run it? (y)es, (n)o, (a)lways this tool",
            type=click.Choice(["y", "n", "a"]),
            default="n",
            show_choices=False,
            err=True,
        )
        if said == "a":
            self._rules += ((call.tool, ()),)
        return bool(said != "n")


def _model(config: "Config", stream: "Stream", check: "Callable[[], None]") -> "Model":
    """The endpoint's model, or the local one. Raises RequestError if none is set."""
    from gitagent.cli import building

    if config.run.mode == "api":
        clock = building.clock_for(config, stream)
        return building.asked_model(config, building.api_model(config, clock.left), stream, clock, check=check)
    if not config.local.model:
        raise RequestError(
            "a question needs a model, and none is set. Nothing was run.",
            hint="gitagent models list, or gitagent ask --api … with an endpoint",
        )
    return building.local_model(config, stream)
