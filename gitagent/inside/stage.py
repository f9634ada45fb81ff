"""The last step before a stranger's command: sets its limits, leaves root, and becomes the command.

Run as `python -I -S -c SOURCE ORDER ARGV…`. ORDER is `NAME=NUMBER` pairs with spaces between: names of
`resource.RLIMIT_*` in capitals, `user` the uid and gid to become.
With `guard` (the pid of the parent) it does not become the command but its guardian: it adopts every orphan of the
command and, when the command ends or SIGTERM comes, kills them all. It imports little: it
runs before every command.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> None:
    order = {name: int(value) for name, value in (pair.split("=") for pair in sys.argv[1].split())}
    argv = sys.argv[2:]
    if "guard" not in order:
        become(order, argv)
    prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans come to us, whatever session they moved to
    signal.signal(signal.SIGTERM, lambda *_: end(128 + signal.SIGTERM))
    prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: when gitagent dies, so does the command
    if os.getppid() != order["guard"]:
        os._exit(1)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        become(order, argv)
    code = None
    while code is None:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
    end(128 - code if code < 0 else code)


def become(order: dict[str, int], argv: list[str]) -> NoReturn:
    for name, value in order.items():
        kind = getattr(resource, "RLIMIT_" + name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))
    if "user" in order:
        os.setgroups([])
        os.setresgid(order["user"], order["user"], order["user"])
        os.setresuid(order["user"], order["user"], order["user"])
    os.umask(0o022)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and the command would inherit that
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def end(code: int) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        family = descendants()
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG if family else 0)[0]:
                pass
        except ChildProcessError:
            if not family:
                break
    os._exit(code)


def descendants() -> list[int]:
    """Every living process that came from us; empty where there is no /proc, and then the group is all we have."""
    children: dict[int, list[int]] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue
            if state != b"Z":
                children.setdefault(int(parent), []).append(int(name))
    found, open_ends = [], [os.getpid()]
    while open_ends:
        more = children.get(open_ends.pop(), [])
        found += more
        open_ends += more
    return found


def prctl(option: int, value: int) -> None:
    try:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (ImportError, AttributeError, OSError):
        pass  # not Linux: the process group is killed all the same


main()
