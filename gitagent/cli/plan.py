"""`gitagent plan` and `gitagent run`: questions before code, a plan as data, and what people made of it carried out."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitagent.cli.printing import harmless, one_line
from gitagent.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitagent.core.questioning import Answered, Question
    from gitagent.events import Stream
    from gitagent.ports import Forge, Index, Model
    from gitagent.questions import Interviewer
    from gitagent.records import Plan, Request
    from gitagent.tree import Tree

# Questions are open and nobody is there to answer them.
EXIT_QUESTIONS = 10
QUESTIONS = "questions"
GO = frozenset(("go", "g", "go!", "go on", "start", "ok go"))


@click.command("plan")
@click.argument("text", nargs=-1)
@click.option("--issue", type=click.IntRange(min=1), help="Plan what this issue of the forge asks.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--base", metavar="REV", help="Commit to plan for.  [default: HEAD]")
@click.option("--local", "mode", flag_value="local", help="Nothing leaves this machine.  [default]")
@click.option("--api", "mode", flag_value="api", help="The configured endpoint asks and plans.")
@click.option("--out", metavar="FILE", type=click.Path(), help="Write the plan as TOML; - is standard output.")
@click.option("--yes", is_flag=True, help="Answer no questions: the plan says what was assumed.")
@click.pass_context
def plan_command(
    ctx: click.Context,
    text: tuple[str, ...],
    issue: int | None,
    repo: str,
    base: str | None,
    mode: str | None,
    out: str | None,
    yes: bool,
) -> None:
    """Ask what a request leaves open, then plan it. Nothing is run and no code is written.

    In a terminal one question is asked at a time: answer it, press Enter to leave it to the assumption that is shown,
    or say go. Without a terminal all questions are printed, and the exit code is 10.

    Exit code 0: there is a plan. 10: questions are open. 2 to 7: see docs/cli.md.
    """
    if bool(text) == (issue is not None):
        raise RequestError(
            "expected TEXT or --issue, one of them. Nothing was run.", hint='gitagent plan "what is to be done"'
        )
    if out not in (None, "-") and os.path.exists(str(out)):
        raise RequestError(
            f"{out} exists already. Nothing was planned.", hint=f"mv {out} {out}.old, or another --out"
        )
    if out not in (None, "-") and not os.access(Path(str(out)).parent, os.W_OK):
        raise RequestError(
            f"{out} cannot be written: {Path(str(out)).parent} is no folder to write in. Nothing was planned.",
            hint="gitagent plan … --out -",
        )
    from gitagent import finding
    from gitagent.adapters.git import GitRepository
    from gitagent.budgets import Budget
    from gitagent.cli import building, forges, view
    from gitagent.core import intake, questioning
    from gitagent.events import Stream
    from gitagent.tree import Tree

    repository = GitRepository(repo)
    config = building.config_for(repository, {"run.mode": mode} if mode else {})
    start = repository.resolve(base or repository.head().oid)
    forge = forges.forge_for(repository, config) if issue is not None else None
    said: tuple[str, ...] | None = ()
    if issue is not None and forge is not None:
        words, asked_by = forge.issue(issue)
        request = intake.request(words, source="issue", base=start, reference=str(issue), asked_by=asked_by)
    else:
        request = intake.request(" ".join(text), source="text", base=start)
    if issue is not None and not yes and (said := _said_on(forge, issue)):
        request = questioning.heard(request, _asked_on(forge, issue), [intake.clean(one) for one in said])
    stream = Stream(view.LiveView(sys.stderr, terminal=False))
    budget = Budget(config.limits())
    stream.add(budget.heard)
    ctx.with_resource(building.booked(repository, budget))
    index = building.index_for(repository)
    tree = Tree(repository, start)
    findings = finding.by_words(request, tree, index)
    model = building.planning_model(config, stream)
    answered: list[Answered] = []
    if model is None:
        click.echo("no model is set up: nobody asks back, and the plan names places only", err=True)
    elif not said or yes:
        interviewer = asking(model, stream, index, request, tight=config.run.mode != "api")
        if issue is not None and not yes and forge is not None and forge.name != "local":
            if said is None and (asks := interviewer.all(request)):
                _post(forge, issue, asks)
                said = ()
            if said is not None:
                click.echo(
                    f"questions wait on issue {issue}; once they are answered: gitagent plan --issue {issue}",
                    err=True,
                )
                ctx.exit(EXIT_QUESTIONS)
        elif yes:
            answered = [questioning.Answered(question=one) for one in interviewer.all(request)]
        elif os.isatty(0):
            answered = _asked_back(interviewer, request)
        elif questions := interviewer.all(request):
            for number, question in enumerate(questions, 1):
                click.echo(_shown(number, question))
            click.echo("hint: answer in the request itself, or say --yes to plan on these assumptions", err=True)
            ctx.exit(EXIT_QUESTIONS)
    settled = questioning.settled(request, answered)
    plan = building.planner_for(config, model, stream, index).plan(settled, findings, tree.shown)[0]
    request = questioning.told(request, answered)
    plan = replace(plan, assumptions=tuple(dict.fromkeys((*questioning.assumed(answered), *plan.assumptions))))
    _warn(plan, tree, stream)
    if out is None:
        click.echo(table(plan))
        click.echo("hint: --out plan.toml writes it down, gitagent run plan.toml carries it out", err=True)
        return
    from gitagent.adapters.plan_files import text_of

    written = text_of(plan, request, "plan.toml" if out == "-" else out)
    if out == "-":
        click.echo(written, nl=False)
        return
    _write(Path(out), written)
    click.echo(table(plan), err=True)
    click.echo(f"{out} holds the plan; edit it, then: gitagent run {out}", err=True)


@click.command("run", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run_command(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Carry out a plan that was written down, PLAN.toml, or a command, /NAME, with the options of gitagent fix."""
    from gitagent.cli.fix import fix_command

    if not arguments or arguments[0] in ("-h", "--help"):
        click.echo(
            "Usage: gitagent run PLAN.toml [OPTIONS]\n       gitagent run /NAME [WORDS]... [OPTIONS]\n\n"
            "  Carry out a plan that was written down, or a command of .gitagent/commands or the package;\n"
            "  gitagent run / lists the commands. The options are those of gitagent fix."
        )
        return
    file, *options = arguments
    if file.startswith("/") and "/" not in file[1:] and not file.endswith(".toml"):
        from gitagent.cli import commanding

        commanding.run(ctx, file[1:], options)
        return
    if file.startswith("-"):
        raise RequestError(
            f"expected the plan's file first, got {file}. Nothing was run.",
            hint="gitagent run plan.toml --dry-run",
        )
    with fix_command.make_context("run", [*options, "--plan", file], parent=ctx.parent) as inner:
        fix_command.invoke(inner)


