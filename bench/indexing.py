"""How long the index takes: a repository of thousands of published source files, cold, after a change, and warm."""

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import repositories
from bench.localize import releases
from bench.localize.__main__ import CACHE
from bench.measuring import Measured, measure, median, table
from bench.repositories import git
from gitagent.adapters.git import GitRepository
from gitagent.adapters.index import CodeIndex

FILES = 5_000
CHANGED = 10
REQUEST = "Redirects drop the fragment of the URL when the session rebuilds the request, since parse_url loses it"


def published(cache: Path) -> Iterator[tuple[str, bytes]]:
    """Source files of the newest releases in the manifest, package by package, the largest packages first."""
    manifest = json.loads(releases.MANIFEST.read_text())
    found = {}
    for package, known in manifest.items():
        archive = releases.wheel(package, max(known["wheels"], key=releases.key), cache)
        if archive is not None:
            found[package] = releases.sources(archive)
    for package in sorted(found, key=lambda name: -len(found[name])):
        for path, data in sorted(found[package].items()):
            yield f"{package}/{path}", data


def made(directory: Path, files: int, cache: Path) -> int:
    """A repository of so many published source files beside a few generated ones; the size of the former in bytes."""
    repositories.generate(directory, 20, bugs=2)
    size = number = 0
    for number, (path, data) in enumerate(published(cache), 1):
        if number > files:
            break
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        size += len(data)
    if number < files:
        sys.exit(
            f"only {number:,} of {files:,} published source files could be fetched, so there is no index to measure; "
            f"is pip there, and the package index in reach of `{sys.executable} -m pip download`?"
        )
    git(directory, "add", "-A")
    git(directory, "commit", "-qm", "published sources")
    return size


def _localize(directory: Path) -> tuple[Measured, float]:
    """One process, and the processor seconds of it and its helpers, which a busy machine does not stretch."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    command = [sys.executable, "-m", "gitagent", "localize", "--repo", str(directory), "--json", REQUEST]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = measure(command, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return measured, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report(work: Path, *, rounds: int, cache: Path = CACHE) -> None:
    """Cold once, then changes and questions in turn, each a process of its own and the index alone."""
    directory = work / "indexed"
    size = made(directory, FILES, cache)
    count = len(git(directory, "ls-files").split("\n"))
    cold, cold_cpu = _localize(directory)
    index_bytes = (directory / ".git/gitagent/index.sqlite").stat().st_size
    updates, warm, changed = [], [], []
    for turn in range(rounds):
        files = sorted(directory.rglob("*.py"))[turn * CHANGED : (turn + 1) * CHANGED]
        for file in files:
            file.write_bytes(file.read_bytes() + f"\n\ndef added_{turn}():\n    return {turn}\n".encode())
        git(directory, "commit", "-qam", f"change {turn}")
        changed.append(_localize(directory))
        warm.append(_localize(directory))
        updates.append(_update_seconds(directory, turn))

    def row(name: str, of: list[tuple[Measured, float]], aim: str) -> tuple[str, str, str, str]:
        seconds, cpu = median([one.seconds for one, _ in of]), median([used for _, used in of])
        return name, f"{seconds:.2f} s", f"{cpu:.2f} s", aim

    update = [f"{median(one):.2f} s" for one in zip(*updates, strict=True)]
    load = f"{os.getloadavg()[0]:.1f}"
    table(
        f"The index of {count:,} files, {size / 1e6:.0f} MB of source, load {load} at the end:",
        ("", "wall time", "processor time", "aim"),
        (
            row("cold: index and `gitagent localize`, whole process", [(cold, cold_cpu)], "15 s"),
            (
                f"{CHANGED} files changed: update of the index",
                *update,
                "0.3 s",
            ),
            row(f"{CHANGED} files changed: `gitagent localize`, whole process", changed, ""),
            row("nothing changed: `gitagent localize`, whole process", warm, "0.5 s"),
        ),
        notes=(
            f"The index takes {index_bytes / 1e6:.0f} MB on disk, and cold the process {cold.peak_bytes / 1e6:.0f} MB "
            "of memory at most.",
        ),
    )


def _update_seconds(directory: Path, turn: int) -> tuple[float, float]:
    """Wall and processor time to bring an open index up to ten more changed files."""
    index = CodeIndex(GitRepository(str(directory)))
    index.update(GitRepository(str(directory)).head().oid)
    for file in sorted(directory.rglob("*.py"))[turn * CHANGED : (turn + 1) * CHANGED]:
        file.write_bytes(file.read_bytes() + f"\n\ndef again_{turn}():\n    return {turn}\n".encode())
    git(directory, "commit", "-qam", f"change {turn} again")
    head = GitRepository(str(directory)).head().oid
    began, used = time.monotonic(), time.process_time()
    if (read := index.update(head)) != CHANGED:
        raise RuntimeError(f"{read} files were read again, expected {CHANGED}")
    seconds = time.monotonic() - began, time.process_time() - used
    index.close()
    return seconds
