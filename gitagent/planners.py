"""The two planners: one that needs no model, and one that asks a chat model."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gitagent.core import microtasks, plan_schema, planning
from gitagent.core.microtasks import outlines
from gitagent.core.plan_files import SavedPlan
from gitagent.core.replies import read_object
from gitagent.core.texts import lines_of
from gitagent.cutting import COMFORTABLE, SCAFFOLD, Cutter, Read, failing_notes, surroundings
from gitagent.errors import ModelError, RequestError
from gitagent.events import Noted
from gitagent.inquiring import Inquiry, inquire, learned
from gitagent.ports import Listener, Model
from gitagent.records import Findings, Message, MicroTask, Note, Place, Plan, Request, Span, Spending, Suspect

# A map of the repository for a request, within a budget of tokens counted so.
Map = Callable[[Request, int, Callable[[str], int]], str]

# What an instruction may take before the request becomes a note.
LONG_REQUEST = 250
# A map of the repository takes an eighth of the window, and no more than this.
MAP_TOKENS = 2_000
MOST_NAMED = 12


class LocalizerPlanner:
    """Plans without a model: one task per suspicious stretch, as alternatives, best first."""

    name = "localizer"

    def __init__(
        self,
        *,
        window: int = 4096,
        answer_tokens: int = 1024,
        most: int = 12,
        count: Callable[[str], int] = microtasks.estimate,
    ) -> None:
        self._window = window
        self._answer_tokens = min(answer_tokens, window // 3)
        self._most = most
        self._count = count

    def plan(self, request: Request, findings: Findings, read: Read) -> tuple[Plan, tuple[Spending, ...]]:
        """Alternatives around the suspects; without suspects, around what the request's words name.

        Raises RequestError if neither leads to a file.
        """
        instruction, said = _instruction(request, self._count)
        room = self._window - self._answer_tokens - SCAFFOLD - self._count(instruction)
        failing = failing_notes(findings, read)
        tasks: list[MicroTask] = []
        stretches = list(self._stretches(request, findings, read))
        while stretches:
            path, lines, suspects = stretches.pop(0)
            text = read(path) or ""
            try:
                first, excerpt = microtasks.segment(
                    path, text, lines=lines, count=self._count, room=room, enough=COMFORTABLE
                )
            except RequestError:
                continue  # one endless line: nothing to ask about there
            last = first + len(lines_of(excerpt)) - 1
            if any((task.path, task.first_line, task.excerpt) == (path, first, excerpt) for task in tasks):
                continue
            inside = tuple(item for item in findings.suspects if item.path == path and first <= item.line <= last)
            # A long function is more than one stretch: what did not fit comes at once.
            rest = tuple(item for item in suspects if not first <= item.line <= last)
            if rest and len(rest) < len(suspects):
                stretches.insert(0, (path, [item.line for item in rest], rest))
            tasks.append(
                MicroTask(
                    id=f"t{len(tasks) + 1}",
                    path=path,
                    first_line=first,
                    excerpt=excerpt,
                    instruction=instruction,
                    answer_tokens=self._answer_tokens,
                    notes=(*failing, *said, *surroundings(path, text, first, excerpt, read)),
                    suspects=inside or suspects,
                    priority=min(len(tasks) + 1, 9),
                )
            )
            if len(tasks) == self._most:
                break
        if not tasks:
            raise RequestError(
                f'nothing in the repository was found for "{request.title}": no failing test, and no file by its '
                "words. Nothing was changed.",
                hint="name a failing test: gitagent fix --test TEST",
            )
        plan = Plan(summary=request.title, mode="any", tasks=tuple(tasks), planner=self.name)
        return plan, ()

    def _stretches(
        self, request: Request, findings: Findings, read: Read
    ) -> Sequence[tuple[str, list[int], tuple[Suspect, ...]]]:
        """Path, wanted lines and suspects of each stretch, best first."""
        found: dict[tuple[str, int], list[Suspect]] = {}
        spans: dict[str, tuple[Span, ...] | None] = {}
        for suspect in findings.suspects:
            if suspect.path not in spans:
                text = read(suspect.path)
                spans[suspect.path] = None if text is None else outlines.outline(suspect.path, text)
            own = spans[suspect.path]
            if own is None:
                continue
            around = outlines.enclosing(own, suspect.line)
            found.setdefault((suspect.path, around[0].first_line if around else 0), []).append(suspect)
            if len(found) > 3 * self._most:
                break
        if found:
            return [
                (path, [item.line for item in suspects], tuple(suspects)) for (path, _), suspects in found.items()
            ]
        if findings.places:
            return [(span.path, [span.first_line], ()) for span in _fitting(findings.places, self._most)]
        return [(path, [line], ()) for path, line in _by_words(request.text, findings.files, read, self._most)]


class ChatPlanner:
    """Asks a chat model for a plan, reads its answer tolerantly, and checks it against the repository."""

    def __init__(
        self,
        model: Model,
        listener: Listener,
        *,
        name: str = "chat",
        worker_window: int | None = None,
        worker_count: Callable[[Sequence[Message]], int] | None = None,
        answer_tokens: int = 1024,
        asks: int = 3,
        enough: int = 620,
        repository_map: Map | None = None,
        tight: bool = False,
    ) -> None:
        """`repository_map` gives a map of the repository for a request, within so many of these tokens.

        A `tight` planner's model is held to its schema token by token, and may name only files it was shown.
        """
        self._tight = tight
        self._map = repository_map
        self.name = name
        self._model = model
        self._listener = listener
        self._worker_window = worker_window
        self._count = worker_count or model.count
        self._answer_tokens = answer_tokens
        self._asks = asks
        self._enough = enough

    def plan(self, request: Request, findings: Findings, read: Read) -> tuple[Plan, tuple[Spending, ...]]:
        """The model's plan, every task of it needed, in dependency order, each fitting the worker's window.

        Raises ModelError if no answer of at most three is a plan, RequestError if the request does not fit.
        """
        first = (suspect.path for suspect in findings.suspects)
        if findings.places:
            files = tuple(dict.fromkeys([*first, *(place.path for place in findings.places), *findings.files]))
        else:
            files = planning.ranked(findings.files, request.text, first)
        mapped = self._mapped(request, findings)
        notes = (
            *planning.facts(findings, () if mapped else files, read),  # the map begins with them
            *findings.directives,
            *(mapped or _outlines(files[:3], read)),
        )

        def planned(text: str) -> Plan:
            answer = read_object(text, planning.KEYS, wanted="tasks", inside=planning.TASK_KEYS)
            steps = planning.steps_of(answer, lambda path: read(path) is not None, files)
            tasks = self._cutter().tasks(steps, findings, read)
            summary = planning.summary_of(answer, request.title)
            return Plan(summary=summary, mode="all", tasks=tasks, planner=self.name, assumptions=_assumed(answer))

        inquiry = Inquiry(
            task="plan",
            worker=self.name,
            system=planning.SYSTEM,
            body=lambda refused: planning.body(request, refused),
            notes=notes,
            schema=plan_schema.tight(files[:MOST_NAMED]) if self._tight else plan_schema.SCHEMA,
            answer_tokens=self._answer_tokens,
            enough=self._enough + (self._map_tokens(findings) if mapped else 0),
            wanted="gave no usable plan",
            hint="set another model, or plan without one: --local",
            asks=self._asks,
        )
        return inquire(self._model, self._listener, inquiry, planned)

    def _mapped(self, request: Request, findings: Findings) -> tuple[Note, ...]:
        """A map of the repository, as large as the model's window allows."""
        if self._map is None:
            return ()
        learned(self._model)
        text = self._map(
            request,
            self._map_tokens(findings),
            lambda said: self._model.count((Message(role="user", content=said),)),
        )
        return (Note(title="The repository, likeliest first, with lines", text=text, priority=3),) if text else ()

    def _map_tokens(self, findings: Findings) -> int:
        """An eighth of the window, half of that where failing tests lead the way."""
        return min(MAP_TOKENS, self._model.window // 8) // (2 if findings.suspects else 1)

    def _cutter(self) -> Cutter:
        return Cutter(window=self._worker_window or self._model.window, count=self._count)


class SavedPlanner:
    """A plan that was written down, held against the repository as it is now."""

    def __init__(
        self,
        plan: SavedPlan,
        listener: Listener,
        *,
        before: Read,
        window: int = 4096,
        count: Callable[[Sequence[Message]], int],
    ) -> None:
        """`before` gives a file's text on the commit that the plan was made for, None where that is not known."""
        self.name = "file"
        self._plan, self._listener, self._before = plan, listener, before
        self._cutter = Cutter(window=window, count=count)

    def plan(self, request: Request, findings: Findings, read: Read) -> tuple[Plan, tuple[Spending, ...]]:
        """The plan of the file. Raises RequestError, naming file and task, if it does not fit the repository."""
        saved = self._plan
        try:
            steps = planning.checked(saved.steps, lambda path: read(path) is not None)
            tasks = self._cutter.tasks([self._as_now(step, read) for step in steps], findings, read)
        except (ModelError, RequestError) as problem:
            told = str(problem)
            where = "" if told.startswith(saved.file) else f"{saved.file}: "
            raise RequestError(
                f"{where}{told}. Nothing was committed.", hint=f"edit {saved.file}, or plan anew"
            ) from problem
        return (
            Plan(
                summary=saved.summary,
                mode=saved.mode,
                tasks=tasks,
                planner=saved.planner or self.name,
                assumptions=saved.assumptions,
            ),
            (),
        )

    def _as_now(self, step: planning.Step, read: Read) -> planning.Step:
        """The step with its lines where they are now. Raises ModelError if they are gone, and no name leads there."""
        path = next((one.path for one in self._plan.steps if one.to == step.path), step.path)
        before, now = self._before(path), read(path)
        if step.lines is None or before is None or now is None or before == now:
            return step
        if step.lines[0] > len(lines_of(before)):
            return step  # whoever edited the plan had another text before them
        lines = planning.moved(step.lines, before, now)
        if lines is None and not step.symbol:
            raise ModelError(
                f"{step.called}: {path} has changed since commit {self._plan.base[:12]}, and lines {step.lines[0]} "
                f'to {step.lines[1]} of it are gone; name other "lines" and their "base", or a "symbol"'
            )
        if lines is not None and lines != step.lines:
            was, at = (f"{first}-{last}" for first, last in (step.lines, lines))
            self._listener(
                Noted(level="info", text=f"{path} has changed since the plan was made: lines {was} are {at} now")
            )
        return replace(step, lines=lines)


def _instruction(request: Request, count: Callable[[str], int]) -> tuple[str, tuple[Note, ...]]:
    """The request as an instruction, or its title where it is long; then the whole of it is a note."""
    text = request.text.strip()
    if count(text) <= LONG_REQUEST:
        return text, ()
    return f"{request.title} (the whole request is below, if it fitted)", (
        Note(title="The whole request", text=text, priority=3),
    )


def _outlines(files: Sequence[str], read: Read) -> tuple[Note, ...]:
    """The functions and classes of files, a note each."""
    notes = []
    for place, path in enumerate(files):
        text = read(path)
        if not text:
            continue
        spans = outlines.outline(path, text)
        if spans:
            names = ", ".join(f"{span.name} {span.first_line}-{span.last_line}" for span in spans[:40])
            more = f", and {len(spans) - 40} more" if len(spans) > 40 else ""
            notes.append(Note(title=f"In {path}, with lines", text=names + more, priority=4 + place))
    return tuple(notes)


def _fitting(places: Sequence[Place], most: int) -> list[Span]:
    """The best functions of the best files: two of the first, then one of each."""
    found: list[Span] = []
    for number, place in enumerate(places):
        whole = Span(path=place.path, name="", first_line=1, last_line=1)
        found += (place.symbols or (whole,))[: 2 if number == 0 else 1]
    return found[:most]


def _by_words(text: str, files: Sequence[str], read: Read, most: int) -> list[tuple[str, int]]:
    """Paths and lines whose names share words with a text, best first."""
    words = planning.words_of(text)
    scored: list[tuple[int, int, str, int]] = []
    for place, path in enumerate(planning.ranked(files, text)[:10]):
        source = read(path)
        if not source or "\0" in source:
            continue
        of_path = len(planning.words_of(path) & words)
        spans = outlines.outline(path, source)
        hits = [(len(planning.words_of(span.name) & words), span) for span in spans]
        best = [(hit, span) for hit, span in hits if hit]
        scored += [(-(2 * hit + of_path), place, path, span.first_line) for hit, span in best]
        if not best and of_path:
            scored.append((-of_path, place, path, 1))
    return [(path, line) for _, _, path, line in sorted(scored)[:most]]


def _assumed(answer: dict[str, object]) -> tuple[str, ...]:
    said = answer.get("assumptions")
    items = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    return tuple(planning.shortened(" ".join(item.split()), 300) for item in items if isinstance(item, str))[:8]
