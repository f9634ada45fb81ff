"""What must be true after a run was killed and taken up again, for the tests and for `python -m bench kill`."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.running import Project
from tests.scripted_server import ScriptedServer

Digest = Callable[[Path], str]
SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """How a killed run ended after all: `resumes` it took, model calls that were paid twice."""

    killed: bool
    resumes: int
    paid_twice: int


class Victim:
    """One project, copied for each death; what an undisturbed run leaves is what every other must leave."""

    def __init__(
        self, project: Project, command: Sequence[str], work: Path, *, env: Mapping[str, str], digest: Digest
    ) -> None:
        self._project, self._command, self._work = project, tuple(command), work
        self._env, self._digest = dict(env), digest
        self._number = 0
        undisturbed = self._copy()
        count = work / "count"
        done = self._run(undisturbed, [sys.executable, "-m", "tests.killing", "count", str(count)])
        assert done.returncode in (0, 1), done.stderr
        self.code = done.returncode
        self.writes = int(count.read_text())
        self.tree = self._tree(undisturbed)

    def dies(self, moment: str, write: int, server: ScriptedServer | None = None) -> Survival:
        """Killed at a write to the journal, `before` it or `after`, then taken up again until it has ended."""
        copy = self._copy()
        asked = len(server.chats) if server else 0
        done = self._run(copy, [sys.executable, "-m", "tests.killing", moment, str(write)])
        assert done.returncode in (-signal.SIGKILL, self.code), (done.returncode, done.stderr)
        return self._survived(copy, server, asked, done.returncode < 0)

    def dies_after(self, seconds: float, server: ScriptedServer | None = None) -> Survival:
        """Killed with its whole process group after so long, then taken up again until it has ended."""
        copy = self._copy()
        asked = len(server.chats) if server else 0
        process = self._start(copy, [sys.executable, "-m", "gitagent"])
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        return self._survived(copy, server, asked, process.returncode < 0)

    def _survived(self, copy: Project, server: ScriptedServer | None, asked: int, killed: bool) -> Survival:
        resumes = 0
        if killed:
            runs = copy.refs("refs/gitagent/runs/")
            resume = [sys.executable, "-m", "gitagent", "resume", *(run.rsplit("/", 1)[1] for run in runs)]
            if not runs:  # killed before it was written down: nothing was begun, so it is asked for again
                assert copy.refs("refs/gitagent/") == copy.branches() == []
                resume = [sys.executable, "-m", "gitagent", *self._command]
            done = subprocess.run(
                resume, cwd=copy.root, env=copy.environment(self._env), capture_output=True, text=True,
                timeout=SECONDS, check=False,
            )  # fmt: skip
            resumes = 1
            assert done.returncode in (0, self.code) and "Traceback" not in done.stderr, done.stderr
        assert self._tree(copy) == self.tree
        assert len(copy.branches()) == 1, copy.branches()
        assert copy.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]
        assert not (copy.root / ".git/gitagent").exists()
        assert self._digest(copy.root) == self.before
        copy.git("gc", "--quiet", "--prune=now")
        assert copy.git("fsck", "--strict", "--no-progress") == ""
        assert self._tree(copy) == self.tree
        calls = Counter(repr(chat.body) for chat in server.chats[asked:]) if server else Counter[str]()
        shutil.rmtree(copy.root)
        return Survival(killed=killed, resumes=resumes, paid_twice=sum(calls.values()) - len(calls))

    def _copy(self) -> Project:
        self._number += 1
        root = self._work / f"copy-{self._number}"
        shutil.copytree(self._project.root, root, symlinks=True)
        copy = Project(root, self._work / f"temporary-{self._number}")
        copy.git("update-index", "--refresh")
        self.before = self._digest(root)
        return copy

    def _tree(self, project: Project) -> str:
        (branch,) = project.branches()
        return project.git("rev-parse", f"{branch}^{{tree}}")

    def _start(self, copy: Project, program: list[str]) -> "subprocess.Popen[str]":
        root = str(Path(__file__).parents[1])
        return subprocess.Popen(
            [*program, *self._command],
            cwd=copy.root,
            env=copy.environment(self._env) | {"PYTHONPATH": root},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _run(self, copy: Project, program: list[str]) -> "subprocess.CompletedProcess[str]":
        process = self._start(copy, program)
        out, err = process.communicate(timeout=SECONDS)
        if process.returncode < 0:
            kill_group(process.pid)
        return subprocess.CompletedProcess(program, process.returncode, out, err)


def kill_group(group: int) -> None:
    """End what a killed process left running; nobody may be left to end."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
