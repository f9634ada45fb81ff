"""Running one host process with a deadline and bounded output, and the limits every host backend shares."""

import contextlib
import math
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gitagent.errors import SandboxError
from gitagent.records import Execution, SandboxLimits

_CHUNK = 64 * 1024
_WATCH_SECONDS = 1.0
_GRACE_SECONDS = 5.0


class Clipped:
    """Collects output and keeps at most `limit` bytes of it: its beginning and its end."""

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._head_room = max(limit, 2) // 2
        self._tail_room = max(limit, 2) - self._head_room
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self.total += len(data)
        room = self._head_room - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail.append(data)
            self._tail_bytes += len(data)
            while self._tail_bytes - len(self._tail[0]) >= self._tail_room:
                self._tail_bytes -= len(self._tail.popleft())

    def text(self) -> str:
        """What was kept, as text; where the middle is missing a line says how much."""
        tail = b"".join(self._tail)[-self._tail_room :]
        cut = self.total - len(self._head) - len(tail)
        if not cut:
            return (self._head + tail).decode("utf-8", "replace")
        head = self._head.decode("utf-8", "replace")
        return f"{head}\n[gitagent: {cut} bytes of output cut here]\n{tail.decode('utf-8', 'replace')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A process that ended. `exit_code` is None when it was stopped; `stopped` then says why ("time" or words)."""

    exit_code: int | None
    output: str
    seconds: float
    stopped: str = ""


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    stdin: bytes,
    timeout_seconds: float,
    output_bytes: int,
    watch: Callable[[], str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Finished:
    """Run a process in its own session until it ends, its time is up, or `watch` (asked each second) objects.

    To stop it, SIGTERM goes to it (a guardian then kills what it guards) and SIGKILL to its whole group after
    that. Raises SandboxError if it cannot be started.
    """
    started = time.monotonic()
    clipped = Clipped(output_bytes)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
            umask=0o022,
            pass_fds=pass_fds,
        )
    except OSError as error:
        raise SandboxError(f"{argv[0]} cannot be started: {error.strerror or error}") from error
    stopped = ""
    try:
        stopped = _attend(process, stdin, clipped, started + timeout_seconds, watch)
    finally:
        stop(process)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
    code = process.returncode
    return Finished(
        exit_code=None if stopped else 128 - code if code < 0 else code,
        output=clipped.text(),
        seconds=time.monotonic() - started,
        stopped=stopped,
    )


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its group; a guardian among them is given a moment to end those who left the group."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _attend(
    process: "subprocess.Popen[bytes]",
    stdin: bytes,
    clipped: Clipped,
    deadline: float,
    watch: Callable[[], str] | None,
) -> str:
    """Feed and read until the process has ended; why it has to be stopped, or ""."""
    assert process.stdin
    assert process.stdout
    waiting = memoryview(stdin)
    ended, told = socket.socketpair()
    waiter = threading.Thread(target=_tell_end, args=(process, told), daemon=True)
    with ended, selectors.DefaultSelector() as selector:
        waiter.start()
        selector.register(ended, selectors.EVENT_READ)
        os.set_blocking(process.stdout.fileno(), False)
        selector.register(process.stdout, selectors.EVENT_READ)
        if waiting:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        else:
            process.stdin.close()
        next_watch = time.monotonic() + _WATCH_SECONDS
        last_words = math.inf
        while True:
            now = time.monotonic()
            if now >= last_words:
                return ""  # it has ended, but somebody out of our reach holds its output open
            if now >= deadline and last_words == math.inf:
                return "time"
            if watch and now >= next_watch:
                if reason := watch():
                    return reason
                # Looking must stay cheap beside what is looked at.
                next_watch = time.monotonic() + max(_WATCH_SECONDS, 20 * (time.monotonic() - now))
            until = min(deadline if last_words == math.inf else last_words, next_watch if watch else math.inf)
            for key, _ in selector.select(max(until - now, 0)):
                if key.fileobj is process.stdout:
                    try:
                        data = os.read(process.stdout.fileno(), _CHUNK)
                    except BlockingIOError:
                        continue
                    if data:
                        clipped.add(data)
                        continue
                    selector.unregister(process.stdout)
                    if last_words < math.inf:
                        return ""
                elif key.fileobj is process.stdin:
                    try:
                        waiting = waiting[os.write(process.stdin.fileno(), waiting[:_CHUNK]) :]
                    except BlockingIOError:
                        continue
                    except BrokenPipeError:
                        waiting = waiting[:0]
                    if not waiting:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                else:
                    selector.unregister(ended)
                    waiter.join()
                    if process.stdout not in selector.get_map():
                        return ""
                    last_words = time.monotonic() + _GRACE_SECONDS


