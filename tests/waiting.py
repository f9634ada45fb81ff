"""Waiting for what another process does, without guessing how long that takes."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

SECONDS = 60.0


def until(true: Callable[[], bool], process: "subprocess.Popen[Any] | None" = None) -> None:
    """Return once it is true. Fails if it never is, or if the process that should bring it about has ended."""
    end = time.monotonic() + SECONDS
    while not true():
        assert process is None or process.poll() is None, f"ended with {process and process.returncode}"
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
