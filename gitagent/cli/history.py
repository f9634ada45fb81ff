"""`gitagent log` and `gitagent show`: what was asked, planned, tried and spent."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from gitagent.cli.printing import harmless, one_line, print_json
from gitagent.core.ledger import share_in_words, spent_of

COLOURS = {"proven": "green", "passed": "green", "unproven": "yellow", "inconclusive": "yellow", "failed": "red"}
MOST_TESTS = 20


@click.command("log")
@click.option(
    "-n", "most", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many runs."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def log_command(most: int, as_json: bool, repo: str) -> None:
    """List past runs, newest first."""
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_runs import GitRuns

    runs = GitRuns(GitRepository(repo))
    rows: list[dict[str, Any]] = []
    for run in runs.ids()[:most]:
        report = _object(runs.read(run, "report.json").get("report.json", ""))
        rows.append(
            {
                "run": run,
                "state": _text(report, "state") or "unfinished",
                "title": _title(report),
                "tried": int(_number(report, "tried")),
                "when": runs.saved_at(run).isoformat(timespec="seconds"),
            }
        )
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo('No runs yet. One begins with: gitagent fix "what is wrong"', err=True)
    wide = max((len(row["run"]) for row in rows), default=0)
    for row in rows:
        when = datetime.fromisoformat(row["when"]).astimezone().strftime("%Y-%m-%d %H:%M")
        state = _styled(row["state"], 12)
        click.echo(f"{row['run']:<{wide}}  {when}  {state}  {row['tried']:>5} tried  {one_line(row['title'], 72)}")


@click.command("show")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the report, the plan and every event.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def show_command(run: str, as_json: bool, repo: str) -> None:
    """Show a run: what was asked, planned, tried and spent. RUN may be the beginning of its id."""
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_runs import GitRuns

    runs = GitRuns(GitRepository(repo))
    run = runs.full_id(run)
    files = runs.load(run)
    report = _object(files.get("report.json", ""))
    plan = _dict(report, "plan") or _object(files.get("plan.json", ""))
    when = runs.saved_at(run)
    events = [_object(line) for line in files.get("events.jsonl", "").split("\n") if line.strip()]
    if as_json:
        told = {"run": run, "when": when.isoformat(timespec="seconds"), "files": sorted(files)}
        print_json(told | {"report": report or None, "plan": plan or None, "events": events})
        return
    for line in _told(run, when, report, plan, events):
        click.echo(line)


def _told(
    run: str,
    when: datetime,
    report: Mapping[str, Any],
    plan: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    state = _text(report, "state") or "unfinished"
    yield f"{click.style(f'run {run}', bold=True)}  {_styled(state)}  {when.astimezone():%Y-%m-%d %H:%M}"
    if _text(report, "reason"):
        yield f"  {one_line(_text(report, 'reason'))}"
    request = _dict(report, "request")
    if request:
        origin = " ".join(filter(None, [_text(request, "source"), _text(request, "reference")]))
        by = f" by {_text(request, 'asked_by')}" if _text(request, "asked_by") else ""
        yield _heading("Asked", f"{origin}{by}, at {_text(request, 'base')[:12]}")
        yield from _indented(_text(request, "text"))
    if plan:
        yield _heading("Planned", f"by {_text(plan, 'planner')}, {_text(plan, 'mode')} of these")
        yield from _indented(_text(plan, "summary"))
        yield from (f"  - {_task(task)}" for task in _dicts(plan, "tasks"))
    commits = _dicts(report, "commits")
    tried = int(_number(report, "tried"))
    yield _heading("Tried", f"{tried} candidate{'' if tried == 1 else 's'} in {_number(report, 'seconds'):.1f} s")
    yield from _happened(events)
    told = [_text(event, "oid") for event in events if event.get("event") == "committed"]
    for each in commits:
        if _text(each, "oid") not in told:
            yield f"  {_text(each, 'oid')[:12]} on {one_line(_text(each, 'branch'))}"
    if told:
        yield from (
            f"  on {branch}" for branch in dict.fromkeys(one_line(_text(each, "branch")) for each in commits)
        )
    yield from _verdict(_dict(report, "verdict"))
    ledger = _dicts(report, "ledger")
    if ledger:
        yield _heading("Spent")
        yield from (f"  {_spending(each)}" for each in ledger)
        yield f"  {share_in_words(spent_of(report))}"
    pull = _dict(report, "pull")
    if pull:
        yield _heading("Pull request", f"#{int(_number(pull, 'number'))} {one_line(_text(pull, 'title'))}")
        yield f"  {one_line(_text(pull, 'url'))}"


def _happened(events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Who made which commit, who gave up on a task, and what people said meanwhile, in its order."""
    workers: dict[str, str] = {}
    for event in events:
        task, worker = one_line(_text(event, "task")), one_line(_text(event, "worker"))
        match event.get("event"):
            case "task_started":
                workers[task] = worker
            case "escalated":
                to, reason = one_line(_text(event, "to")), one_line(_text(event, "reason"), 100)
                yield f"  {task}  {worker} gave up ({reason}); {to} was asked"
            case "stood_in":
                yield f"  {one_line(_text(event, 'to'))} stood in for {one_line(_text(event, 'model'))}"
            case "steered":
                yield f"  {task}  said meanwhile: {one_line(_text(event, 'text'), 100)}"
            case "committed":
                subject = one_line(_text(event, "subject"))
                yield f"  {task}  {_text(event, 'oid')[:12]}  {subject}  by {workers.get(task, 'nobody')}"


