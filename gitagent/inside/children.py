"""Child processes that run a stranger's code: made quiet, and ended with all they started.

A part of the scripts sent into a sandbox: standard library only, Python 3.8 up.
"""

from __future__ import annotations

import os
import resource
import select
import signal
from contextlib import suppress


def make_quiet(*closed: int) -> None:
    """Make this process, a child just forked, lead a group of its own, without our pipes and output."""
    os.setsid()
    for number in closed:
        os.close(number)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # if memory runs out, this process is the one to go
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


KEPT: set[int] = set()
"""Children that are ours on purpose."""


def kill(pid: int, *, strays_too: bool = True) -> int:
    """End the child's process group, and whatever it left behind that became ours; its exit status."""
    KEPT.discard(pid)
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:  # it has no group yet
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    for _ in range(3 if strays_too else 0):
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                strays = [child for child in map(int, file.read().split()) if child not in KEPT]
        except (OSError, ValueError):
            strays = []
        if not strays:
            break
        for stray in strays:
            try:
                os.kill(stray, signal.SIGKILL)
                os.waitpid(stray, 0)
            except OSError:
                pass
    return status


def wait_for_end(pid: int, seconds: float) -> None:
    """Wait until a child has ended, so long at most; not at all where the system has no handles of processes."""
    try:
        handle: int = getattr(os, "pidfd_open")(pid)  # noqa: B009 - Python 3.9, Linux 5.3
    except (AttributeError, OSError):
        return
    try:
        select.select([handle], [], [], seconds)
    finally:
        os.close(handle)


def ending(status: int) -> str:
    """What became of a child that ended before it told its results, in words."""
    if os.WIFSIGNALED(status):
        return f"ended by signal {os.WTERMSIG(status)}"
    return f"ended (exit code {os.WEXITSTATUS(status)}) before its tests did"


def adopt_strays() -> None:
    """From now on orphans of our children become ours, so that `kill` finds them."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    except (ImportError, OSError, AttributeError):
        pass
