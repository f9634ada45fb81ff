"""Control groups, where we may make them: the only hard bound on all of a command's processes together."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gitagent.records import SandboxLimits

_CGROUPS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def control_group(limits: SandboxLimits) -> Iterator[tuple[str, ...]]:
    """The `cgroup.procs` files a process has to join to be held to memory, processors and process count.

    Empty where we may not make control groups; then only the rlimits hold.
    """
    made: list[Path] = []
    try:
        made = _make_groups(limits)
        yield tuple(str(group / "cgroup.procs") for group in made)
    finally:
        for group in made:
            _remove_group(group)


def joining(groups: Sequence[str], argv: Sequence[str]) -> list[str]:
    """The argv that joins control groups and then becomes `argv`."""
    if not groups:
        return list(argv)
    script = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1" || exit 125; shift; n=$((n-1)); done; exec "$@"'
    return ["/bin/sh", "-c", script, "sh", str(len(groups)), *groups, *argv]


def _make_groups(limits: SandboxLimits) -> list[Path]:
    try:
        lines = Path("/proc/self/cgroup").read_text().split("\n")
    except OSError:
        return []
    own = {
        name: path
        for _, names, path in (line.split(":", 2) for line in lines if line)
        for name in names.split(",")
    }
    unified = _CGROUPS / "cgroup.controllers"
    name = f"gitagent-{os.getpid()}-{os.urandom(4).hex()}"
    period = 100_000
    quota = max(int(limits.cpus * period), 1000)
    if unified.exists():
        # No processes beside groups inside a group: ours goes beside the one we are in.
        at = _CGROUPS / os.path.dirname(own.get("", "/")).strip("/") / name
        wanted = [
            (
                at,
                {
                    "memory.max": limits.memory_bytes,
                    "pids.max": limits.processes,
                    "cpu.max": f"{quota} {period}",
                },
                {"memory.swap.max": 0, "memory.oom.group": 0},
            )
        ]
    else:
        wanted = [
            (
                _CGROUPS / "memory" / own.get("memory", "/").strip("/") / name,
                {"memory.limit_in_bytes": limits.memory_bytes},
                {"memory.memsw.limit_in_bytes": limits.memory_bytes},
            ),
            (_CGROUPS / "pids" / own.get("pids", "/").strip("/") / name, {"pids.max": limits.processes}, {}),
            (
                _CGROUPS / "cpu" / own.get("cpu", "/").strip("/") / name,
                {"cpu.cfs_period_us": period, "cpu.cfs_quota_us": quota},
                {},
            ),
        ]
    made: list[Path] = []
    try:
        for group, needed, welcome in wanted:
            group.mkdir()
            made.append(group)
            for file, value in needed.items():
                (group / file).write_text(str(value))
            for file, value in welcome.items():
                with contextlib.suppress(OSError):
                    (group / file).write_text(str(value))
    except OSError:
        for group in made:
            _remove_group(group)
        return []
    return made


def _remove_group(group: Path) -> None:
    """Kill whoever is still inside and remove it; the kernel needs a moment to let go of the dead."""
    for _ in range(200):
        try:
            for pid in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
            group.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
