"""What the tests of all sandboxes share."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitagent.adapters.bubblewrap import BubblewrapSandbox
from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.errors import SandboxError
from gitagent.records import SandboxLimits

IMAGE = os.environ.get("GITAGENT_TEST_IMAGE", "gitagent-base:bookworm")
LIMITS = SandboxLimits(
    timeout_seconds=20.0,
    memory_bytes=256 * 1024**2,
    cpus=1.0,
    processes=48,
    disk_bytes=64 * 1024**2,
    output_bytes=20_000,
)


def docker_or_skip() -> Any:
    """A sandbox of the test image; without it a skip, or a failure where GITAGENT_REQUIRE_DOCKER is set."""
    from gitagent.adapters.docker_sandbox import DockerSandbox

    sandbox = DockerSandbox(IMAGE, pull=False)
    try:
        sandbox.identity()
    except SandboxError as error:
        if os.environ.get("GITAGENT_REQUIRE_DOCKER"):
            pytest.fail(f"a container engine with {IMAGE} is required here: {error}")
        pytest.skip(f"no container test: {error}")
    return sandbox


def bubblewrap_or_skip() -> BubblewrapSandbox:
    """A bubblewrap sandbox with the interpreter of the tests."""
    sandbox = BubblewrapSandbox(sys.executable)
    if reason := sandbox.probe():
        pytest.skip(f"no bubblewrap test: {reason}")
    return sandbox


def sandbox_of(kind: str) -> Any:
    """The sandbox of this name, or a skip."""
    if kind == "docker":
        return docker_or_skip()
    return bubblewrap_or_skip() if kind == "bubblewrap" else UnsandboxedSandbox(sys.executable)


def tree(files: dict[str, bytes | str]) -> Callable[[str], None]:
    """A `fill` that writes these files; names ending in `!` are executable."""

    def fill(directory: str) -> None:
        for name, content in files.items():
            path = Path(directory, name.removesuffix("!"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            if name.endswith("!"):
                path.chmod(0o755)

    return fill


def alive(marker: str) -> list[int]:
    """Pids of processes, zombies aside, whose command line holds a marker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in line:
                found.append(int(entry.name))
    return found
