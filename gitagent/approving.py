"""A plan that waits until somebody who may approves it: what is shown of it, and that it is the one carried out.

A plan's name is a digest of all of it, so that whoever approves a name approves a content. What is shown is made from
that content alone, and compared with the comment that shows it: an edited comment approves nothing.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gitagent.core import plan_files
from gitagent.core.intake import visible
from gitagent.core.messages import code
from gitagent.core.plan_files import SavedPlan
from gitagent.core.planning import Step
from gitagent.core.texts import fenced
from gitagent.errors import RequestError
from gitagent.ports import Planner
from gitagent.records import Findings, Plan, Request, Spending

PLAN, ABOUT = "plan.toml", "about.json"
# A name is long enough to be sure of, and may be cut to what somebody types.
NAME_DIGITS, LEAST_DIGITS = 16, 6
# What cannot be shown whole cannot be approved.
MOST_INSTRUCTION = 2_000
MOST_SHOWN = 60_000
_FILE = "the approved plan"
_CALL = (
    "To go on with exactly this plan, comment `/gitagent approve {}`, or put 👍 on this comment (seen by the next run "
    "by schedule or by hand). For another one: `/gitagent plan` and what should be different. Only people who can "
    "write here are heard.\n\n"
    "Published is only what changes these files, and at most a new test that shows what is wrong."
)

Read = Callable[[str], str | None]


class OutdatedError(RequestError):
    """The plan was made for files that have changed since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPlan:
    """A plan for an issue or pull request: its TOML, and what is known about it as JSON; `oid` is where it is kept."""

    number: int
    plan: str
    about: str
    oid: str = ""
    saved: SavedPlan = field(compare=False)
    digests: Mapping[str, str] = field(compare=False, hash=False)
    is_pull: bool = False

    @property
    def name(self) -> str:
        """What it is called: a digest of all that is in it."""
        whole = f"{self.number}\0{self.about}\0{self.plan}"
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:NAME_DIGITS]

    @property
    def paths(self) -> frozenset[str]:
        """The files that it is about."""
        return frozenset(path for step in self.saved.steps for path in (step.path, step.to) if path)

    @property
    def files(self) -> dict[str, str]:
        """What is to be kept of it, by file name."""
        return {PLAN: self.plan, ABOUT: self.about}


def made(number: int, plan: str, digests: str, *, is_pull: bool) -> WaitingPlan:
    """A plan as the proposing job has left it, named anew each time. Raises RequestError if it is none."""
    about = {"nonce": os.urandom(8).hex(), "pull": is_pull, "digests": _object(digests)}
    return read(number, {PLAN: plan, ABOUT: json.dumps(about, sort_keys=True)})


def read(number: int, files: Mapping[str, str], oid: str = "") -> WaitingPlan:
    """A plan from what was kept of it. Raises RequestError if that is none."""
    about = _object(files.get(ABOUT, ""))
    digests, is_pull = about.get("digests"), about.get("pull")
    if (
        not isinstance(digests, dict)
        or not isinstance(is_pull, bool)
        or not all(isinstance(value, str) for value in digests.values())
    ):
        raise RequestError(f"{ABOUT} of the plan for {number} is not gitagent's. Nothing was run.")
    return WaitingPlan(
        number=number,
        plan=files.get(PLAN, ""),
        about=files[ABOUT],
        oid=oid,
        saved=plan_files.read(files.get(PLAN, ""), _FILE),
        digests=digests,
        is_pull=is_pull,
    )


def _object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text) if len(text) <= plan_files.LONGEST else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def shown(waiting: WaitingPlan, outcome: str = "") -> str:
    """The plan as a comment: every task whole, and how it can be approved, or what became of it.

    Raises RequestError if it is too long for that.
    """
    saved = waiting.saved
    for step in saved.steps:
        if len(step.instruction) > MOST_INSTRUCTION:
            raise RequestError(
                f"the instruction of task {step.id} has {len(step.instruction):,} characters, at most "
                f"{MOST_INSTRUCTION:,} can be shown, so nobody could approve it. Nothing was run.",
                hint="ask for less at a time",
            )
    alternatives = saved.mode == "any" and len(saved.steps) > 1
    kind = "alternatives: the first that the tests accept is enough" if alternatives else "all of it is needed"
    lines = [
        outcome or f"**A plan waits for approval** (`{waiting.name}`). No code has been written.",
        "",
        f"{_cell(saved.summary)}, by {_cell(saved.planner or 'nobody')}, for base `{saved.base[:12]}`; {kind}.",
        "",
        "| task | | where | after | what is to be done |",
        "|---|---|---|---|---|",
        *map(_row, saved.steps),
        "",
        *(f"- Assumed: {_cell(line)}" for line in saved.assumptions),
        "",
        *([] if outcome else [_CALL.format(waiting.name[:8]), ""]),
        "<details><summary>What it is a plan for</summary>",
        "",
        fenced(visible(saved.request), "text"),
        "",
        "</details>",
    ]
    text = "\n".join(lines)
    if len(text) > MOST_SHOWN:
        raise RequestError(
            f"the plan takes {len(text):,} characters, at most {MOST_SHOWN:,} can be shown, so nobody could approve "
            "it. Nothing was run.",
            hint="ask for less at a time",
        )
    return text


def _row(step: Step) -> str:
    lines = f":{step.lines[0]}-{step.lines[1]}" if step.lines else ""
    place = step.path + lines + (f" {step.symbol}" if step.symbol else "") + (f" → {step.to}" if step.to else "")
    after = ", ".join(_cell(need) for need in step.depends_on) or "–"
    return f"| {_cell(step.id)} | {step.action} | {_cell(place)} | {after} | {_cell(step.instruction)} |"


def _cell(text: str) -> str:
    """Strangers' words on one line, whole, with what would not be seen named."""
    return code(visible(text), limit=MOST_SHOWN)


def is_shown_by(waiting: WaitingPlan, comment: str) -> bool:
    """Whether a comment, as it is now, shows this very plan and nothing else."""
    return shown(waiting).split() == comment.split()


class NotingPlanner:
    """A planner that notes which texts its plan was made for."""

    def __init__(self, planner: Planner) -> None:
        self.name, self._planner = planner.name, planner
        self.digests: dict[str, str] = {}

    def plan(self, request: Request, findings: Findings, read: Read) -> tuple[Plan, tuple[Spending, ...]]:
        plan, spent = self._planner.plan(request, findings, read)
        paths = sorted({path for task in plan.tasks for path in (task.path, task.to) if path})
        self.digests = {path: _digest(read(path)) for path in paths}
        return plan, spent


class ApprovedPlanner:
    """A plan that was approved, as long as its files are as they were when it was made."""

    def __init__(self, planner: Planner, waiting: WaitingPlan) -> None:
        self.name, self._planner, self._waiting = planner.name, planner, waiting

    def plan(self, request: Request, findings: Findings, read: Read) -> tuple[Plan, tuple[Spending, ...]]:
        """The plan. Raises OutdatedError, naming the file, if one has changed."""
        known = self._waiting.digests
        for path in sorted(self._waiting.paths):
            if known.get(path) != _digest(read(path)):
                raise OutdatedError(
                    f"the approved plan {self._waiting.name} is out of date: {path} has changed since it was made. "
                    "Nothing was committed.",
                    hint="/gitagent plan makes a new one",
                )
        return self._planner.plan(request, findings, read)


def _digest(text: str | None) -> str:
    """A text's digest, "" where there is no such file."""
    return "" if text is None else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
