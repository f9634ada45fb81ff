"""Plans as TOML that people may edit: what was read out of such a file, strictly checked, each fault with its line.

The file is a stranger's as any other: bounded, nothing in it evaluated, unknown keys refused.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from gitagent.core.paths import check_path
from gitagent.core.planning import Step
from gitagent.errors import DiffError, RequestError
from gitagent.records import Action

LONGEST = 200_000
MOST_TASKS = 100
VERSION = 1
_TEXTS = ("request", "base", "summary", "planner")
_PLAN = frozenset((*_TEXTS, "version", "issue", "mode", "assumptions", "task"))
_TASK = frozenset(("id", "action", "path", "to", "symbol", "lines", "instruction", "depends_on", "priority"))
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan as a file holds it. `base` is the commit it was made for, "" if unknown; `file` is the file's name.

    `issue` is the issue that it is for, 0 if it is for none.
    """

    file: str
    request: str
    summary: str
    steps: tuple[Step, ...]
    base: str = ""
    issue: int = 0
    mode: Literal["all", "any"] = "all"
    planner: str = ""
    assumptions: tuple[str, ...] = ()


def read(text: str, file: str) -> SavedPlan:
    """The plan in a file's text. Raises RequestError that names file, line and field for whatever is not as it must."""
    if len(text) > LONGEST:
        raise RequestError(f"{file}: {len(text):,} characters, at most {LONGEST:,} are read. Nothing was run.")
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        where = re.search(r" \(at line (\d+), column \d+\)$| \(at end of document\)$", str(error))
        line = (where[1] or text.count("\n") + 1) if where else ""
        raise RequestError(
            f"{file}{f':{line}' if line else ''}: not TOML: {error}. Nothing was run.", hint=f"edit {file}"
        ) from error
    return _Reader(text, file).plan(table)


