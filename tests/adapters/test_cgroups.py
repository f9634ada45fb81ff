from pathlib import Path

from gitagent.adapters import cgroups
from gitagent.records import SandboxLimits

LIMITS = SandboxLimits(memory_bytes=1000, cpus=1.5, processes=7)


def test_with_one_hierarchy_a_group_is_made_beside_our_own() -> None:
    ((group, needed, _),) = cgroups.planned("0::/user.slice/app.slice/shell.scope\n", True, LIMITS, "ours")
    assert group == Path("/sys/fs/cgroup/user.slice/app.slice/ours")
    assert needed == {"memory.max": 1000, "pids.max": 7, "cpu.max": "150000 100000"}
    ((group, _, _),) = cgroups.planned("0::/\n", True, LIMITS, "ours")
    assert group == Path("/sys/fs/cgroup/ours")


def test_with_a_hierarchy_for_each_controller_a_group_is_made_in_each_below_our_own() -> None:
    membership = "5:devices:/\n4:memory:/a/b\n3:cpu,cpuacct:/c\n2:pids:/\n0::/\n"
    plan = cgroups.planned(membership, False, LIMITS, "ours")
    assert [str(group) for group, _, _ in plan] == [
        "/sys/fs/cgroup/memory/a/b/ours",
        "/sys/fs/cgroup/pids/ours",
        "/sys/fs/cgroup/cpu/c/ours",
    ]
    assert plan[2][1] == {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": 150_000}


def test_what_was_made_is_gone_at_the_end_and_without_groups_a_command_stays_as_it_is() -> None:
    with cgroups.control_group(SandboxLimits()) as files:
        assert all(Path(file).exists() for file in files)
    assert not any(Path(file).exists() for file in files)
    assert cgroups.joining((), ["true"]) == ["true"]
