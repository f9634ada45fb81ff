"""Measures processes from the outside: time, time spent waiting for children, processor time, memory."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One process that ended. Seconds are wall time but for `own_cpu_seconds`.

    `began` is a reading of time.monotonic. `child_seconds` is how long at least one child process was alive
    (tests, git), sampled every 2 ms. `peak_bytes` is the largest resident size of the process itself,
    `largest_bytes` of the largest among it and the children it waited for.
    """

    began: float
    seconds: float
    child_seconds: float
    own_cpu_seconds: float
    peak_bytes: int
    largest_bytes: int
    exit_code: int
    output: str
    errors: str


def measure(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 600
) -> Measured:
    """Runs a command to its end without a terminal, its output kept."""
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    output: dict[str, bytes] = {}
    readers = [
        threading.Thread(target=lambda name=name, pipe=pipe: output.update({name: pipe.read()}), daemon=True)
        for name, pipe in (("out", process.stdout), ("err", process.stderr))
    ]
    watch = _Watch(process.pid)
    for thread in (*readers, watch):
        thread.start()
    killer = threading.Timer(timeout, lambda: os.killpg(process.pid, 9))
    killer.start()
    # The process stays a zombie while /proc still tells its own processor time apart from its children's.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    seconds = time.monotonic() - began
    killer.cancel()
    own_cpu = _own_cpu(process.pid)
    watch.ended.set()
    watch.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    for thread in readers:
        thread.join(5)
    kilo = 1 if sys.platform == "darwin" else 1024
    return Measured(
        began=began,
        seconds=seconds,
        child_seconds=watch.child_seconds,
        own_cpu_seconds=own_cpu if own_cpu is not None else usage.ru_utime + usage.ru_stime,
        peak_bytes=watch.peak_bytes or usage.ru_maxrss * kilo,
        largest_bytes=usage.ru_maxrss * kilo,
        exit_code=process.returncode,
        output=output.get("out", b"").decode(errors="replace"),
        errors=output.get("err", b"").decode(errors="replace"),
    )


class _Watch(threading.Thread):
    """Looks at a process through /proc until told that it ended."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.ended = pid, threading.Event()
        self.child_seconds, self.peak_bytes = 0.0, 0

    def run(self) -> None:
        last, looked = time.monotonic(), 0.0
        while not self.ended.wait(0.002):
            now = time.monotonic()
            if self._has_child():
                self.child_seconds += now - last
            last = now
            if now - looked > 0.01:
                looked = now
                self.peak_bytes = max(self.peak_bytes, self._peak())

    def _has_child(self) -> bool:
        try:
            for task in os.listdir(f"/proc/{self.pid}/task"):
                children = Path(f"/proc/{self.pid}/task/{task}/children").read_text().split()
                if any(_state(child) not in ("Z", "") for child in children):
                    return True
        except OSError:
            pass
        return False

    def _peak(self) -> int:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        line = next((line for line in status.split("\n") if line.startswith("VmHWM:")), "VmHWM: 0")
        return int(line.split()[1]) * 1024


def _stat(pid: object) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: object) -> str:
    return next(iter(_stat(pid)), "")


def _own_cpu(pid: int) -> float | None:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else None


def interleaved(
    contenders: Mapping[str, Callable[[], Measured]], *, rounds: int, warmups: int = 1
) -> dict[str, list[Measured]]:
    """Each contender once a round, in turn, so that a busy moment hits all of them alike."""
    results: dict[str, list[Measured]] = {name: [] for name in contenders}
    for turn in range(-warmups, rounds):
        for name, once in contenders.items():
            measured = once()
            if turn >= 0:
                results[name].append(measured)
    return results


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, notes: Sequence[str] = ()) -> None:
    """Prints a Markdown table, as docs/benchmarks.md quotes it."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    print(f"\n{title}\n")
    print(line(head))
    print(f"|{'|'.join('-' * (width + 1) + ('-' if i == 0 else ':') for i, width in enumerate(widths))}|")
    for row in rows:
        print(line(row))
    for note in notes:
        print(f"\n{note}")
    sys.stdout.flush()
