"""The project's files: put as a candidate wants them, put back, and looked over for damage.

A part of the scripts sent into a sandbox: standard library only, Python 3.8 up.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Optional

ROOT = os.path.realpath(os.getcwd())
# What running tests leaves behind as a matter of course.
PASSED_OVER = {
    "__pycache__",
    ".pytest_cache",
    ".hypothesis",
    ".mypy_cache",
    ".git",
    "node_modules",
    ".tox",
    ".venv",
}
MOST_FILES = 20_000


class Tree:
    """The project's files, and what they were before a candidate."""

    def __init__(self, originals: dict[str, str | None]) -> None:
        self._originals = originals
        self._times: dict[str, int] = {}
        for path, text in originals.items():
            if text is not None:
                self._times[path] = os.stat(self._full(path)).st_mtime_ns
        self._stamp = random.SystemRandom().randrange(10**9, 15 * 10**8)
        self._folders: list[str] = []

    def put(self, texts: dict[str, str | None]) -> None:
        # Bytecode is matched by the source's time and size: each candidate's files get a time of their own.
        self._stamp += 1
        for path, text in texts.items():
            self._write(path, text, self._stamp * 10**9)

    def restore(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._write(path, self._originals[path], self._times.get(path))
        for folder in reversed(self._folders):
            with suppress(OSError):  # something else was put there, or it is gone
                os.rmdir(folder)
        self._folders = []

    def _full(self, path: str) -> str:
        full = os.path.join(ROOT, path)
        folder = os.path.realpath(os.path.dirname(full))
        if path.startswith("/") or ".." in path.split("/") or not (folder + os.sep).startswith(ROOT + os.sep):
            raise ValueError("outside the tree: " + path)
        return full

    def _write(self, path: str, text: str | None, stamp: int | None) -> None:
        full = self._full(path)
        mode = None
        if os.path.lexists(full):
            mode = stat.S_IMODE(os.lstat(full).st_mode)
            os.unlink(full)
        if text is None:
            return
        missing = os.path.dirname(full)
        made = []
        while not os.path.isdir(missing):
            made.append(missing)
            missing = os.path.dirname(missing)
        for folder in reversed(made):
            os.mkdir(folder)
            self._folders.append(folder)
        with open(full, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
        if mode is not None:
            os.chmod(full, mode)
        if stamp is not None:
            os.utime(full, ns=(stamp, stamp))


def listed() -> Optional[dict[str, list[Any]]]:
    """Every file's mode, size and time, by path; None if there are too many to look at."""
    found: dict[str, list[Any]] = {}
    for top, folders, names in os.walk(ROOT):
        linked = [name for name in folders if os.path.islink(os.path.join(top, name))]
        folders[:] = [name for name in folders if name not in PASSED_OVER and name not in linked]
        for name in [*names, *linked]:
            full = os.path.join(top, name)
            with suppress(OSError):
                about = os.lstat(full)
                found[os.path.relpath(full, ROOT)] = [about.st_mode, about.st_size, about.st_mtime_ns]
        if len(found) > MOST_FILES:
            return None
    return found


def heal(before: Optional[dict[str, list[Any]]]) -> list[str]:
    """Remove what was not there before; the paths of files that are gone or not what they were."""
    if before is None:
        return []
    folders = {os.path.dirname(path) for path in before}
    folders |= {folder[:at] for folder in folders for at, letter in enumerate(folder) if letter == os.sep} | {""}
    for top, inner, names in os.walk(ROOT):
        at = os.path.relpath(top, ROOT)
        for name in [*inner]:
            path = name if at == "." else os.path.join(at, name)
            full = os.path.join(top, name)
            if name in PASSED_OVER or path in before:
                inner.remove(name)
            elif os.path.islink(full) or path not in folders:
                inner.remove(name)
                with suppress(OSError):
                    os.unlink(full) if os.path.islink(full) else shutil.rmtree(full, ignore_errors=True)
        for name in names:
            if (name if at == "." else os.path.join(at, name)) not in before:
                with suppress(OSError):
                    os.unlink(os.path.join(top, name))
    now = listed() or {}
    return [path for path, about in before.items() if now.get(path) != about]
