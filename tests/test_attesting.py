"""What a run leaves behind of its proof: a note, a section of the pull request, and test runs known for the next."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_notes import GitNotes
from gitagent.adapters.git_verdicts import GitVerdicts
from gitagent.core import certificates
from gitagent.events import Noted
from tests.fakes import FakeSandbox, FakeWorker
from tests.test_pipeline import ALMOST, BASE, GOOD, World

Git = Callable[..., str]


@pytest.fixture
def world(repo: Path, git: Git) -> World:
    world = World(repo, git)
    repository = GitRepository(str(repo))
    world.more = {"notes": GitNotes(repository), "verdicts": GitVerdicts(repository)}
    return world


def judged(sandbox: FakeSandbox, text: str) -> int:
    return sum(texts["calc.py"] == text for workspace in sandbox.opened for texts in workspace.judged)


def test_a_proven_commit_carries_its_certificate_as_a_note_and_in_the_pull_request(world: World) -> None:
    world.workers = [FakeWorker("templates", ALMOST, GOOD)]
    report = world.pursue()
    (commit,) = report.commits
    note = world.git(world.root, "notes", "--ref", "gitagent", "show", commit.oid) + "\n"
    certificate = certificates.read(note)
    assert (certificate.base.commit, certificate.tip.commit) == (world.base, commit.oid)
    assert (certificate.base.tree, certificate.tip.tree) == (
        world.git(world.root, "rev-parse", "HEAD^{tree}"),
        commit.tree,
    )
    assert certificate.environment == "fake:sha256:0" and certificate.command == ("check",)
    assert certificate.red == ("(whole suite)",) and certificate.state == "passed"
    assert [run.where for run in certificate.runs] == ["base", "tip", "base again", "tip again"]
    assert report.pull is not None and certificates.found_in(report.pull.body) == note
    world.git(world.root, "fsck", "--strict")


def test_a_note_that_cannot_be_written_is_told_and_the_pull_request_has_the_certificate(world: World) -> None:
    (world.root / ".git/refs/notes").write_text("in the way")
    world.workers = [FakeWorker("templates", GOOD)]
    report = world.pursue()
    assert report.state == "proven" and report.pull is not None
    assert certificates.found_in(report.pull.body) is not None
    assert any("the certificate is not attached to" in event.text for event in world.of(Noted))  # type: ignore[attr-defined]


def test_base_is_not_paid_for_twice_and_the_certificate_of_a_tip_always_is(world: World) -> None:
    world.workers = [FakeWorker("templates", GOOD)]
    assert world.pursue().state == "proven"
    first = world.sandbox
    world.sandbox = FakeSandbox(lambda texts: "a + b" in texts["calc.py"])
    report = world.pursue(run="r2", again=True)
    assert report.state == "proven" and report.verdict is not None
    assert judged(world.sandbox, BASE) == judged(first, BASE) - 1
    assert judged(world.sandbox, GOOD) == judged(first, GOOD)
    known = [event.text for event in world.of(Noted) if "known from an earlier run" in event.text]  # type: ignore[attr-defined]
    assert len(known) == 1


def test_without_a_memory_everything_is_run(world: World) -> None:
    world.workers = [FakeWorker("templates", GOOD)]
    world.more = {}
    assert world.pursue().state == "proven"
    first = judged(world.sandbox, BASE)
    world.sandbox = FakeSandbox(lambda texts: "a + b" in texts["calc.py"])
    world.pursue(run="r2", again=True)
    assert judged(world.sandbox, BASE) == first


def test_what_the_host_itself_said_is_not_believed_in_another_run(world: World) -> None:
    class Host(FakeSandbox):
        def identity(self) -> str:
            return "none:sha256:0"

    counts = []
    for run in ("r1", "r2"):
        world.sandbox = Host(lambda texts: "a + b" in texts["calc.py"])
        world.workers = [FakeWorker("templates", GOOD)]
        assert world.pursue(run=run, again=run == "r2").state == "proven"
        counts.append(judged(world.sandbox, BASE))
    assert counts[0] == counts[1]


def test_a_verdict_that_proves_nothing_is_certified_as_just_that(world: World) -> None:
    world.sandbox = FakeSandbox(lambda texts: True)
    world.workers = [FakeWorker("local", GOOD)]
    report = world.pursue()
    assert report.state == "unproven" and report.pull is not None
    assert certificates.read(certificates.found_in(report.pull.body) or "").state == "inconclusive"
