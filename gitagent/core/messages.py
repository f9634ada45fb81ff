"""What people read of a run: commit messages and the body of the pull request.

Everything quoted from a request, a test or a file is a stranger's text: it goes into fenced or inline code,
where it cannot mention anyone, close a section or forge a trailer.
"""

import re
from collections.abc import Sequence

from gitagent.core.secrets import redacted
from gitagent.core.texts import fenced
from gitagent.records import Candidate, Commit, Limits, MicroTask, Plan, Request, Spending, Verdict

SHOWN_TESTS = 40


def code(text: str, *, limit: int = 200) -> str:
    """Inline code of one line, whatever the text holds."""
    line = " ".join(redacted(text).split())  # before it is cut: half a credential is not seen
    line = line if len(line) <= limit else line[: limit - 1] + "…"
    line = line.replace("|", "\\|")
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}" if line else "``` ```"


def subject(candidate: Candidate) -> str:
    """A commit's first line, at most 72 characters: `pricing: replace < by <=`."""
    path = candidate.diff.paths[0]
    area = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    if area in ("__init__", "index", "mod", "main", "lib") and "/" in path:
        area = path.rsplit("/", 2)[-2]
    what = " ".join(redacted(_what(candidate, 70 - len(area))).split())
    line = re.sub(r"[\x00-\x1f\x7f]", " ", f"{area}: {what}")
    return line if len(line) <= 72 else line[:71].rstrip() + "…"


def _what(candidate: Candidate, room: int) -> str:
    """What was done: a model did what it was asked, a template what its diff says; a file's end is no line's."""
    asked = candidate.model_digest or None in candidate.texts.values()
    said = "" if asked else in_words(candidate.diff.text)
    if not said or len(said) > room:
        said = candidate.pattern
    return said or "change as asked"


def in_words(diff: str) -> str:
    """What a diff of one place in one file does: `use <= for < in line 7`; "" if that takes more than a line."""
    old, new, line = _only_change(diff)
    if len(old) == len(new) == 1:
        before, after = _pieces(old[0]), _pieces(new[0])
        head = _alike(before, after)
        tail = min(_alike(before[::-1], after[::-1]), len(before) - head, len(after) - head)
        gone = "".join(before[head : len(before) - tail]).strip()
        come = "".join(after[head : len(after) - tail]).strip()
        if gone and come:
            return f"use {come} for {gone} in line {line}"
        if gone or come:
            return f"{'add' if come else 'take out'} {come or gone} in line {line}"
    elif len(old) + len(new) == 1:
        return f"{'add' if new else 'take out'} {(old or new)[0].strip()} {'at' if new else 'in'} line {line}"
    return ""


def _only_change(diff: str) -> tuple[list[str], list[str], int]:
    """The removed and added lines of a diff's only change and its 1-based line; no lines if there are more."""
    old, new = list[str](), list[str]()
    line = first = 0
    for text in diff.split("\n"):
        if header := re.match(r"@@ -(\d{1,9})", text):
            line = int(header[1])
        elif line and text[:1] in ("-", "+"):
            if first not in (0, line - len(old)):
                return [], [], 0
            first = first or line
            (old if text[0] == "-" else new).append(text[1:])
            line += text[0] == "-"
        elif line and text[:1] == " ":
            line += 1
    return old, new, first


def _pieces(line: str) -> list[str]:
    """A line of code in words, numbers, strings, operators and the space between."""
    return re.findall(r"""\w+|"[^"]*"|'[^']*'|\s+|[-+*/<>=!&|^%:]+|.""", line)


