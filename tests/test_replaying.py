"""Recorded questions asked again, with whole small workers in the place of models."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gitagent.errors import DiffError, ModelError, RepositoryError
from gitagent.recording import FILE, Call, RecordedWorker, Recorder, blob_of, read
from gitagent.records import Candidate, MicroTask, Note, Suspect
from gitagent.replaying import Replayed, replayed
from tests.fakes import FakeWorker

TEXT = "x = 1\n"
TASK = MicroTask(
    id="t1", path="a.py", first_line=1, excerpt=TEXT, instruction="caf\udce9", answer_tokens=9, depends_on=("t0",),
    notes=(Note(title="n", text="t"),), suspects=(Suspect(path="a.py", line=1, score=0.5, reason="r"),),
)  # fmt: skip


class Built(FakeWorker):
    """A fake whose answers say what made them."""

    build, model, prompt = "b 1", "d" * 64, "p" * 64

    def candidates(self, task: MicroTask, text: str, *, limit: int) -> Iterator[Candidate]:
        for candidate in super().candidates(task, text, limit=limit):
            yield replace(candidate, build=self.build, model_digest=self.model, prompt_digest=self.prompt)


def recorded(*answers: str | DiffError, taken: int = 9) -> list[Call]:
    recorder = Recorder()
    worker = RecordedWorker(Built("templates", *answers), recorder)
    try:
        for number, _ in enumerate(worker.candidates(TASK, TEXT, limit=9), 1):
            if number == taken:
                break
    except DiffError:
        pass
    settings, calls = read(recorder.files({"local.window": 4096})[FILE])
    assert settings == {"local.window": 4096} and calls == recorder.calls
    return calls


def again(calls: list[Call], *answers: str | DiffError | ModelError, **made: str) -> Replayed:
    worker = Built("templates", *answers)
    for name, value in made.items():
        setattr(worker, name, value)
    (one,) = replayed(calls, {"templates": worker}, lambda blob: {blob_of(TEXT): TEXT.encode()}[blob])
    return one


def test_the_same_answers_are_the_same_and_only_those_taken_count() -> None:
    assert again(recorded("x = 2\n", "x = 3\n"), "x = 2\n", "x = 3\n") == Replayed(
        worker="templates", task="t1", path="a.py", diffs=2, same=2, differs=""
    )
    assert again(recorded("x = 2\n", "x = 3\n", taken=1), "x = 2\n", "x = 4\n").differs == ""
    assert again(recorded(DiffError("no")), DiffError("no")).differs == ""


def test_what_differs_is_named() -> None:
    calls = recorded("x = 2\n", "x = 3\n")
    other = again(calls, "x = 2\n", "x = 3\n", model="e" * 64)
    assert other.differs == f"another model file: {'d' * 12} then, {'e' * 12} now"
    assert again(calls, "x = 2\n", "x = 3\n", build="b 2").differs == "another build: b 1 then, b 2 now"
    assert again(calls, "x = 2\n", "x = 3\n", prompt="a" * 64).differs.startswith("another prompt: ")
    other = again(calls, "x = 2\n", "x = 4\n")
    assert (other.same, other.differs) == (1, "the same build, model and prompt gave other diffs: 1 of 2")
    assert again(calls, DiffError("not now")).differs == "not now"
    assert again(calls, ModelError("out of reach")).differs == "the model does not answer: out of reach"
    assert "it was refused then (no)" in again(recorded(DiffError("no")), "x = 2\n").differs


def test_calls_to_an_endpoint_are_left_out_and_a_file_that_is_gone_is_named() -> None:
    calls = recorded("x = 2\n")
    assert list(replayed(calls, {}, lambda blob: b"")) == []

    def gone(blob: str) -> bytes:
        raise RepositoryError("no such blob")

    (one,) = replayed(calls, {"templates": Built("templates", "x = 2\n")}, gone)
    assert one.differs == f"the file as it was is gone: a.py, blob {blob_of(TEXT)[:12]}"


def test_a_run_without_questions_keeps_nothing_and_damaged_records_are_refused() -> None:
    assert Recorder().files({}) == {} and read("") == ({}, [])
    for damaged in ("3", "[]", '{"worker": "local"}', "{", json.dumps({"settings": 3}), json.dumps({"task": {}})):
        with pytest.raises(ValueError, match=r"record of calls|Expecting"):
            read(damaged)
