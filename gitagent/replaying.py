"""Asks a run's workers the same questions again, and says whether the same diffs come, or what is different."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from gitagent.errors import DiffError, ModelError, RepositoryError
from gitagent.ports import Worker
from gitagent.recording import Call, digest_of, restored
from gitagent.records import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of one call. `differs` names what was not the same, "" if everything was; `same` of `diffs` were."""

    worker: str
    task: str
    path: str
    diffs: int
    same: int
    differs: str


def replayed(calls: list[Call], workers: Mapping[str, Worker], read: Callable[[str], bytes]) -> Iterator[Replayed]:
    """The calls to these workers made again, in order. `read` gives a blob's bytes.

    Calls to other workers are left out: an endpoint promises nothing.
    """
    for call in calls:
        if call.worker in workers:
            same, differs = _again(call, workers[call.worker], read)
            yield Replayed(worker=call.worker, task=call.task.id, path=call.task.path, diffs=len(call.diffs),
                           same=same, differs=differs)  # fmt: skip


def _again(call: Call, worker: Worker, read: Callable[[str], bytes]) -> tuple[int, str]:
    try:
        text = read(call.blob).decode("utf-8", "surrogateescape") if call.blob else ""
    except RepositoryError:
        return 0, f"the file as it was is gone: {call.task.path}, blob {call.blob[:12]}"
    answers: list[Candidate] = []
    refused = ""
    try:
        # A call that nobody took an answer of is asked for one only if it was refused.
        answers.extend(
            islice(
                worker.candidates(restored(call, text), text, limit=call.limit),
                len(call.diffs) or bool(call.refused),
            )
        )
    except DiffError as refusal:
        refused = str(refusal)
    except ModelError as error:
        return 0, f"the model does not answer: {error}"
    if answers and call.diffs:
        for what, then, now in (
            ("model file", call.model, answers[0].model_digest),
            ("build", call.build, answers[0].build),
            ("prompt", call.prompt, answers[0].prompt_digest),
        ):
            if then != now:
                return 0, f"another {what}: {_short(then)} then, {_short(now)} now"
    same = sum(digest_of(answer) == diff for answer, diff in zip(answers, call.diffs, strict=False))
    if same < len(call.diffs):
        return (
            same,
            refused
            or f"the same build, model and prompt gave other diffs: {len(call.diffs) - same} of {len(call.diffs)}",
        )
    if call.refused and not refused and answers:
        return same, f"it was refused then ({call.refused}), and answers now"
    return same, ""


def _short(name: str) -> str:
    is_digest = len(name) == 64 and not set(name) - set("0123456789abcdef")
    return name[:12] if is_digest else name or "none"
