import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from gitagent.adapters.bubblewrap import BubblewrapSandbox
from gitagent.errors import SandboxError
from tests.adapters.sandboxing import LIMITS, bubblewrap_or_skip, tree


def test_without_bwrap_the_choices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    sandbox = BubblewrapSandbox(sys.executable)
    assert sandbox.probe() == "bwrap is not installed"
    with (
        pytest.raises(SandboxError, match="bubblewrap is not installed") as caught,
        sandbox.open(tree({}), LIMITS),
    ):
        pytest.fail("opened")
    assert "--sandbox none" in caught.value.hint


def test_a_bwrap_that_may_not_make_namespaces_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2; exit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    sandbox = BubblewrapSandbox(sys.executable)
    assert "No permissions to create a new namespace" in sandbox.probe()
    with sandbox.open(tree({}), LIMITS) as workspace, pytest.raises(SandboxError, match="bubblewrap failed"):
        workspace.run(["true"], timeout_seconds=5.0)


def test_a_python_that_does_not_run_is_named() -> None:
    with pytest.raises(SandboxError, match="/no/python is no Python that runs"):
        BubblewrapSandbox("/no/python").identity()


@pytest.mark.bubblewrap
def test_a_virtual_environment_below_the_checkout_is_seen_and_the_checkout_is_not(tmp_path: Path) -> None:
    bubblewrap_or_skip()
    repo = tmp_path / "repo"
    (repo / "src").mkdir(parents=True)
    (repo / "src/thing.py").write_text("where = 'checkout'\n")
    (repo / "secret.env").write_text("TOKEN=1\n")
    venv.create(repo / ".venv", with_pip=False, symlinks=True)
    (site,) = (repo / ".venv/lib").glob("python*/site-packages")
    (site / "thing.pth").write_text(f"{repo}/src\n")  # what an editable install leaves
    sandbox = BubblewrapSandbox(str(repo / ".venv/bin/python3"), repository=str(repo))
    with sandbox.open(tree({"src/thing.py": "where = 'tree'\n"}), LIMITS) as workspace:
        done = workspace.run(
            ["python3", "-c", "import sys, thing; print(thing.where, thing.__file__, sys.prefix)"],
            timeout_seconds=20.0,
        )
        assert done.output.split() == ["tree", f"{repo}/src/thing.py", f"{repo}/.venv"]
        assert "secret.env" not in workspace.run(["ls", "-a", str(repo)], timeout_seconds=20.0).output
        done = workspace.run(["touch", f"{site}/planted"], timeout_seconds=20.0)
        assert "Read-only" in done.output
    assert not (site / "planted").exists()


@pytest.mark.bubblewrap
def test_a_directory_that_is_asked_for_is_seen_and_cannot_be_written(tmp_path: Path) -> None:
    bubblewrap_or_skip()
    tool = tmp_path / "tools/bin/tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho I am the tool\n")
    tool.chmod(0o755)
    sandbox = BubblewrapSandbox(sys.executable, read_only=[str(tmp_path / "tools")])
    with sandbox.open(tree({}), LIMITS) as workspace:
        assert workspace.run(["tool"], timeout_seconds=20.0).output == "I am the tool\n"
        assert workspace.run(["rm", str(tool)], timeout_seconds=20.0).exit_code == 1
    assert tool.exists()


@pytest.mark.bubblewrap
def test_an_ordinary_user_gets_the_same_without_control_groups(tmp_path: Path) -> None:
    bubblewrap_or_skip()
    if os.geteuid() != 0 or not Path("/usr/bin/python3").exists():
        pytest.skip("all other tests ran as an ordinary user already")
    script = f"""
import sys
sys.path.insert(0, {os.getcwd()!r})
from gitagent.adapters.bubblewrap import BubblewrapSandbox
from gitagent.records import SandboxLimits
limits = SandboxLimits(processes=16, memory_bytes=256 * 2**20)
with BubblewrapSandbox(sys.executable).open(lambda directory: None, limits) as workspace:
    for code in (
        "import os; [os.fork() or __import__('time').sleep(60) for _ in range(40)]",
        "kept = [bytearray(2**24) for _ in range(40)]",
        "open('/usr/x', 'w')",
        "import os; open('made', 'w'); print(os.getuid() != 0)",
    ):
        done = workspace.run(["/usr/bin/python3", "-c", code], timeout_seconds=20.0)
        print(done.output.strip().split("\\n")[-1])
"""
    ran = subprocess.run(
        ["/usr/bin/python3", "-c", script],
        user=65534,
        group=65534,
        extra_groups=[],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": "/tmp"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if "PermissionError" in ran.stderr or "No module named" in ran.stderr:
        pytest.skip("the checkout cannot be read by an ordinary user")
    assert ran.stdout.split("\n")[:4] == [
        "BlockingIOError: [Errno 11] Resource temporarily unavailable",
        "MemoryError",
        "OSError: [Errno 30] Read-only file system: '/usr/x'",
        "True",
    ], ran.stderr


@pytest.mark.bubblewrap
def test_the_tree_lies_at_workspace_when_no_checkout_or_a_strange_one_is_named(tmp_path: Path) -> None:
    bubblewrap_or_skip()
    for repository in (None, "/usr", "/tmp"):
        sandbox: Any = BubblewrapSandbox(sys.executable, repository=repository)
        with sandbox.open(tree({}), LIMITS) as workspace:
            assert workspace.run(["pwd"], timeout_seconds=20.0).output == "/workspace\n"
