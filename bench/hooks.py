"""What our hooks cost a commit that asks nothing, beside empty sh hooks; one run, taken in turns."""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HOOKS = Path(__file__).parents[1] / "hooks"
NAMES = ("commit-msg", "post-commit")


def main(rounds: int) -> None:
    """Print the median commit with empty hooks, with ours, and the difference, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = {"empty sh hooks": Path(folder, "empty"), "ours": Path(folder, "ours")}
        for kind, root in kinds.items():
            _repository(root, ours=kind == "ours")
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for number in range(20 * rounds):
            for kind, root in kinds.items():
                times[kind].append(_commit(root, number))
    medians = {kind: statistics.median(taken) * 1000 for kind, taken in times.items()}
    print("\n| a commit without a trailer, with | median ms |\n|---|---|")
    for kind, median in medians.items():
        print(f"| {kind} | {median:.1f} |")
    print(f"| difference | {medians['ours'] - medians['empty sh hooks']:.1f} |")


def _repository(root: Path, *, ours: bool) -> None:
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    for name in NAMES:
        hook = root / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        if ours:
            shutil.copy(HOOKS / name, hook)
        else:
            hook.write_text("#!/bin/sh\nexit 0\n")
            hook.chmod(0o755)


def _commit(root: Path, number: int) -> float:
    began = time.perf_counter()
    subprocess.run(
        [
            "git",
            "-C",
            str(root),
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b.c",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            f"commit {number}\n\nNothing is asked.",
        ],
        env={name: value for name, value in os.environ.items() if name not in ("CI", "GITAGENT_HOOKS")},
        check=True,
    )
    return time.perf_counter() - began
