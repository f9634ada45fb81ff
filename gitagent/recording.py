"""What each worker was asked and answered, written down so that the same programs can be asked again."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace

from gitagent.core.secrets import redacted, redacted_in
from gitagent.core.texts import lines_of
from gitagent.errors import DiffError
from gitagent.ports import Worker
from gitagent.records import Candidate, MicroTask, Note, Suspect

FILE = "calls.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One question to a worker about one file, and what came of it.

    `blob` is git's name of the file's text, "" for no file; `limit` how many answers it might give. `diffs` are the
    sha256 hex of those that were taken, in order; `refused` is why there was none. `build`, `model` and `prompt` are
    the first answer's: the programs, and the digests of the model file and of the prompt.
    """

    worker: str
    task: MicroTask
    blob: str
    limit: int
    diffs: tuple[str, ...] = ()
    refused: str = ""
    build: str = ""
    model: str = ""
    prompt: str = ""

    def with_answer(self, candidate: Candidate) -> "Call":
        """The same with one more answer."""
        known = self if self.diffs else replace(self, build=candidate.build, model=candidate.model_digest,
                                                prompt=candidate.prompt_digest)  # fmt: skip
        return replace(known, diffs=(*self.diffs, digest_of(candidate)))


@dataclass(slots=True)
class Recorder:
    """The calls of one run, in the order they began."""

    calls: list[Call] = field(default_factory=list)

    def files(self, settings: Mapping[str, object]) -> dict[str, str]:
        """The calls as a file of the run's record, the settings that decide on answers before them."""
        if not self.calls:
            return {}
        lines = [
            json.dumps({"settings": dict(settings)}),
            *(json.dumps(redacted_in(asdict(call))) for call in self.calls),
        ]
        return {FILE: "".join(line + "\n" for line in lines)}


class RecordedWorker:
    """A worker whose questions and answers are noted by a recorder."""

    def __init__(self, worker: Worker, recorder: Recorder) -> None:
        self.name = worker.name
        self._worker, self._recorder = worker, recorder

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        """What the worker answers, as in `ports.Worker`."""
        calls = self._recorder.calls
        place = len(calls)
        calls.append(Call(worker=self.name, task=task, blob=blob_of(text), limit=limit))
        try:
            for candidate in self._worker.candidates(task, text, limit=limit):
                calls[place] = calls[place].with_answer(candidate)
                yield candidate
        except DiffError as refusal:
            calls[place] = replace(calls[place], refused=str(refusal))
            raise


def digest_of(candidate: Candidate) -> str:
    """The sha256 hex of a candidate's diff."""
    return hashlib.sha256(candidate.diff.text.encode("utf-8", "surrogatepass")).hexdigest()


def blob_of(text: str) -> str:
    """Git's name of a file with this text, "" for none."""
    data = text.encode("utf-8", "surrogateescape")
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() if text else ""


def restored(call: Call, text: str) -> MicroTask:
    """A call's task with its excerpt as the file has it: what was written down is without credentials."""
    first, size = call.task.first_line - 1, len(lines_of(call.task.excerpt))
    excerpt = "".join(lines_of(text)[first : first + size])
    return replace(call.task, excerpt=excerpt) if redacted(excerpt) == call.task.excerpt else call.task


def read(text: str) -> tuple[dict[str, object], list[Call]]:
    """The settings and calls in a recorded file. Raises ValueError if it is something else."""
    settings: dict[str, object] = {}
    calls: list[Call] = []
    try:
        for line in filter(None, text.split("\n")):
            told = json.loads(line)
            if "settings" in told:
                settings = dict(told["settings"])
                continue
            task = told["task"]
            told["task"] = MicroTask(
                **{
                    **task,
                    "notes": tuple(Note(**note) for note in task["notes"]),
                    "state": tuple(Note(**note) for note in task.get("state", ())),
                    "suspects": tuple(Suspect(**suspect) for suspect in task["suspects"]),
                    "depends_on": tuple(task["depends_on"]),
                }
            )
            calls.append(Call(**{**told, "diffs": tuple(told["diffs"])}))
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{FILE} is no record of calls: {error}") from error
    return settings, calls
