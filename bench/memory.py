"""What a model takes of memory, beside what `models doctor` expects, and how it runs where memory does not suffice."""

import os
import subprocess
import sys
from pathlib import Path

from gitagent.adapters.cgroups import control_group, joining
from gitagent.adapters.llama.fitting import fit
from gitagent.adapters.llama.header import read_header
from gitagent.adapters.llama.model import SPARE
from gitagent.records import SandboxLimits

WINDOW = 4096
SHARE = 0.8
"""Of the weights' size, the memory a model gets that is larger than memory."""


def memory(path: str) -> None:
    """Print the resident memory beyond the mapped weights, and whether it is given back."""
    script = (
        "from gitagent.adapters.llama.engine import Engine, resident_bytes\n"
        "before = resident_bytes()\n"
        f"engine = Engine({path!r}, window={WINDOW}, cells={WINDOW + SPARE}, parallel=8, threads=1)\n"
        "engine.feed([(0, 0, list(range(1000, 1600)))])\n"
        "engine.share(range(1, 9))\n"
        "engine.feed([(s, 600, [5]) for s in range(1, 9)])\n"
        "used = resident_bytes()\n"
        "engine.tokenizer\n"
        "with_tokenizer = resident_bytes()\n"
        "engine.chances([(s, 601, [7] * 4) for s in range(1, 9)], [[8] * 4] * 8)\n"
        "judging = resident_bytes()\n"
        "engine.close()\n"
        "import gc; gc.collect()\n"
        "print(before, used, with_tokenizer, judging, resident_bytes())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, used, with_tokenizer, judging, after = (int(part) / 1e6 for part in done.stdout.split()[-5:])
    expected = fit(os.path.getsize(path), read_header(path).cache_bytes_per_token, WINDOW, 0).cache / 1e6
    print(
        f"\n## Memory at a window of {WINDOW} and 8 sequences ({os.path.getsize(path) / 1e9:.2f} GB of weights)\n"
    )
    print("| | anonymous memory |\n|---|---|")
    print(f"| before loading | {before:.0f} MB |")
    print(f"| model, cache and buffers | +{used - before:.0f} MB |")
    print(f"| and the grammar's tokenizer | +{with_tokenizer - before:.0f} MB |")
    print(f"| and texts judged | +{judging - before:.0f} MB |")
    print(f"| expected by `models doctor` | +{expected:.0f} MB |")
    print(f"| after closing it | +{after - before:.0f} MB |", flush=True)


TOKENS = (
    "import time\n"
    "from gitagent.adapters.llama.engine import Engine\n"
    "engine = Engine({path!r}, window=1024, cells=1024, parallel=1, threads=1)\n"
    "token, said, seconds = 5, [], []\n"
    "for at in range({count}):\n"
    "    begin = time.perf_counter()\n"
    "    (logits,) = engine.feed([(0, at, [token])])\n"
    "    seconds.append(time.perf_counter() - begin)\n"
    "    said.append(token := int(logits.argmax()))\n"
    "print(sorted(seconds)[{count} // 2], *said)\n"
)
"""Prints the median seconds of a token, then the tokens said."""


def tight(path: str, count: int = 8) -> None:
    """Print how much slower a model is that is larger than the memory it may have."""
    size = os.path.getsize(path)
    command = [sys.executable, "-c", TOKENS.format(path=path, count=count)]
    _evict(path)
    free = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    _evict(path)  # pages in the system's cache are charged to whoever read them first
    with control_group(SandboxLimits(memory_bytes=int(size * SHARE))) as groups:
        print(f"\n## A model larger than memory ({size / 1e9:.2f} GB of weights)\n")
        if not groups:
            print("No control group can be made here.")
            return
        held = subprocess.run(joining(groups, command), capture_output=True, text=True, check=True).stdout.split()
    print("| memory | median of a token | beside enough memory | same tokens |\n|---|---|---|---|")
    print(f"| enough | {float(free[0]):.2f} s | 1.0 | |")
    ratio = float(held[0]) / float(free[0])
    same = "yes" if free[1:] == held[1:] else "no"
    print(f"| {size * SHARE / 1e9:.2f} GB | {float(held[0]):.2f} s | {ratio:.1f} | {same} |", flush=True)


def _evict(path: str) -> None:
    with Path(path).open("rb") as file:
        os.fsync(file.fileno())  # what was just written cannot be let go of yet
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