def _alike(one: Sequence[str], two: Sequence[str]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def commit_message(
    request: Request,
    task: MicroTask,
    candidate: Candidate,
    *,
    run: str,
    verdict: str,
    tampers: Sequence[str] = (),
) -> str:
    """The message of a micro-task's commit, with its trailers as the last paragraph.

    `tampers` says how it changes what judges it, which the user has allowed; the subject says so too.
    """
    spent = candidate.spending
    trailers = {
        "Task": f"{task.id} {task.path}:{task.first_line}",
        "Worker": candidate.worker,
        "Model": f"sha256:{candidate.model_digest}" if candidate.model_digest else "none",
        "Prompt": f"sha256:{candidate.prompt_digest}" if candidate.prompt_digest else "none",
        "Tokens": f"{spent.prompt_tokens} prompt, {spent.answer_tokens} answer",
        "Verdict": verdict,
        "Request": f"{request.source} {request.key}",
        "Run": run,
        "Asked": request.digest,
    }
    if candidate.model_digest:
        trailers["Sampling"] = f"temperature {candidate.temperature:g}, seed {candidate.seed}"
    if candidate.room is not None:
        room = candidate.room
        kept = f"{room.prompt_tokens} for the prompt, {room.answer_tokens} kept for the answer"
        trailers["Window"] = f"{room.window} tokens, {kept}"
        trailers["Left-Out"] = "; ".join(room.left_out)[:300] or "nothing"
    if candidate.build:
        trailers["Build"] = candidate.build
    first = subject(candidate)
    body = f"Asked: {request.title}"
    if tampers:
        trailers["Tampers"] = "allowed by the user (--allow-test-changes)"
        first = f"tests changed: {first}"
        first = first if len(first) <= 72 else first[:71].rstrip() + "…"
        body += "\n\nThis commit changes what judges the work:\n" + "\n".join(
            f"- {' '.join(one.split())[:200]}" for one in tampers[:SHOWN_TESTS]
        )
    lines = [f"Gitagent-{name}: {' '.join(value.split())}" for name, value in trailers.items()]
    return redacted(f"{first}\n\n{body}\n\n" + "\n".join(lines) + "\n")


def pull_title(request: Request, *, proven: bool) -> str:
    """The pull request's title."""
    return redacted(request.title if proven else f"[unproven] {request.title}")


def pull_body(
    *,
    run: str,
    request: Request,
    plan: Plan | None,
    changes: Sequence[tuple[Commit, Candidate]],
    verdict: Verdict | None,
    ledger: Sequence[Spending],
    limits: Limits,
    seconds: float,
    tried: int,
    not_done: Sequence[str],
    certificate: str = "",
    share: str = "",
) -> str:
    """The pull request's body in Markdown: asked, proof, changes, plan, cost, what was not done, replay."""
    where = f" ({request.source} {code(request.reference)})" if request.reference else ""
    parts = ["## What was asked" + where, fenced(request.text[:4000].rstrip(), "text")]
    parts += ["## Proof", _proof(verdict)]
    parts += ["## Changes", _changes(changes)]
    if plan is not None:
        parts += ["## Plan", _plan(plan)]
    parts += ["## Cost", _cost(ledger, limits, seconds, tried, share)]
    left = "\n".join(f"- {code(line, limit=600)}" for line in not_done)  # it may quote what a model or a test said
    parts += ["## What was not done", left or "- Nothing was left out."]
    parts += ["## Look closer", _replay(run, changes)]
    parts += ["## Certificate", certificate] if certificate else []
    return redacted("\n\n".join(parts) + "\n")


def _proof(verdict: Verdict | None) -> str:
    if verdict is None:
        return "None: no tests were run on this change."
    base, tip = verdict.base, verdict.tip
    table = [f"**{verdict.state}**: {verdict.reason}", "", "| test | base | tip |", "|---|---|---|"]
    rows = [(name, "red", "green") for name in verdict.fail_to_pass]
    rows += [(name, "green", "red") for name in verdict.pass_to_fail]
    rows += [(name, "red", "red") for name in verdict.fail_to_fail]
    rows += [(name, "flaky", "flaky") for name in verdict.flaky]
    table += [f"| {code(name)} | {before} | {after} |" for name, before, after in rows[:SHOWN_TESTS]]
    if len(rows) > SHOWN_TESTS:
        table.append(f"| and {len(rows) - SHOWN_TESTS} more | | |")
    table.append(
        f"| {len(verdict.pass_to_pass)} other{'' if len(verdict.pass_to_pass) == 1 else 's'} | green | green |"
    )
    table += [
        "",
        f"Both ran {code(' '.join(tip.argv), limit=400)} in {code(tip.sandbox)}: "
        f"base tree {code(base.tree[:12])} in {base.seconds:.1f} s, tip tree {code(tip.tree[:12])} "
        f"in {tip.seconds:.1f} s.",
    ]
    return "\n".join(table)


def _changes(changes: Sequence[tuple[Commit, Candidate]]) -> str:
    rows = ["| commit | file | change | by |", "|---|---|---|---|"]
    for commit, candidate in changes:
        rows += [
            f"| {code(commit.oid[:12])} | {code(path)} | {code(_what(candidate, 200))} "
            f"(+{candidate.diff.added} −{candidate.diff.removed}) | {code(candidate.worker)} |"
            for path in candidate.diff.paths
        ]
    return "\n".join(rows)


def _plan(plan: Plan) -> str:
    whole = plan.mode == "all"  # alternatives are all asked the same, which stands above
    kind = "all of them" if whole else "alternatives, best first"
    names = ("task", "does", "where", *(("what", "needs") if whole else ()))
    rows = [f"{code(plan.summary)}, by {code(plan.planner)}; {kind}.", "", _row(names), _row(["---"] * len(names))]
    for task in plan.tasks[:SHOWN_TESTS]:
        more = (code(task.instruction.strip(), limit=120), ", ".join(task.depends_on) or "–") if whole else ()
        rows.append(_row((code(task.id), task.action, _where(task), *more)))
    rows += ["", *(f"- Assumed: {code(line)}" for line in plan.assumptions)]
    return "\n".join(rows).rstrip()


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _where(task: MicroTask) -> str:
    if task.to:
        return f"{code(task.path)} → {code(task.to)}"
    return code(f"{task.path}:{task.first_line}" if task.excerpt else task.path)


def _cost(ledger: Sequence[Spending], limits: Limits, seconds: float, tried: int, share: str) -> str:
    rows = ["| worker | calls | prompt tokens | answer tokens | dollars | seconds |", "|---|---|---|---|---|---|"]
    rows += [
        f"| {code(s.worker)} | {s.calls} | {s.prompt_tokens} | {s.answer_tokens} "
        f"| {s.dollars:.4f} | {s.seconds:.1f} |"
        for s in ledger
    ]
    if not ledger:
        rows.append("| no model was asked | 0 | 0 | 0 | 0 | 0 |")
    rows += [
        "",
        *([f"{share}.", ""] if share else []),
        f"{tried} candidate{'' if tried == 1 else 's'} tried in {seconds:.1f} s; limits: {limits.minutes:g} minutes, "
        f"{limits.dollars:g} dollars, {limits.tokens} tokens.",
    ]
    return "\n".join(rows)


def _replay(run: str, changes: Sequence[tuple[Commit, Candidate]]) -> str:
    lines = [f"gitagent show {run}"]
    if any(candidate.build for _, candidate in changes):
        lines.append(f"gitagent replay {run}")
    if changes:
        lines.append(f"git show {changes[-1][0].oid[:12]}")
    return fenced("\n".join(lines), "sh")