def _tell_end(process: "subprocess.Popen[bytes]", told: socket.socket) -> None:
    with told:
        process.wait()


@cache
def _stage_source() -> str:
    return (Path(__file__).parent.parent / "inside" / "stage.py").read_text(encoding="utf-8")


def staged(
    argv: Sequence[str],
    limits: SandboxLimits,
    timeout_seconds: float,
    *,
    guard: bool = False,
    user: int | None = None,
    processes: int | None = None,
    grouped: bool = False,
) -> list[str]:
    """The argv that runs `argv` behind `inside/stage.py`, which see for `guard` and `user`.

    `processes` is the RLIMIT_NPROC to set, None to leave it; `grouped`: a control group already bounds memory
    and processors.
    """
    order = {
        "CORE": 0,
        "FSIZE": limits.disk_bytes,
        "CPU": math.ceil(timeout_seconds * max(limits.cpus, 1)) + 1,
    }
    if not grouped:
        # RLIMIT_DATA and not RLIMIT_AS: node, go and java reserve far more addresses than they use.
        order["DATA"] = limits.memory_bytes
    if processes is not None:
        order["NPROC"] = processes
    if guard:
        order["guard"] = os.getpid()
    if user is not None:
        order["user"] = user
    if not guard and (tools := _tools()):
        return [*_with_tools(order, *tools), *argv]
    words = " ".join(f"{name}={value}" for name, value in order.items())
    return [os.path.realpath(sys.executable), "-I", "-S", "-c", _stage_source(), words, *argv]


@cache
def _tools() -> tuple[str, str] | None:
    """util-linux does the same as `inside/stage.py` in a tenth of the time, where it is installed."""
    found = shutil.which("prlimit", path="/usr/bin:/bin"), shutil.which("setpriv", path="/usr/bin:/bin")
    return (found[0], found[1]) if found[0] and found[1] else None


def _with_tools(order: Mapping[str, int], prlimit: str, setpriv: str) -> list[str]:
    argv = [prlimit, *(f"--{name.lower()}={value}" for name, value in order.items() if name.isupper()), "--"]
    if "user" in order:
        who = str(order["user"])
        argv += [setpriv, "--reuid", who, "--regid", who, "--clear-groups", "--inh-caps=-all", "--"]
    return argv


def environment(home: str, path: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment a stranger's command gets; nothing of ours is in it."""
    return {
        "PATH": path,
        "HOME": home,
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PYTHONDONTWRITEBYTECODE": "1",
        **(extra or {}),
    }


def execution(argv: Sequence[str], ended: Finished, files: Mapping[str, bytes | None]) -> Execution:
    """The record of a finished process, with the files that were there."""
    output = ended.output
    timed_out = ended.stopped == "time"
    if ended.stopped and not timed_out:
        output += f"\n[gitagent: killed, {ended.stopped}]\n"
    return Execution(
        argv=tuple(argv),
        exit_code=137 if ended.stopped and not timed_out else ended.exit_code,
        output=output,
        seconds=ended.seconds,
        timed_out=timed_out,
        files={path: data for path, data in files.items() if data is not None},
    )
