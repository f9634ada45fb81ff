"""A run that is killed anywhere goes on where it was, and leaves what an undisturbed one leaves."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.running import RED, Project
from tests.e2e.test_api import endpoint
from tests.scripted_server import Answer, Asked, ScriptedServer
from tests.surviving import PUBLISHING, Victim

Digest = Callable[[Path], str]
ANSWER = "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a {} b\n"


def second_time_right(asked: Asked) -> Answer:
    """A wrong answer first, and the right one to whoever tells what was wrong with it."""
    return Answer(text=ANSWER.format("+" if "Refused last time" in asked.prompt else "*"))


@pytest.fixture
def digest(untouched: Digest) -> Digest:
    return untouched


def test_killed_at_a_write_to_its_journal_a_run_goes_on_to_the_same_end(
    calc: Project, tmp_path: Path, digest: Digest
) -> None:
    victim = Victim(calc, ("fix", "--test", RED), tmp_path, env={}, digest=digest)
    assert victim.writes >= 4
    # Before and after it in turn; `python -m bench kill` leaves none out.
    for write in range(1, victim.writes + 1):
        survival = victim.dies("before" if write % 2 else "after", write)
        assert survival.killed and survival.tested_twice == 0


def test_no_answer_that_was_written_down_is_paid_for_twice(calc: Project, tmp_path: Path, digest: Digest) -> None:
    with ScriptedServer(second_time_right) as server:
        env = endpoint(server) | {"GITAGENT_TEMPLATES_ENABLED": "false"}
        victim = Victim(calc, ("fix", "--test", RED, "--api"), tmp_path, env=env, digest=digest)
        # What may wait is written with what comes next, so on a fast machine the last writes may not come.
        for write, is_sure in ((victim.writes // 2, True), (victim.writes, False)):
            survival = victim.dies("after", write, server)
            assert survival.paid_twice == 0 and (survival.killed or not is_sure)


def test_killed_at_any_moment_a_run_goes_on_to_the_same_end(calc: Project, tmp_path: Path, digest: Digest) -> None:
    victim = Victim(calc, ("fix", "--test", RED), tmp_path, env={}, digest=digest)
    chance = random.Random(7)
    for _ in range(6):
        assert victim.dies_after(chance.uniform(0.2, 2.5)).tested_twice == 0


def test_killed_while_it_publishes_a_run_leaves_one_branch_and_one_pull_request_on_the_site(
    calc: Project, tmp_path: Path, digest: Digest
) -> None:
    victim = Victim(calc, ("fix", "--test", RED, "--yes"), tmp_path, env={}, digest=digest, hosted=True)
    for what, moment in PUBLISHING[1::2]:  # those in which the site did what was asked; the bench has them all
        survival = victim.dies_publishing(what, moment)
        assert survival.killed and survival.tested_twice == 0
