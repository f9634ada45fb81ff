"""Plans written as TOML, through tomlkit; `core/plan_files` reads them."""

import tomlkit

from gitagent.core import plan_files
from gitagent.core.secrets import redacted
from gitagent.core.texts import lines_of
from gitagent.errors import RequestError
from gitagent.records import MicroTask, Plan, Request


def text_of(plan: Plan, request: Request, file: str) -> str:
    """The plan as a file people may edit, credentials taken out. Raises RequestError if a path of it is no text."""
    document = tomlkit.document()
    document.add(tomlkit.comment(f"A plan by gitagent. Edit it, then: gitagent run {file}"))
    document["version"] = plan_files.VERSION
    document["request"] = _text(request.text)
    if request.source == "issue" and request.reference.isdecimal():
        document["issue"] = int(request.reference)
    document["base"] = request.base
    document["summary"] = redacted(plan.summary)
    document["planner"] = plan.planner
    document["mode"] = plan.mode
    document["mode"].comment("all: every task is needed; any: the first that the tests accept is enough")
    document["assumptions"] = tomlkit.item(list(map(redacted, plan.assumptions))).multiline(bool(plan.assumptions))
    tasks = tomlkit.aot()
    for task in plan.tasks:
        tasks.append(_task(task))
    document["task"] = tasks
    # What shows nothing, or turns the writing direction, is written out, so that an editor shows all there is.
    text = "".join(one if one in "\n\t" or one.isprintable() else _escaped(one) for one in tomlkit.dumps(document))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            "a path or text of the plan is no UTF-8, so the plan cannot be a TOML file. Nothing was written.",
            hint='gitagent fix --approve-plan "…"',
        ) from error
    return text


def _escaped(one: str) -> str:
    return one if "\ud800" <= one <= "\udfff" else f"\\U{ord(one):08X}"


def _task(task: MicroTask) -> tomlkit.items.Table:
    table = tomlkit.table()
    table["id"] = task.id
    table["action"] = task.action
    table["path"] = task.path
    if task.to:
        table["to"] = task.to
    if task.symbol:
        table["symbol"] = task.symbol
    if task.excerpt:
        table["lines"] = [task.first_line, task.first_line + len(lines_of(task.excerpt)) - 1]
    table["instruction"] = _text(task.instruction)
    table["depends_on"] = list(task.depends_on)
    table["priority"] = task.priority
    return table


def _text(text: str) -> tomlkit.items.String:
    text = redacted(text)
    return tomlkit.string(text, multiline="\n" in text or len(text) > 80)
