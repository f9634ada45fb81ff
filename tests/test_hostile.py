"""Hostile candidates, through trial and certificate, in every sandbox: none is called green, none harms the host."""

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitagent.adapters.bubblewrap import BubblewrapSandbox
from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.core import hostility, testing
from gitagent.core.verdicts import judge
from gitagent.ports import Sandbox, Workspace
from gitagent.records import Candidate, TestRun
from gitagent.testruns import run_tests
from gitagent.trying import Trial, try_candidates
from tests.adapters.sandboxing import LIMITS, alive, docker_or_skip, tree
from tests.hostile import HOSTILE
from tests.proofs import candidate, lean_python
from tests.test_trying import ADD, CALC, RED

HARD = replace(LIMITS, timeout_seconds=20.0, disk_bytes=48 * 1024**2)
# These may well pass a trial, where candidates share a process with their reports; the certificate must not.
CERTIFIED = [
    "a fake result file",
    "os._exit",
    "a changed pytest",
    "deleting its tests",
    "the runner's own channel",
]
# Without a sandbox only these are let loose: they are after their verdict, not after the machine.
TAME = [*CERTIFIED, "an infinite loop", "sys.exit when imported"]


def bubblewrap() -> Sandbox:
    sandbox = BubblewrapSandbox(lean_python(copied=True))
    if reason := sandbox.probe():
        pytest.skip(f"no bubblewrap test: {reason}")
    return sandbox


@pytest.fixture(
    params=[
        pytest.param(docker_or_skip, marks=pytest.mark.docker, id="docker"),
        pytest.param(bubblewrap, marks=pytest.mark.bubblewrap, id="bubblewrap"),
        pytest.param(lambda: UnsandboxedSandbox(lean_python()), id="none"),
    ]
)
def sandbox(request: pytest.FixtureRequest) -> Any:
    return request.param()


class Host:
    """What the candidates are after, and whether they got it."""

    def __init__(self, folder: Path) -> None:
        self.secret, self.victim = folder / "secret", folder / "victim"
        self.secret.write_text("token")
        self.victim.mkdir()
        self.marker = f"7{os.getpid()}{time.time_ns() % 10**6}"
        self.server = socket.create_server(("0.0.0.0", 0))
        self.server.setblocking(False)
        self._processes = os.getpid(), os.getppid()
        self._clock = time.time() - time.monotonic()

    def candidate(self, attack: str) -> Candidate:
        found = os.stat("/etc/passwd")
        body = HOSTILE[attack].format(
            passwd=(found.st_size, found.st_mtime_ns),
            secret=str(self.secret),
            victim=str(self.victim),
            port=self.server.getsockname()[1],
            marker=self.marker,
        )
        return candidate({"calc.py": "def add(a, b):\n" + body})

    def is_unharmed(self) -> bool:
        with pytest.raises(BlockingIOError):
            self.server.accept()
        assert self.secret.read_text() == "token" and not list(self.victim.iterdir())
        assert alive(self.marker) == []
        assert abs(time.time() - time.monotonic() - self._clock) < 60
        return (os.getpid(), os.getppid()) == self._processes


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.server.close()


GOOD = candidate({"calc.py": ADD.format("a + b")})
COMMAND = testing.detect(CALC.keys(), CALC.get)


def tries(workspace: Workspace, candidates: list[Candidate]) -> list[Trial]:
    return list(
        try_candidates(workspace, COMMAND, red=RED, candidates=candidates, originals=CALC.get, timeout_seconds=3.0)
    )


def certificate(sandbox: Sandbox, change: Candidate, base: TestRun) -> str:
    """The state of the verdict, as the pipeline comes to it: the suite, then the red tests beside a planted one."""

    def run(workspace: Workspace, *tests: str) -> TestRun:
        return run_tests(
            workspace, COMMAND, tests=tests, tree="t", sandbox="s", timeout_seconds=15.0, planted=bool(tests)
        )

    with sandbox.open(tree(dict(CALC)), HARD) as workspace:
        workspace.write(change.texts)
        tip = run(workspace)
        if judge(base, tip, red=RED).state != "passed":
            return judge(base, tip, red=RED).state
        return judge(base, tip, red=RED, tip_again=run(workspace, *RED)).state


def based(sandbox: Sandbox) -> TestRun:
    with sandbox.open(tree(dict(CALC)), HARD) as workspace:
        return run_tests(workspace, COMMAND, tree="b", sandbox="s", timeout_seconds=20.0)


def test_limits_hold_before_anything_relies_on_them(sandbox: Any) -> None:
    if sandbox.name == "none":
        pytest.skip("without a sandbox there are no hard limits, and nothing here relies on them")
    script = """
import os
kept = []
for _ in range(200):
    try:
        pid = os.fork()
    except OSError:
        break
    if not pid:
        __import__("signal").pause()
    kept.append(pid)
print("processes", len(kept))
for pid in kept:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
try:
    with open("big", "wb") as file:
        for _ in range(100):
            file.write(bytes(2**20))
except OSError:
    pass
print("bytes", os.stat("big").st_size)
"""
    with sandbox.open(tree(dict(CALC)), HARD) as workspace:
        said = workspace.run(["python3", "-c", script], timeout_seconds=15.0).output.split()
    numbers = [int(word) for word in said if word.isdigit()]
    assert numbers[0] < HARD.processes
    assert len(numbers) < 2 or numbers[1] <= HARD.disk_bytes


def test_none_of_twenty_hostile_candidates_wins_harms_the_host_or_stops_the_queue(
    sandbox: Any, host: Host
) -> None:
    assert len(HOSTILE) == 20
    attacks = TAME if sandbox.name == "none" else list(HOSTILE)
    queue = [one for attack in attacks for one in (host.candidate(attack), _good(attack))]
    with sandbox.open(tree(dict(CALC)), HARD) as workspace:
        trials = tries(workspace, queue)
    assert host.is_unharmed()
    states = {attack: trials[2 * place].state for place, attack in enumerate(attacks)}
    after = {attack: trials[2 * place + 1] for place, attack in enumerate(attacks)}
    assert {attack: trial.reason for attack, trial in after.items() if trial.state != "passed"} == {}
    base = based(sandbox)
    assert base.state == "failed"
    doubtful = dict.fromkeys([attack for attack, state in states.items() if state == "passed"] + CERTIFIED)
    green = [attack for attack in doubtful if certificate(sandbox, host.candidate(attack), base) == "passed"]
    assert green == []
    assert certificate(sandbox, GOOD, base) == "passed"
    assert host.is_unharmed()


def _good(attack: str) -> Candidate:
    """A right answer, each with texts of its own, so that each is tried."""
    # `import` has it tried in a process of its own, as the attack before it: what that left behind would show.
    return candidate({"calc.py": ADD.format("a + b") + f"# no import after {attack}\n"})


@pytest.mark.parametrize("attack", ["a fake result file", "a changed pytest", "os._exit", "signal handlers"])
def test_what_reaches_for_the_machinery_is_refused_before_it_runs(attack: str, host: Host) -> None:
    refused = hostility.refusal(host.candidate(attack).texts, CALC.get)
    assert refused.startswith("calc.py:") and "reaches for" in refused
