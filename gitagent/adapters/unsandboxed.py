"""No sandbox at all, on the user's explicit word: a temporary directory, a bare environment, limits, a clean end.

The command can read and write whatever the user can and use the network. What it starts is killed with it, unless
it kills its guardian first or is started for it by somebody else (cron, systemd, a container engine).
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from gitagent.adapters import cgroups, processes, pythons, workfiles
from gitagent.adapters.toolchains import Toolchains, link_modules
from gitagent.records import Execution, SandboxLimits

_PASSED_ON = (
    "LANG",
    "LC_ALL",
    "TZ",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
    "JAVA_HOME",
    "GOROOT",
    "RUSTUP_HOME",
    "CARGO_HOME",
)


class UnsandboxedSandbox:
    """Runs commands on the host itself. `repository` is the checkout that editable installs may point into."""

    name = "none"

    def __init__(
        self, python: str | None = None, *, repository: str | None = None, toolchains: Toolchains | None = None
    ) -> None:
        self._asked_python = python or sys.executable
        self._tools = toolchains or Toolchains()
        self._repository = repository

    def identity(self) -> str:
        """`none:sha256:…` over the Python and what is installed in it."""
        return f"none:sha256:{self._python.digest}"

    @contextlib.contextmanager
    def open(self, fill: Callable[[str], None], limits: SandboxLimits) -> Iterator["UnsandboxedWorkspace"]:
        """A fresh workspace in a temporary directory."""
        python = self._python
        with workfiles.temporary("gitagent-none-") as directory, cgroups.control_group(limits) as groups:
            for name in ("work", "home", "tmp"):
                os.mkdir(os.path.join(directory, name))
            fill(os.path.join(directory, "work"))
            link_modules(self._tools.modules, os.path.join(directory, "work"))
            more = self._tools.environment
            yield UnsandboxedWorkspace(directory, python, self._repository, limits, groups, more)

    @cached_property
    def _python(self) -> pythons.Python:
        return pythons.describe(self._asked_python)


class UnsandboxedWorkspace:
    """One tree in a temporary directory of the host."""

    def __init__(
        self,
        directory: str,
        python: pythons.Python,
        repository: str | None,
        limits: SandboxLimits,
        groups: tuple[str, ...],
        more: Mapping[str, str],
    ) -> None:
        self._directory = directory
        self._work = os.path.join(directory, "work")
        self._python = python
        self._repository = repository
        self._limits = limits
        self._groups = groups
        self._more = more
        self._clock = workfiles.Clock()

    def write(self, texts: Mapping[str, str | None]) -> None:
        """Replace files by whole new texts, keyed by path; None deletes."""
        workfiles.write(self._work, texts, self._clock.tick())

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes = b"",
        collect: Sequence[str] = (),
    ) -> Execution:
        """Run a command at the tree's root behind a guardian that kills what it leaves.

        /tmp is the host's own here: of it only files named `gitagent-…` are collected, and are removed before and
        after.
        """
        self._clear(collect)
        stage = processes.staged(
            argv,
            self._limits,
            timeout_seconds,
            guard=True,
            processes=None if self._groups else _threads_now() + self._limits.processes,
            grouped=bool(self._groups),
        )
        ended = processes.run(
            cgroups.joining(self._groups, stage),
            env=self._environment(),
            cwd=self._work,
            stdin=stdin,
            timeout_seconds=timeout_seconds,
            output_bytes=self._limits.output_bytes,
            watch=self._over_disk,
        )
        files = {path: self._collected(path) for path in collect}
        self._clear(collect)
        return processes.execution(argv, ended, files)

    def _environment(self) -> dict[str, str]:
        path = f"{self._python.bin}:{os.environ.get('PATH', os.defpath)}"
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # Editable installs point at the user's checkout; the tree under test has to come before it.
        paths = pythons.source_paths(self._python, self._repository or self._work, self._work)
        extra = {"TMPDIR": os.path.join(self._directory, "tmp")} | (
            {"PYTHONPATH": ":".join(paths)} if paths else {}
        )
        return processes.environment(os.path.join(self._directory, "home"), path, passed | {**self._more} | extra)

    def _over_disk(self) -> str:
        if workfiles.disk_bytes(self._directory) > self._limits.disk_bytes:
            return f"its files took more than {self._limits.disk_bytes} bytes of disk"
        return ""

    def _collected(self, path: str) -> bytes | None:
        if path.startswith(self._directory + "/"):
            return workfiles.read(self._directory, path[len(self._directory) + 1 :])
        return workfiles.read("/tmp", path.removeprefix("/tmp/")) if _is_ours(path) else None

    def _clear(self, collect: Sequence[str]) -> None:
        for path in collect:
            if _is_ours(path):
                with contextlib.suppress(OSError):
                    os.unlink(path)


def _is_ours(path: str) -> bool:
    return os.path.dirname(path) == "/tmp" and os.path.basename(path).startswith("gitagent-")


def _threads_now() -> int:
    """How many threads the system runs: RLIMIT_NPROC counts all of the user's, and most of them may be his."""
    try:
        with open("/proc/loadavg", encoding="ascii") as file:
            return int(file.read().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return 4096