def read_plan(file: str) -> str:
    """A plan file's text, at most what may be one, credentials taken out. Raises RequestError if it cannot be read."""
    from gitagent.core.plan_files import LONGEST
    from gitagent.core.secrets import redacted

    try:
        with open(file, encoding="utf-8-sig") as opened:  # some editors begin with a mark of the byte order
            return redacted(opened.read(LONGEST + 1))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise RequestError(
            f"{file} cannot be read: {why}. Nothing was run.", hint='gitagent plan "…" --out plan.toml'
        ) from error


def table(plan: "Plan") -> str:
    """A plan for a person: a line a task, in the order they are done."""
    rows = []
    for task in plan.tasks:
        last = task.first_line + max(task.excerpt.count("\n"), 1) - 1
        place = (
            task.path
            + (f":{task.first_line}-{last}" if task.excerpt else "")
            + (f" → {task.to}" if task.to else "")
        )
        after = f"after {', '.join(task.depends_on)}" if task.depends_on else ""
        rows.append((task.id, task.action, one_line(place, 60), after, one_line(task.instruction, 72)))
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    lines = [
        "  ".join([*(cell.ljust(widths[at]) for at, cell in enumerate(row[:4])), row[4]]).rstrip() for row in rows
    ]
    kind = (
        "the first that the tests accept is enough"
        if plan.mode == "any" and len(rows) > 1
        else "all of it is needed"
    )
    head = f"{one_line(plan.summary, 200)}  (by {one_line(plan.planner, 40)}; {kind})"
    return "\n".join([head, *lines, *(f"assumed: {one_line(line, 300)}" for line in plan.assumptions)])


