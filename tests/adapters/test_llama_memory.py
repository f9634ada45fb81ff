"""A model larger than the memory it may have: it runs, slower, and says the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="needs the extra `local`")

from gitagent.adapters.cgroups import control_group, joining
from gitagent.records import SandboxLimits
from tests.gguf_maker import write_model

pytestmark = pytest.mark.local_model

SCRIPT = """
from gitagent.adapters.llama.engine import Engine, resident_bytes
engine = Engine({path!r}, window=128, cells=128, parallel=1, threads=1)
token, said = 5, []
for at in range(3):
    (logits,) = engine.feed([(0, at, [token])])
    said.append(token := int(logits.argmax()))
print(*said)
"""


def test_a_model_larger_than_its_memory_runs_and_says_the_same(tmp_path: Path) -> None:
    path = write_model(tmp_path / "large.gguf", width=1024, layers=20, heads=8, quantized="Q8_0")
    size = path.stat().st_size
    with control_group(SandboxLimits(memory_bytes=int(size * 0.8))) as groups:
        if not groups:
            pytest.skip("no control group can be made here, so memory cannot be limited")
        command = [sys.executable, "-c", SCRIPT.format(path=str(path))]
        with path.open("rb") as file:  # cached pages are charged to who read them first: let go of ours
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        held = subprocess.run(joining(groups, command), capture_output=True, text=True, check=False, timeout=120)
    free = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert held.returncode == 0, held.stderr
    assert held.stdout == free.stdout != ""
