"""What a run paid for with money or time, kept in its journal before anyone relies on it.

A run that was killed is gone through again from the start. Whatever it asks that was answered before, word for word
the same question, is answered from here.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Unpack

from gitagent.core.secrets import redacted_in
from gitagent.errors import DiffError
from gitagent.events import Event, ModelReplied, Stream
from gitagent.ports import Asking, Model, Runs, Steps, Worker
from gitagent.records import Candidate, Coverage, Diff, Message, MicroTask, Reply, Room, Spending

# What may wait for company waits no longer than this: a trial is quick, and a commit takes some milliseconds.
PATIENCE_SECONDS = 0.5
MOST_CHARACTERS = 8 * 2**20
FOLDER = "steps/"
CLOCK = "spent.json"


class JournaledSteps:
    """Answers by question, each a file `steps/<kind>-<digest>.json` of the run; `seconds` is what was spent before."""

    def __init__(self, runs: Runs, run: str, files: Mapping[str, str] | None = None) -> None:
        """`files` are those of the run that is taken up again."""
        self._runs, self._run = runs, run
        self._known = {path: text for path, text in (files or {}).items() if path.startswith(FOLDER)}
        self._waiting: dict[str, str] = {}
        self._lock = threading.RLock()  # questions may be asked side by side
        self._began = self._saved = time.monotonic()
        clock = _object((files or {}).get(CLOCK, ""))
        seconds = clock.get("seconds")
        self.seconds = float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < 1e9 else 0.0

    def known(self, kind: str, *asked: object) -> Any:
        text = self._known.get(_path(kind, asked))
        return None if text is None else _object(text).get("answer")

    def keep(self, kind: str, *asked: object, answer: object, soon: bool = False) -> None:
        text = json.dumps({"answer": answer}, separators=(",", ":")) + "\n"
        if len(text) > MOST_CHARACTERS or redacted_in(answer) != answer:
            return  # asked again rather than kept, or a credential written down
        path = _path(kind, asked)
        with self._lock:
            self._known[path] = self._waiting[path] = text
            if not soon or time.monotonic() - self._saved > PATIENCE_SECONDS:
                self.save(kind)

    def save(self, what: str) -> None:
        """Write what waits. Raises RepositoryError if the repository does not take it."""
        if not self._waiting:
            return
        spent = self.seconds + time.monotonic() - self._began
        clock = {CLOCK: json.dumps({"seconds": round(spent, 6)}) + "\n"}
        self._runs.save(self._run, self._waiting | clock, f"step: {what}")
        self._waiting, self._saved = {}, time.monotonic()


class RememberingModel:
    """A model whose replies are paid for once."""

    def __init__(self, model: Model, steps: Steps) -> None:
        self._model, self._steps = model, steps
        self.name, self.digest, self.window = model.name, model.digest, model.window

    def count(self, messages: Sequence[Message]) -> int:
        counted = self._model.count(messages)
        self.window = self._model.window  # an adapter may learn it by counting
        return counted

    def takes_grammar(self) -> bool:
        found = self._steps.known("grammar", self.digest)
        if not isinstance(found, bool):
            found = self._model.takes_grammar()
            self._steps.keep("grammar", self.digest, answer=found)
        return found

    def reply(self, messages: Sequence[Message], **how: Unpack[Asking]) -> Reply:
        said = [[message.role, message.content] for message in messages]
        given = {"answer_tokens": 0, "temperature": 0.0, "seed": 0, "schema": None, "grammar": ""} | how
        asked = (self.digest, said, *given.values())
        known = self._steps.known("reply", *asked)
        if known is not None:
            self.name, self.digest = known["name"], known["digest"]
            return Reply(**{**known["reply"], "spending": Spending(**known["reply"]["spending"])})
        reply = self._model.reply(messages, **how)
        self.name, self.digest = self._model.name, self._model.digest  # another model may have stood in
        answer = {"reply": asdict(reply), "name": self.name, "digest": self.digest}
        self._steps.keep("reply", *asked, answer=answer)
        return reply


class RememberingWorker:
    """A worker with a model of its own, each of whose candidates is made once.

    Where a run was killed between two candidates of one question, those before are made again and passed over: they
    come of one evaluation and one seed.
    """

    def __init__(self, worker: Worker, steps: Steps, stream: Stream) -> None:
        self.name = worker.name
        self._worker, self._steps, self._stream = worker, steps, stream
        self._spent: list[Spending] = []
        self._is_asking = False
        stream.add(self._heard)

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        asked = (self.name, asdict(task), hashlib.sha256(_bytes(text)).hexdigest(), limit)
        number = 0
        while (known := self._steps.known("candidate", *asked, number)) is not None:
            for spent in known["spent"]:
                self._stream(ModelReplied(spending=Spending(**spent)))
            if "refused" in known:
                raise DiffError(known["refused"])
            if "candidate" not in known:
                return
            yield candidate_of(known["candidate"])
            number += 1
        answers = self._worker.candidates(task, text, limit=limit)
        for position in range(limit + 1):
            told = self._next(answers)
            if position >= number:
                self._steps.keep("candidate", *asked, position, answer=told)
                if "refused" in told:
                    raise DiffError(told["refused"])
                if "candidate" in told:
                    yield candidate_of(told["candidate"])
            if "candidate" not in told:
                return

    def _next(self, answers: Iterator[Candidate]) -> dict[str, Any]:
        """The next candidate, a refusal, or neither at the end, with what it cost."""
        self._spent, self._is_asking = [], True
        told: dict[str, Any] = {}
        try:
            told["candidate"] = asdict(next(answers))
        except StopIteration:
            pass
        except DiffError as refusal:
            told["refused"] = str(refusal)
        finally:
            self._is_asking = False
        return told | {"spent": [asdict(spent) for spent in self._spent]}

    def _heard(self, event: Event) -> None:
        if self._is_asking and isinstance(event, ModelReplied):
            self._spent.append(event.spending)


def candidate_of(plain: Mapping[str, Any]) -> Candidate:
    """A candidate out of what `asdict` made of it and JSON kept."""
    diff = {**plain["diff"], "paths": tuple(plain["diff"]["paths"])}
    room = plain.get("room") and Room(**{**plain["room"], "left_out": tuple(plain["room"]["left_out"])})
    return Candidate(
        **{**plain, "diff": Diff(**diff), "spending": Spending(**plain["spending"]), "room": room or None}
    )


def coverage_to(coverage: Sequence[Coverage]) -> list[list[Any]]:
    """Coverage as JSON takes it."""
    return [
        [one.test, one.outcome, {path: sorted(lines) for path, lines in one.lines.items()}] for one in coverage
    ]


def coverage_of(plain: Sequence[Sequence[Any]]) -> tuple[Coverage, ...]:
    """Coverage out of what `coverage_to` made of it."""
    return tuple(
        Coverage(test=test, outcome=outcome, lines={path: frozenset(numbers) for path, numbers in lines.items()})
        for test, outcome, lines in plain
    )


def _path(kind: str, asked: Sequence[object]) -> str:
    words = json.dumps(asked, sort_keys=True).encode()
    return f"{FOLDER}{kind}-{hashlib.sha256(words).hexdigest()[:32]}.json"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