def approval(*, yes: bool) -> "Callable[[Callable[[], None]], Callable[[Plan], bool]]":
    """What asks about a plan at the terminal, given what makes room there; with `yes` plans are only shown."""
    if not yes and not os.isatty(0):
        raise RequestError(
            "--approve-plan needs your word, and nobody can be asked here. Nothing was run.",
            hint="gitagent fix --approve-plan --yes …, or gitagent plan … --out plan.toml",
        )

    def asking(make_room: "Callable[[], None]") -> "Callable[[Plan], bool]":
        def approves(plan: "Plan") -> bool:
            make_room()
            click.echo(table(plan), err=True)
            try:
                return yes or click.confirm("Carry this plan out?", err=True)
            except click.Abort:  # Ctrl-C, or no more input: neither is a no
                raise KeyboardInterrupt from None

        return approves

    return asking


def _warn(plan: "Plan", tree: "Tree", stream: "Stream") -> None:
    """Say which files of a plan a run would leave alone."""
    from gitagent.events import Noted

    for path in dict.fromkeys(path for task in plan.tasks for path in (task.path, task.to) if path):
        if reason := tree.refusal(path):
            stream(Noted(level="warning", text=f"{path} {reason}: a run leaves it alone"))


def _said_on(forge: "Forge | None", issue: int) -> tuple[str, ...] | None:
    """What was answered to our questions on an issue, None if nothing was asked there."""
    from gitagent.adapters.github_bot import GitHubBot

    return forge.answers(issue, QUESTIONS) if isinstance(forge, GitHubBot) else ()


def _asked_on(forge: "Forge | None", issue: int) -> str:
    """The comment on an issue that holds our questions."""
    from gitagent.adapters.github_bot import GitHubBot

    comment = forge.comment(issue, QUESTIONS) if isinstance(forge, GitHubBot) else None
    return comment.body if comment else ""


def _post(forge: "Forge", issue: int, questions: "Sequence[Question]") -> None:
    from gitagent.adapters.github_bot import GitHubBot

    if isinstance(forge, GitHubBot):
        forge.say(issue, QUESTIONS, comment_of(questions))


def comment_of(questions: "Sequence[Question]") -> str:
    """The questions as one comment."""
    from gitagent.core.messages import code

    lines = [
        f"{number}. **{one_line(one.kind)}**: {code(one.text, limit=400)}"
        + (f"\n   otherwise assumed: {code(one.assumed, limit=300)}" if one.assumed else "")
        for number, one in enumerate(questions, 1)
    ]
    return "Before this is planned, please say (in a comment, in any words):\n\n" + "\n".join(lines)


def asking(model: "Model", stream: "Stream", index: "Index", request: "Request", *, tight: bool) -> "Interviewer":
    """Who asks back about a request; a `tight` one's model is held to its schema token by token."""
    from gitagent.questions import Interviewer
    from gitagent.records import Message, Note

    def count(said: str) -> int:
        return model.count((Message(role="user", content=said),))

    mapped = index.repository_map(
        request.base, request.text, budget_tokens=min(400, model.window // 10), count=count
    )
    notes = (Note(title="The repository", text=mapped),) if mapped else ()
    return Interviewer(model, stream, notes=notes, tight=tight)


def _asked_back(interviewer: "Interviewer", request: "Request") -> "list[Answered]":
    """One question at a time, until it is clear, the user says go, or enough was asked."""
    from gitagent.core.intake import clean
    from gitagent.core.questioning import MOST_QUESTIONS, Answered

    answered: list[Answered] = []
    while len(answered) < MOST_QUESTIONS:
        question = interviewer.next(request, answered)
        if question is None:
            break
        click.echo(f"\n{_shown(len(answered) + 1, question)}", err=True)
        said = click.prompt("answer (Enter: as assumed, go: plan now)", default="", show_default=False, err=True)
        said = clean(said)[:2000]
        goes = said.lower().strip(" .") in GO
        answered.append(Answered(question=question, answer="" if goes else said))
        if goes:
            break
    return answered


def _shown(number: int, question: "Question") -> str:
    lines = [f"{number}. ({one_line(question.kind)}) {harmless(question.text)}"]
    return "\n".join([*lines, *([f"   assumed: {harmless(question.assumed)}"] if question.assumed else [])])


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RequestError(
            f"{path} cannot be written: {error.strerror}.", hint="gitagent plan … --out -"
        ) from error
