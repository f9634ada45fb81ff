"""Control groups, where we may make them: the only hard bound on all of a command's processes together."""

import contextlib
import os
import signal
import subprocess
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
        files = tuple(str(group / "cgroup.procs") for group in made)
        # A delegated hierarchy may let us make groups and yet not move processes into them.
        joined = (
            not files or not subprocess.run(joining(files, ["true"]), check=False, capture_output=True).returncode
        )
        yield files if joined else ()
    finally:
        for group in made:
            _remove_group(group)


def joining(groups: Sequence[str], argv: Sequence[str]) -> list[str]:
    """The argv that joins control groups and then becomes `argv`."""
    if not groups:
        return list(argv)
    script = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1" || exit 125; shift; n=$((n-1)); done; exec "$@"'
    return ["/bin/sh", "-c", script, "sh", str(len(groups)), *groups, *argv]


def planned(
    membership: str, unified: bool, limits: SandboxLimits, name: str
) -> list[tuple[Path, dict[str, int | str], dict[str, int | str]]]:
    """The groups to make: where, what must be set in them, and what is set if it can be.

    `membership` is the text of /proc/self/cgroup: lines of `NUMBER:CONTROLLERS:PATH`.
    """
    rows = [line.split(":", 2) for line in membership.split("\n") if line.count(":") >= 2]
    own = {controller: path for _, controllers, path in rows for controller in controllers.split(",")}
    period = 100_000
    quota = max(int(limits.cpus * period), 1000)
    if unified:
        # A group with groups in it may hold no processes: ours goes beside the one we are in.
        at = _CGROUPS / os.path.dirname(own.get("", "/")).strip("/") / name
        needed: dict[str, int | str] = {
            "memory.max": limits.memory_bytes,
            "pids.max": limits.processes,
            "cpu.max": f"{quota} {period}",
        }
        return [(at, needed, {"memory.swap.max": 0})]
    memory, pids, cpu = (
        _CGROUPS / controller / own.get(controller, "/").strip("/") / name
        for controller in ("memory", "pids", "cpu")
    )
    return [
        (
            memory,
            {"memory.limit_in_bytes": limits.memory_bytes},
            {"memory.memsw.limit_in_bytes": limits.memory_bytes},
        ),
        (pids, {"pids.max": limits.processes}, {}),
        (cpu, {"cpu.cfs_period_us": period, "cpu.cfs_quota_us": quota}, {}),
    ]


def _make_groups(limits: SandboxLimits) -> list[Path]:
    name = f"gitagent-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        membership = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    wanted = planned(membership, (_CGROUPS / "cgroup.controllers").exists(), limits, name)
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
