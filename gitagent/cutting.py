"""Steps of a plan cut into micro-tasks: each with its excerpt and its notes, each fitting the worker's window."""

import difflib
import re
from collections.abc import Callable, Sequence

from gitagent.core import microtasks, planning
from gitagent.core.microtasks import needs, outlines
from gitagent.core.texts import lines_of
from gitagent.errors import ModelError, RequestError
from gitagent.records import Findings, Message, MicroTask, Note, Span

Read = Callable[[str], str | None]

MOST_PIECES = 6
# What an excerpt is grown to, and what a question takes beside instruction and excerpt.
COMFORTABLE = 400
SCAFFOLD = 300
# With less room for its excerpt than this an instruction is too long.
LEAST_ROOM = 100


class Cutter:
    """Cuts steps for workers of one window. `count` gives the tokens of messages in their tokenizer."""

    def __init__(self, *, window: int, count: Callable[[Sequence[Message]], int]) -> None:
        self._window, self._count = window, count

    def tasks(self, steps: Sequence[planning.Step], findings: Findings, read: Read) -> tuple[MicroTask, ...]:
        failing = failing_notes(findings, read)
        was = {step.to: step.path for step in steps if step.to}
        pieces: dict[str, tuple[str, ...]] = {}
        out: list[MicroTask] = []
        for step in steps:
            if step.action in ("delete", "rename"):
                out.append(self._taken_away(step, pieces))
                pieces[step.id] = (step.id,)
                continue
            text = read(was.get(step.path, step.path)) or ""
            try:
                fitting = self._cut(step, text, findings, read, failing, pieces)
            except ModelError as problem:
                raise ModelError(f"{step.called}: {problem}" if step.called else str(problem)) from problem
            pieces[step.id] = tuple(piece.id for piece in fitting)
            out += fitting
        return tuple(out)

    def _cut(
        self,
        step: planning.Step,
        text: str,
        findings: Findings,
        read: Read,
        failing: tuple[Note, ...],
        pieces: dict[str, tuple[str, ...]],
    ) -> list[MicroTask]:
        """The task for a step that a worker is asked about, or its pieces."""
        asked = self._size(step.instruction)
        window = self._window
        answer_tokens = min(1024, window // 3)
        room = window - answer_tokens - SCAFFOLD - asked
        if room < LEAST_ROOM:
            most = max(window - answer_tokens - SCAFFOLD - LEAST_ROOM, 0)
            raise ModelError(f"{step.path}: the instruction takes {asked:,} tokens, at most {most:,} fit")
        first, excerpt = self._excerpt(step, text, findings, room)
        last = first + len(lines_of(excerpt)) - 1
        task = MicroTask(
            id=step.id,
            path=step.path,
            first_line=first,
            excerpt=excerpt,
            instruction=step.instruction,
            answer_tokens=answer_tokens if step.action != "add" else window // 3,
            notes=(*failing, *surroundings(step.path, text, first, excerpt, read)),
            suspects=tuple(
                item for item in findings.suspects if item.path == step.path and first <= item.line <= last
            ),
            depends_on=tuple(piece for need in step.depends_on for piece in pieces[need]),
            priority=step.priority,
            action=step.action,
            symbol=step.symbol,
        )
        fitting = self._fitting(task, window)
        if len(fitting) > MOST_PIECES:
            raise ModelError(f'{step.path}: too much for one task; name the "lines" to change')
        return fitting

    def _taken_away(self, step: planning.Step, pieces: dict[str, tuple[str, ...]]) -> MicroTask:
        return MicroTask(
            id=step.id,
            path=step.path,
            first_line=1,
            excerpt="",
            instruction=step.instruction,
            answer_tokens=0,
            depends_on=tuple(piece for need in step.depends_on for piece in pieces[need]),
            priority=step.priority,
            action=step.action,
            to=step.to,
        )

    def _missing(self, step: planning.Step, spans: Sequence[Span]) -> None:
        """Raise ModelError for a symbol the file does not have, unless the words name one that it has."""
        said = set(re.findall(r"\w+", step.instruction)) - {step.symbol}
        if not spans or said & {span.name.rsplit(".", 1)[-1] for span in spans}:
            return
        names = [span.name for span in spans]
        near = difflib.get_close_matches(step.symbol, names, n=3, cutoff=0.5) or names[:8]
        raise ModelError(f'{step.path} has no "{planning.shortened(step.symbol, 60)}"; it has {", ".join(near)}')

    def _excerpt(self, step: planning.Step, text: str, findings: Findings, room: int) -> tuple[int, str]:
        """The lines a step is about; where those are too many, the suspects among them, or all, to be split."""
        lines = self._wanted(step, text, findings)
        try:
            first, excerpt = microtasks.segment(
                step.path, text, lines=lines, count=self._size, room=room, enough=min(room, COMFORTABLE)
            )
        except RequestError as problem:
            raise ModelError(str(problem)) from problem
        own = lines_of(text)
        last = min(max(lines, default=0), len(own))
        if last < first + len(lines_of(excerpt)):
            return first, excerpt
        inside = [
            item.line for item in findings.suspects if item.path == step.path and lines[0] <= item.line <= last
        ]
        if inside:
            return microtasks.segment(step.path, text, lines=inside, count=self._size, room=room, enough=0)
        return lines[0], "".join(own[lines[0] - 1 : last])

    def _wanted(self, step: planning.Step, text: str, findings: Findings) -> list[int]:
        """The lines a step is about: those it names, else the suspects, else what its words match."""
        if not text:
            return []
        spans = outlines.outline(step.path, text)
        if step.symbol and (span := outlines.named(spans, step.symbol)) is not None:
            return [span.first_line, span.last_line]
        last = len(lines_of(text))
        if step.lines is not None and step.lines[0] > last:
            raise ModelError(
                f"{step.path} has {last} lines; lines {step.lines[0]} to {step.lines[1]} are not there"
            )
        if step.symbol and step.lines is None and not planning.makes(step):
            self._missing(step, spans)
        if step.lines is not None:
            return list(step.lines)
        suspected = [item.line for item in findings.suspects if item.path == step.path]
        if suspected:
            return suspected[:1]
        words = planning.words_of(f"{step.symbol} {step.instruction}")
        best = max(spans, key=lambda span: len(planning.words_of(span.name) & words), default=None)
        if best is not None and planning.words_of(best.name) & words:
            return [best.first_line, best.last_line]
        if self._size(text) > COMFORTABLE * 2:
            names = f', or the "symbol", one of: {", ".join(span.name for span in spans[:8])}' if spans else ""
            raise ModelError(f'{step.path} has {last} lines; name the "lines" to change{names}')
        return [1, last]

    def _fitting(self, task: MicroTask, window: int) -> list[MicroTask]:
        """The task, or what it is split into so that each piece fits the window."""
        try:
            microtasks.prompt(task, count=self._count, window=window)
        except microtasks.TooLargeError as problem:
            try:
                halves = microtasks.split(task)
            except microtasks.TooLargeError:
                raise ModelError(str(problem)) from problem
            return [piece for half in halves for piece in self._fitting(half, window)]
        except RequestError as problem:  # a file that no model is asked about
            raise ModelError(str(problem)) from problem
        return [task]

    def _size(self, text: str) -> int:
        return self._count((Message(role="user", content=text),))


def failing_notes(findings: Findings, read: Read) -> tuple[Note, ...]:
    """What the first failing tests said, and the source of the first of them."""
    notes = list(planning.failures(findings.red))
    for result in findings.red[:1]:
        for path, name in planning.places_of(result.id):
            text = read(path)
            if text is None:
                continue
            span = outlines.named(outlines.outline(path, text), name)
            if span is not None:
                source = "".join(lines_of(text)[span.first_line - 1 : span.last_line])
                notes.append(Note(title=f"Source of that test, {path}", text=source, priority=2))
            break
    return tuple(notes)


def surroundings(path: str, text: str, first: int, excerpt: str, read: Read) -> tuple[Note, ...]:
    """What the excerpt needs: imports, fields, and the headers of what it calls, here and where it imports from."""
    if not excerpt:
        return ()
    notes = []
    needed = [
        *needs.imports_used(text, first, excerpt),
        *needs.fields_used(path, text, first, excerpt),
    ]
    if needed:
        notes.append(Note(title=f"Imports and fields it uses, {path}", text="\n".join(needed), priority=4))
    own = outlines.signatures(path, text, first, excerpt)
    if own:
        notes.append(Note(title=f"Elsewhere in {path}", text="\n".join(own[:12]), priority=4))
    called = outlines.called_in(excerpt)
    heads: list[str] = []
    for name, paths in list(outlines.imported_from(path, text, called).items())[:6]:
        for place in paths:
            other = read(place)
            if other is None:
                continue
            span = outlines.named(outlines.outline(place, other), name)
            if span is not None:
                heads.append(f"# {place}\n{outlines.header(lines_of(other), span)}")
            break
    if heads:
        notes.append(Note(title="What it calls", text="\n".join(heads), priority=5))
    return tuple(notes)
