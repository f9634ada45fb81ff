"""The container sandbox on Podman's socket, where Podman is installed and may make containers."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitagent.adapters.docker_sandbox import DockerSandbox
from gitagent.errors import SandboxError
from gitagent.records import SandboxLimits
from tests.adapters.sandboxing import IMAGE, LIMITS, docker_or_skip, tree
from tests.waiting import until

pytestmark = pytest.mark.docker


def podman(*arguments: str, stdin: int | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["podman", *arguments], stdin=stdin, capture_output=True, check=False, timeout=120)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[DockerSandbox]:
    """A sandbox on a service of our own, with the image of the other engine's."""
    if not shutil.which("podman"):
        pytest.skip("no test of Podman: it is not installed")
    ours = podman("image", "exists", IMAGE).returncode != 0
    if ours:
        docker_or_skip()
        with subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE) as saved:
            assert saved.stdout
            loaded = podman("load", stdin=saved.stdout.fileno())
        if loaded.returncode:
            pytest.skip(f"Podman does not take the image: {loaded.stderr.decode()[-200:]}")
    socket = tmp_path / "podman.sock"
    service = subprocess.Popen(["podman", "system", "service", "--time=0", f"unix://{socket}"])
    try:
        until(socket.exists, service)
        yield DockerSandbox(IMAGE, base_url=f"unix://{socket}", pull=False)
    finally:
        service.terminate()
        service.wait(30)
        if ours:
            podman("rmi", "--force", IMAGE)


def test_podman_shuts_commands_in_as_docker_does(sandbox: DockerSandbox) -> None:
    limits = SandboxLimits(
        timeout_seconds=20.0, memory_bytes=LIMITS.memory_bytes, processes=48, output_bytes=20_000
    )
    look = "cat a b; id -u; ls /sys/class/net; for d in / /run /var/tmp /etc; do touch $d/x 2>&- && echo $d; done"
    try:
        opened = sandbox.open(tree({"a": "one\n"}), limits)
        with opened as workspace:
            workspace.write({"b": "two\n"})
            found = workspace.run(["sh", "-c", look + "; true"], timeout_seconds=20)
            assert (found.exit_code, found.output.split()) == (0, ["one", "two", "65534", "lo"])
            stopped = workspace.run(["sh", "-c", "(sleep 600) & sleep 600"], timeout_seconds=0.5)
            assert stopped.timed_out
            read = workspace.run(["head", "-c", "3"], timeout_seconds=20, stdin=b"x" * 10**6)
            assert read.exit_code == 0
            result = workspace.run(["sh", "-c", "echo r > /tmp/r; exit 3"], timeout_seconds=20, collect=["/tmp/r"])
            assert (result.exit_code, dict(result.files)) == (3, {"/tmp/r": b"r\n"})
            hungry = workspace.run(["python3", "-c", "x = b'x' * 10**9"], timeout_seconds=20)
            assert hungry.exit_code != 0
    except SandboxError as error:
        if os.geteuid() and "cgroup" in str(error):
            pytest.skip(f"Podman cannot limit anything here: {error}")
        raise