class _Reader:
    """Checks one file's table; `at` is the number of the task that is looked at, 0 for the plan itself."""

    def __init__(self, text: str, file: str) -> None:
        self.file, self.at = file, 0
        self._lines = text.split("\n")

    def plan(self, table: Mapping[str, object]) -> SavedPlan:
        self._known(table, _PLAN)
        if table.get("version") != VERSION:
            got = f"got {_shown(table['version'])}" if "version" in table else "and there is none"
            raise self._wrong("version", f"expected {VERSION}, {got}")
        texts = {name: self._text(table, name, needed=name in ("request", "summary")) for name in _TEXTS}
        if texts["base"] and not _OID.fullmatch(texts["base"]):
            raise self._wrong("base", "expected the full name of a commit")
        mode = self._text(table, "mode") or "all"
        if mode not in ("all", "any"):
            raise self._wrong("mode", f'expected "all" or "any", got {_shown(mode)}')
        issue = table.get("issue", 0)
        if not isinstance(issue, int) or isinstance(issue, bool) or not 0 <= issue < 10**10:
            raise self._wrong("issue", f"expected an issue's number, got {_shown(issue)}")
        assumptions = self._texts(table, "assumptions")
        tasks = table.get("task")
        if not isinstance(tasks, list) or not tasks or not all(isinstance(task, dict) for task in tasks):
            raise self._wrong("task", "expected at least one [[task]]")
        if len(tasks) > MOST_TASKS:
            raise self._wrong("task", f"{len(tasks)} tasks are too many, at most {MOST_TASKS}")
        steps = tuple(self._step(number, task) for number, task in enumerate(tasks, 1))
        self._references(steps)
        return SavedPlan(
            file=self.file,
            steps=steps,
            request=texts["request"],
            summary=texts["summary"],
            base=texts["base"],
            issue=issue,
            mode="any" if mode == "any" else "all",
            planner=texts["planner"],
            assumptions=assumptions,
        )

    def _step(self, number: int, task: Mapping[str, object]) -> Step:
        self.at = number
        self._known(task, _TASK)
        action = self._text(task, "action") or "change"
        kinds: tuple[Action, ...] = get_args(Action)
        kind = next((one for one in kinds if one == action), None)
        if kind is None:
            raise self._wrong("action", f"expected {', '.join(kinds[:-1])} or {kinds[-1]}, got {_shown(action)}")
        path, to = self._path(task, "path", needed=True), self._path(task, "to", needed=kind == "rename")
        if to and kind != "rename":
            raise self._wrong("to", "only a rename has a new path")
        priority = task.get("priority", 5)
        if not isinstance(priority, int) or isinstance(priority, bool) or not 1 <= priority <= 9:
            raise self._wrong("priority", f"expected a number from 1 to 9, got {_shown(priority)}")
        instruction = self._text(task, "instruction", needed=kind in ("change", "add"))
        name, line = self._text(task, "id", needed=True), self._line("[[task]]")
        return Step(
            id=name,
            called=f"{self.file}{f':{line}' if line else ''}: task {_plain(name)}",
            path=path,
            instruction=instruction or f"{kind} {path}{f' to {to}' if to else ''}",
            action=kind,
            to=to,
            symbol=self._text(task, "symbol"),
            lines=self._range(task.get("lines")),
            depends_on=self._texts(task, "depends_on"),
            priority=priority,
        )

    def _references(self, steps: tuple[Step, ...]) -> None:
        ids = [step.id for step in steps]
        for self.at, step in enumerate(steps, 1):
            if ids.count(step.id) > 1:
                raise self._wrong("id", f"{_shown(step.id)} is the id of more than one task")
            for need in step.depends_on:
                if need not in ids:
                    raise self._wrong("depends_on", f"{_shown(need)} is no task's id")

    def _known(self, table: Mapping[str, object], known: frozenset[str]) -> None:
        for name in table:
            if name not in known:
                raise self._wrong(name, f"unknown, expected one of {', '.join(sorted(known))}")

    def _text(self, table: Mapping[str, object], name: str, *, needed: bool = False) -> str:
        value = table.get(name, "")
        if not isinstance(value, str):
            raise self._wrong(name, f"expected a text, got {_shown(value)}")
        if needed and not value.strip():
            raise self._wrong(name, "expected a text, and there is none")
        return value.strip()

    def _texts(self, table: Mapping[str, object], name: str) -> tuple[str, ...]:
        value = table.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(name, f"expected a list of texts, got {_shown(value)}")
        return tuple(value)

    def _path(self, table: Mapping[str, object], name: str, *, needed: bool) -> str:
        path = self._text(table, name, needed=needed)
        if path:
            try:
                check_path(path)
            except DiffError as problem:
                raise self._wrong(name, str(problem).removesuffix(". Nothing was changed")) from None
        return path

    def _range(self, value: object) -> tuple[int, int] | None:
        if value is None:
            return None
        if (
            isinstance(value, list)
            and len(value) == 2
            and all(type(line) is int for line in value)
            and 1 <= value[0] <= value[1]
        ):
            return value[0], value[1]
        raise self._wrong("lines", f"expected [first, last], counted from 1, got {_shown(value)}")

    def _wrong(self, name: str, problem: str) -> RequestError:
        where = f"task {self.at}: " if self.at else ""
        line = self._line(name)
        return RequestError(
            f"{self.file}{f':{line}' if line else ''}: {where}{name[:40]!r}: {problem}. Nothing was run.",
            hint=f"edit {self.file}, or make it anew: gitagent plan … --out {self.file}",
        )

    def _line(self, name: str) -> int:
        """The 1-based line where this field of the task at hand is written, else the task's own or the file's first.

        0 if it is not known which lines are the task's.
        """
        starts = [at for at, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*task\s*\]\]", line)]
        if self.at > len(starts):
            return 0
        start = starts[self.at - 1] if self.at else 0
        stop = [*starts, len(self._lines)][self.at]
        field = re.compile(rf"\s*(?:[\"']?{re.escape(name)}[\"']?\s*=|\[\s*{re.escape(name)}\s*\])")
        for at in range(start, stop):
            if field.match(self._lines[at]):
                return at + 1
        return start + 1


def _plain(name: str) -> str:
    return name if re.fullmatch(r"[\w.-]{1,40}", name) else _shown(name)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
