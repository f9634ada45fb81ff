"""What must be true after a run was killed and taken up again, for the tests and for `python -m bench kill`."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.running import Project
from tests.github_server import GitHubServer
from tests.scripted_server import ScriptedServer

Digest = Callable[[Path], str]
SECONDS = 120
# Where a run is killed while it publishes: as the site is asked, and when it has done what was asked.
PUBLISHING = (("push", "before"), ("push", "after"), ("open", "before"), ("open", "after"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """How a killed run ended after all: `resumes` it took, model calls and test runs that were paid twice."""

    killed: bool
    resumes: int
    paid_twice: int
    tested_twice: int


class DeadlySite(GitHubServer):
    """A GitHub at which whoever asks for `what` dies: before it is done, or after, with no answer either way."""

    what = moment = ""
    kill: Callable[[], None]

    def git(
        self, method: str, path: str, headers: Mapping[str, str], sent: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        is_push = method == "POST" and path.endswith("/git-receive-pack")
        if is_push and self._strikes("push", "before"):
            return 503, {}, b""
        answer = super().git(method, path, headers, sent)
        if is_push:
            self._strikes("push", "after")
        return answer

    def answer(self, method: str, path: str, data: Any) -> tuple[int, Mapping[str, str], Any]:
        is_opening = (method, path.endswith("/pulls")) == ("POST", True)
        if is_opening and self._strikes("open", "before"):
            return 503, {}, {}
        answer = super().answer(method, path, data)
        if is_opening:
            self._strikes("open", "after")
        return answer

    def _strikes(self, what: str, moment: str) -> bool:
        if (what, moment) != (self.what, self.moment):
            return False
        self.what = ""
        self.kill()
        return True


class Copy(Project):
    """One project to die in, with a site of its own if it is hosted, and the list of its test runs."""

    def __init__(self, root: Path, temporary: Path, env: Mapping[str, str], stack: contextlib.ExitStack) -> None:
        super().__init__(root, temporary)
        self.log, self.stack = temporary.with_suffix(".log"), stack
        self.env = {**env, "KILLING_LOG": str(self.log)}
        self.site: DeadlySite | None = None

    def host(self, kind: type[DeadlySite] = DeadlySite) -> None:
        """Make it the clone of a repository on a GitHub of its own."""
        bare = self.root.with_suffix(".git")
        self.git("clone", "--quiet", "--bare", ".", str(bare))
        self.site = self.stack.enter_context(kind(str(bare)).listening())  # type: ignore[assignment]
        assert self.site is not None
        self.git("remote", "add", "origin", f"{self.site.url}/ada/shop.git")
        self.env |= {"GITAGENT_FORGE_BASE_URL": self.site.url, "GITHUB_TOKEN": "t0ken"}

    def tested_twice(self) -> int:
        """Test runs of the same tree, tests and turn beyond the first."""
        runs = Counter(self.log.read_text().split("\n")[:-1]) if self.log.exists() else Counter[str]()
        return sum(runs.values()) - len(runs)


class Victim:
    """One project, copied for each death; what an undisturbed run leaves is what every other must leave."""

    def __init__(
        self,
        project: Project,
        command: Sequence[str],
        work: Path,
        *,
        env: Mapping[str, str],
        digest: Digest,
        hosted: bool = False,
    ) -> None:
        self._project, self._command, self._work = project, tuple(command), work
        self._env, self._digest, self._hosted = dict(env), digest, hosted
        self._number = 0
        count = work / "count"
        with contextlib.ExitStack() as stack:
            undisturbed = self._copy(stack)
            done = self._run(undisturbed, "count", str(count))
            assert done.returncode in (0, 1), done.stderr
            self.code = done.returncode
            self.writes = int(count.read_text())
            self.tree = self._tree(undisturbed)
            self._tested_twice = undisturbed.tested_twice()

    def dies(self, moment: str, write: int, server: ScriptedServer | None = None) -> Survival:
        """Killed at a write to the journal, `before` it or `after`, then taken up again until it has ended."""
        with contextlib.ExitStack() as stack:
            copy = self._copy(stack)
            asked = len(server.chats) if server else 0
            done = self._run(copy, moment, str(write))
            assert done.returncode in (-signal.SIGKILL, self.code), (done.returncode, done.stderr)
            return self._survived(copy, server, asked, done.returncode < 0)

    def dies_after(self, seconds: float, server: ScriptedServer | None = None) -> Survival:
        """Killed with its whole process group after so long, then taken up again until it has ended."""
        with contextlib.ExitStack() as stack:
            copy = self._copy(stack)
            asked = len(server.chats) if server else 0
            process = self._start(copy, "log", "0")
            try:
                process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
            return self._survived(copy, server, asked, process.returncode < 0)

    def dies_publishing(self, what: str, moment: str) -> Survival:
        """Killed while the site is asked for one of PUBLISHING, then taken up again."""
        with contextlib.ExitStack() as stack:
            copy = self._copy(stack)
            assert copy.site is not None
            copy.site.what, copy.site.moment = what, moment
            process = self._start(copy, "log", "0")
            copy.site.kill = lambda: os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=SECONDS)
            return self._survived(copy, None, 0, process.returncode < 0)

    def _survived(self, copy: Copy, server: ScriptedServer | None, asked: int, killed: bool) -> Survival:
        resumes = 0
        if killed:
            runs = copy.refs("refs/gitagent/runs/")
            words = ("resume", *(run.rsplit("/", 1)[1] for run in runs))
            if not runs:  # killed before it was written down: nothing was begun, so it is asked for again
                assert copy.refs("refs/gitagent/") == copy.branches() == []
                words = self._command
            done = self._run(copy, "log", "0", words)
            resumes = 1
            assert done.returncode in (0, self.code) and "Traceback" not in done.stderr, done.stderr
        assert self._tree(copy) == self.tree
        assert len(copy.branches()) == 1, copy.branches()
        self._published_once(copy)
        if copy.site is not None:
            for noted in ("refs/remotes", "logs/refs/remotes"):  # by git itself, of the push
                shutil.rmtree(copy.root / ".git" / noted, ignore_errors=True)
        left = [file.name for file in (copy.root / ".git/gitagent").glob("*")]
        assert all(name.startswith("index.sqlite") for name in left), left  # no lock
        assert self._digest(copy.root) == self.before
        copy.git("gc", "--quiet", "--prune=now")
        assert copy.git("fsck", "--strict", "--no-progress") == ""
        assert self._tree(copy) == self.tree
        calls = Counter(repr(chat.body) for chat in server.chats[asked:]) if server else Counter[str]()
        shutil.rmtree(copy.root)
        return Survival(
            killed=killed,
            resumes=resumes,
            paid_twice=sum(calls.values()) - len(calls),
            tested_twice=max(copy.tested_twice() - self._tested_twice, 0),
        )

    def _published_once(self, copy: Copy) -> None:
        if copy.site is None:
            assert copy.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]
            return
        (pull,) = copy.site.pulls.values()
        (branch,) = copy.branches()
        assert f"refs/heads/{pull['head']}" == branch and pull["state"] == "open" and pull["draft"]
        assert copy.site.tip(pull["head"]) == copy.git("rev-parse", branch)
        there = ["git", "-C", copy.site.remote, "for-each-ref", "--format=%(refname)", "refs/heads/gitagent/"]
        assert subprocess.run(there, capture_output=True, text=True, check=True).stdout.split() == [branch]

    def _copy(self, stack: contextlib.ExitStack) -> Copy:
        self._number += 1
        root = self._work / f"copy-{self._number}"
        shutil.copytree(self._project.root, root, symlinks=True)
        copy = Copy(root, self._work / f"temporary-{self._number}", self._env, stack)
        copy.git("update-index", "--refresh")
        if self._hosted:
            copy.host()
        self.before = self._digest(root)
        return copy

    def _tree(self, project: Project) -> str:
        (branch,) = project.branches()
        return project.git("rev-parse", f"{branch}^{{tree}}")

    def _start(
        self, copy: Copy, mode: str, where: str, words: Sequence[str] | None = None
    ) -> "subprocess.Popen[str]":
        root = str(Path(__file__).parents[1])
        return subprocess.Popen(
            [sys.executable, "-m", "tests.killing", mode, where, *(words or self._command)],
            cwd=copy.root,
            env=copy.environment(copy.env) | {"PYTHONPATH": root},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _run(
        self, copy: Copy, mode: str, where: str, words: Sequence[str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        process = self._start(copy, mode, where, words)
        out, err = process.communicate(timeout=SECONDS)
        if process.returncode < 0:
            kill_group(process.pid)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def kill_group(group: int) -> None:
    """End what a killed process left running; nobody may be left to end."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
