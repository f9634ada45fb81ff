"""Sandboxes of kernel namespaces through bubblewrap: what there is where no container engine runs."""

import contextlib
import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from gitagent.adapters import cgroups, processes, pythons, workfiles
from gitagent.adapters.toolchains import Toolchains, link_modules
from gitagent.errors import SandboxError
from gitagent.records import Execution, SandboxLimits

_HINT = "install bubblewrap 0.8 or newer (apt install bubblewrap), install docker or podman, or say --sandbox none"
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "mime.types",
    "services",
    "protocols",
    "maven/m2.conf",  # Debian keeps them here; its settings.xml beside them may hold passwords
    "maven/logging",
)
_OWN_PLACES = ("/usr", "/proc", "/sys", "/dev", "/etc", "/run", *(f"/{name}" for name in _SYSTEM))
_NOBODY = 65534
_END_SECONDS = 10.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHM_BYTES = 64 * 1024**2
_MODULES = "/opt/gitagent/node_modules"  # where node looks for what packages there need
_TMP = "/tmp"  # the sandbox's own, a directory of ours on the host


class BubblewrapSandbox:
    """Runs commands with the host's /usr and one Python environment to read, and nothing else of the host.

    `repository` is where the user's checkout lies: the tree then appears under that path, so that editable
    installs in its environment find the tree under test and not the checkout. `read_only` are further
    host directories to show; their `bin` goes on PATH. `toolchains` are those of the project's language.
    """

    name = "bubblewrap"

    def __init__(
        self,
        python: str | None = None,
        *,
        repository: str | None = None,
        read_only: Sequence[str] = (),
        toolchains: Toolchains | None = None,
    ) -> None:
        self._asked_python = python or sys.executable
        self._tools = toolchains or Toolchains()
        self._read_only = tuple(os.path.abspath(path) for path in read_only)
        self._root = "/workspace"
        if repository:
            real = os.path.realpath(repository)
            if (
                real != "/"
                and not any((real + "/").startswith(place + "/") for place in _OWN_PLACES)
                and real != _TMP
            ):
                self._root = real

    def identity(self) -> str:
        """`bubblewrap:sha256:…` over the system's release, the Python and what is installed in it."""
        facts = [self._python.executable, self._python.digest, *os.uname()[2:]]
        facts += [self._tools.digest] if self._tools.digest else []
        with contextlib.suppress(OSError), open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            facts.append(file.read())
        return "bubblewrap:sha256:" + hashlib.sha256("\0".join(facts).encode("utf-8", "replace")).hexdigest()

    def probe(self) -> str:
        """Why it does not work here, or "" if it does."""
        if not self._program:
            return "bwrap is not installed"
        argv = [*self._namespaces(), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
        try:
            tried = subprocess.run(argv, capture_output=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bwrap does not run: {error}"
        said = tried.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        return f"bwrap may not make namespaces here ({said})" if tried.returncode else ""

    @contextlib.contextmanager
    def open(self, fill: Callable[[str], None], limits: SandboxLimits) -> Iterator["BubblewrapWorkspace"]:
        """A fresh workspace in a temporary directory of the host. Raises SandboxError if bwrap does not work."""
        if not self._program:
            raise SandboxError("bubblewrap is not installed.", hint=_HINT)
        python = self._python
        with workfiles.temporary("gitagent-bwrap-") as directory, cgroups.control_group(limits) as groups:
            for name in ("work", "tmp", "etc"):
                os.mkdir(os.path.join(directory, name))
            work, tmp = os.path.join(directory, "work"), os.path.join(directory, "tmp")
            fill(work)
            link_modules(self._tools.modules, work, _MODULES)
            os.mkdir(os.path.join(tmp, "home"))
            self._write_etc(os.path.join(directory, "etc"))
            if self._user is not None:
                workfiles.give(work, self._user)
                workfiles.give(tmp, self._user)
            view = self._view(directory, python)
            tools = [*(os.path.join(path, "bin") for path in self._read_only), *self._tools.programs]
            more = self._tools.environment
            yield BubblewrapWorkspace(view, directory, self._root, python, limits, groups, self._user, tools, more)

    @cached_property
    def _program(self) -> str | None:
        return shutil.which("bwrap")

    @cached_property
    def _python(self) -> pythons.Python:
        return pythons.describe(self._asked_python)

    @property
    def _user(self) -> int | None:
        # Inside a user namespace root's files would still be root's own; so root becomes nobody for good.
        return _NOBODY if os.geteuid() == 0 else None

    def _namespaces(self) -> list[str]:
        own = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        if self._user is None:
            own += ["--unshare-user", "--uid", str(_NOBODY), "--gid", str(_NOBODY)]
        own += ["--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox", "--cap-drop", "ALL"]
        if self._user is not None:
            own += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]  # given up on becoming nobody
        return [self._program or "bwrap", *own]

    def _write_etc(self, directory: str) -> None:
        texts = {
            "passwd": f"sandbox:x:{_NOBODY}:{_NOBODY}::{_TMP}/home:/bin/sh\n",
            "group": f"sandbox:x:{_NOBODY}:\n",
            "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
            "hostname": "sandbox\n",
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        }
        for name, text in texts.items():
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(os.path.join(directory, name), 0o644)

    def _view(self, directory: str, python: pythons.Python) -> list[str]:
        """The argv up to the command: what of the host is to be seen, and how."""
        argv = [*self._namespaces(), *_parents("/etc/x"), "--ro-bind", "/usr", "/usr"]
        for name in _SYSTEM:
            if os.path.islink(f"/{name}"):
                argv += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
            elif os.path.isdir(f"/{name}"):
                argv += ["--ro-bind", f"/{name}", f"/{name}"]
        argv += ["--ro-bind-try", "/nix/store", "/nix/store"]
        for name in _ETC:
            argv += [*_parents(f"/etc/{name}"), "--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        etc = os.path.join(directory, "etc")
        for name in sorted(os.listdir(etc)):
            argv += ["--ro-bind", os.path.join(etc, name), f"/etc/{name}"]
        argv += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(_SHM_BYTES)]
        argv += ["--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--bind", os.path.join(directory, "tmp"), _TMP]
        argv += [*_parents(self._root), "--bind", os.path.join(directory, "work"), self._root]
        if self._tools.modules:
            argv += [*_parents(_MODULES), "--ro-bind", self._tools.modules, _MODULES]
        shown = ["/usr", "/nix/store"]
        for path in sorted(self._exposed(python)):
            if os.path.isdir(path) and not any((path + "/").startswith(place + "/") for place in shown):
                argv += [*_parents(path), "--ro-bind", path, path]
                shown.append(path)
        for link, target in self._links(python):
            if not any((link + "/").startswith(place + "/") for place in shown) and link.count("/") > 1:
                argv += [*_parents(link), "--symlink", target, link]
                shown.append(link)
        return [*argv, "--remount-ro", "/", "--chdir", self._root]

    def _exposed(self, python: pythons.Python) -> set[str]:
        """Host directories to show read-only; never the checkout itself, whose place the tree takes."""
        own = pythons.describe(os.path.realpath(sys.executable))
        wanted = {*python.roots, *own.roots, *self._read_only, *self._tools.read_only}
        real = {os.path.realpath(path) for path in wanted}
        tree = self._root + "/"
        return {path for path in wanted | real if path != "/" and not tree.startswith(path.rstrip("/") + "/")} - {
            path for path in python.paths if path.startswith(tree) and not path.startswith(python.prefix + "/")
        }

    def _links(self, python: pythons.Python) -> list[tuple[str, str]]:
        return list(
            dict.fromkeys([*pythons.links_on_the_way(python.executable), *pythons.links_on_the_way(python.prefix)])
        )


def _parents(path: str) -> list[str]:
    """Makes the directories above a path; those bwrap makes by itself can be entered by root alone."""
    argv: list[str] = []
    while (path := os.path.dirname(path)) != "/":
        argv[:0] = ["--perms", "0755", "--dir", path]
    return argv


def _await_end(info: bytes) -> None:
    """Wait until the namespace's first process is gone, and with it all others.

    bwrap itself ends, or is killed, a moment before. `info` is what it wrote to --info-fd.
    """
    try:
        pid = int(json.loads(info)["child-pid"])
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            if file.read().strip() != "bwrap":
                return  # long gone, the number is another's by now
        handle = os.pidfd_open(pid)
    except (ValueError, LookupError, OSError):
        return
    try:
        select.select([handle], [], [], _END_SECONDS)
    finally:
        os.close(handle)


class BubblewrapWorkspace:
    """One tree in a host directory, shown to each command at the same path inside."""

    def __init__(
        self,
        view: list[str],
        directory: str,
        root: str,
        python: pythons.Python,
        limits: SandboxLimits,
        groups: tuple[str, ...],
        user: int | None,
        tools: Sequence[str],
        more: Mapping[str, str],
    ) -> None:
        self._view = view
        self._work = os.path.join(directory, "work")
        self._tmp = os.path.join(directory, "tmp")
        self._root = root
        self._python = python
        self._limits = limits
        self._groups = groups
        self._user = user
        self._tools = tuple(tools)
        self._more = more
        self._clock = workfiles.Clock()

    def write(self, texts: Mapping[str, str | None]) -> None:
        """Replace files by whole new texts, keyed by path; None deletes."""
        workfiles.write(self._work, texts, self._clock.tick(), self._user)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes = b"",
        collect: Sequence[str] = (),
    ) -> Execution:
        """Run a command at the tree's root, in namespaces of its own that end with it."""
        path = ":".join([self._python.bin, *self._tools, _PATH])
        env: list[str] = []
        for name, value in processes.environment(f"{_TMP}/home", path, self._more).items():
            env += ["--setenv", name, value]
        stage = processes.staged(
            argv,
            self._limits,
            timeout_seconds,
            user=self._user,
            processes=self._limits.processes,
            grouped=bool(self._groups),
        )
        told, tell = os.pipe()
        try:
            ended = processes.run(
                cgroups.joining(self._groups, [*self._view, *env, "--info-fd", str(tell), "--", *stage]),
                env={"PATH": os.defpath},
                cwd="/",
                stdin=stdin,
                timeout_seconds=timeout_seconds,
                output_bytes=self._limits.output_bytes,
                watch=self._over_disk,
                pass_fds=(tell,),
            )
        finally:
            os.close(tell)
            with open(told, "rb") as info:
                _await_end(info.read())
        if ended.exit_code and ended.output.startswith("bwrap: "):
            raise SandboxError(f"bubblewrap failed: {ended.output.strip().split(chr(10))[0]}", hint=_HINT)
        return processes.execution(argv, ended, {path: self._collected(path) for path in collect})

    def _over_disk(self) -> str:
        if workfiles.disk_bytes(self._work, self._tmp) > self._limits.disk_bytes:
            return f"its files took more than {self._limits.disk_bytes} bytes of disk"
        return ""

    def _collected(self, path: str) -> bytes | None:
        for root, at in ((self._root, self._work), (_TMP, self._tmp)):
            if path.startswith(root + "/"):
                return workfiles.read(at, path[len(root) + 1 :])
        return None