def _verdict(verdict: Mapping[str, Any]) -> Iterator[str]:
    if not verdict:
        return
    yield f"{_heading('Verdict')}  {_styled(_text(verdict, 'state'))}  {one_line(_text(verdict, 'reason'))}"
    for name, words in [
        ("fail_to_pass", "failed before, pass now"),
        ("pass_to_fail", "passed before, fail now"),
        ("fail_to_fail", "fail as before"),
        ("flaky", "flaky"),
        ("pass_to_pass", "pass as before"),
    ]:
        tests = [test for test in _list(verdict, name) if isinstance(test, str)]
        if not tests:
            continue
        yield f"  {len(tests)} {words}"
        if name != "pass_to_pass":
            yield from (f"    {one_line(test)}" for test in tests[:MOST_TESTS])
            if len(tests) > MOST_TESTS:
                yield f"    and {len(tests) - MOST_TESTS} more (--json lists them)"


def _task(task: Mapping[str, Any]) -> str:
    where = f"{_text(task, 'path')}:{int(_number(task, 'first_line'))}"
    return f"{one_line(_text(task, 'id'))}  {one_line(where)}  {one_line(_text(task, 'instruction'), 100)}"


def _spending(each: Mapping[str, Any]) -> str:
    calls, asked, answered = (int(_number(each, name)) for name in ("calls", "prompt_tokens", "answer_tokens"))
    tokens, dollars, seconds = f"{asked} + {answered} tokens", _number(each, "dollars"), _number(each, "seconds")
    return f"{one_line(_text(each, 'worker'))}: {calls} calls, {tokens}, ${dollars:.4f}, {seconds:.1f} s"


def _heading(title: str, rest: str = "") -> str:
    return f"\n{click.style(title, bold=True)}" + (f"  {one_line(rest)}" if rest else "")


def _indented(text: str) -> Iterator[str]:
    return (f"  {harmless(line)}".rstrip() for line in text.strip().split("\n")) if text.strip() else iter(())


def _styled(word: str, width: int = 0) -> str:
    return click.style(one_line(word).ljust(width), fg=COLOURS.get(word))


def _title(report: Mapping[str, Any]) -> str:
    text = _text(_dict(report, "request"), "text")
    return next((line.strip() for line in text.split("\n") if line.strip()), "")


def _object(text: str) -> dict[str, Any]:
    """The JSON object in a text, empty if there is none: a run that was killed leaves what it had."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _number(data: Mapping[str, Any], key: str) -> float:
    value = data.get(key)
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e12 else 0.0


def _dict(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []


def _dicts(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [each for each in _list(data, key) if isinstance(each, dict)]
