"""Runs pytest in this process and notes which lines of the project each test ran.

Sent into a sandbox as `python3 -c`; standard library and the project's pytest only, Python 3.8 up. On stdin
comes JSON: `args` for pytest, `out` (the file to write), `seconds`, `cwd_first`. Into `out` goes
zlib-compressed JSON: `files` is a list of paths, `tests` a list of `[id, outcome, [[file number, [first, last,
first, last, ...]], ...]]`; the lines that ran while the modules were imported are under the id "".
"""

from __future__ import annotations

import json
import os
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

ROOT = os.path.realpath(os.getcwd())
SKIPPED = ("site-packages", "dist-packages", "node_modules", ".venv", "venv", ".tox", ".nox", ".git")
MOST_NUMBERS = 6_000_000


def project_path(filename: str, known: dict[str, str | None] = {}) -> str | None:  # noqa: B006 - a cache
    """A code object's file as a path from the root, or None if it is not the project's."""
    try:
        return known[filename]
    except KeyError:
        pass
    path = None
    if filename and not filename.startswith("<"):
        full = os.path.realpath(os.path.join(ROOT, filename))
        if full.startswith(ROOT + os.sep):
            rest = full[len(ROOT) + 1 :].replace(os.sep, "/")
            if not any(part in SKIPPED for part in rest.split("/")):
                path = rest
    known[filename] = path
    return path


class SetTrace:
    """Python below 3.12: a trace function, local to frames of the project's files."""

    def __init__(self) -> None:
        self.hits: dict[str, set[int]] = {}
        self._locals: dict[str, Any] = {}

    def start(self, hits: dict[str, set[int]]) -> None:
        self.hits = hits
        self._locals = {}
        threading.settrace(self._call)
        sys.settrace(self._call)

    def stop(self) -> None:
        sys.settrace(None)
        threading.settrace(None)

    def _call(self, frame: Any, event: str, arg: object) -> Any:
        filename = frame.f_code.co_filename
        try:
            return self._locals[filename]
        except KeyError:
            pass
        path = project_path(filename)
        local = None
        if path is not None:
            local = self._local(self.hits.setdefault(path, set()).add)
        self._locals[filename] = local
        return local

    @staticmethod
    def _local(add: Callable[[int], None]) -> Any:
        def local(frame: Any, event: str, arg: object) -> Any:
            if event == "line":
                add(frame.f_lineno)
            return local

        return local


class Monitoring:
    """Python 3.12 up: each line reports once per test and is then switched off, so loops cost nothing."""

    def __init__(self) -> None:
        self.hits: dict[str, set[int]] = {}
        self._events: Any = vars(sys)["monitoring"]
        self._tool = next(tool for tool in (3, 4, 1, 5) if not self._events.get_tool(tool))
        self._events.use_tool_id(self._tool, "gitagent")
        self._events.register_callback(self._tool, self._events.events.LINE, self._line)

    def start(self, hits: dict[str, set[int]]) -> None:
        self.hits = hits
        self._events.restart_events()
        self._events.set_events(self._tool, self._events.events.LINE)

    def stop(self) -> None:
        self._events.set_events(self._tool, 0)

    def _line(self, code: Any, line: int) -> object:
        path = project_path(code.co_filename)
        if path is not None:
            self.hits.setdefault(path, set()).add(line)
        disable: object = self._events.DISABLE
        return disable


def ranges(lines: Iterable[int]) -> list[int]:
    out: list[int] = []
    for line in sorted(lines):
        if out and line == out[-1] + 1:
            out[-1] = line
        else:
            out += [line, line]
    return out


class Recorder:
    """The pytest plugin: one set of lines for each test, and one for imports."""

    def __init__(self, out: str) -> None:
        self._out = out
        self._tracer: Monitoring | SetTrace = Monitoring() if hasattr(sys, "monitoring") else SetTrace()
        self._files: dict[str, int] = {}
        self._tests: list[Any] = []
        self._numbers = 0
        self._lock = threading.Lock()
        self._written = False
        self._imports: dict[str, set[int]] = {}
        self._current: str | None = None
        self._outcome = "passed"
        self._hits: dict[str, set[int]] = {}

    def start_imports(self) -> None:
        self._tracer.start(self._imports)

    def pytest_collection_finish(self, session: Any) -> None:
        self._tracer.stop()

    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Iterator[None]:
        self._current, self._outcome, self._hits = item.nodeid, "passed", {}
        self._tracer.start(self._hits)
        yield
        self._tracer.stop()
        self._add(self._current, self._outcome, self._hits)
        self._current = None

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            worst = "failed" if report.when == "call" else "error"
            self._outcome = "failed" if self._outcome == "failed" else worst
        elif report.skipped and self._outcome == "passed":
            self._outcome = "skipped"

    def _add(self, test: str, outcome: str, hits: dict[str, set[int]]) -> None:
        packed = []
        for path, lines in list(hits.items()):
            numbers = ranges(list(lines))
            self._numbers += len(numbers)
            packed.append([self._files.setdefault(path, len(self._files)), numbers])
        if self._numbers <= MOST_NUMBERS:
            self._tests.append([test, outcome, packed])

    def write(self, out_of_time: bool = False) -> None:
        with self._lock:
            if self._written:
                return
            self._written = True
            if out_of_time and self._current is not None:
                self._add(self._current, "failed", self._hits)
            self._add("", "passed", self._imports)
            data = {"files": list(self._files), "tests": self._tests}
            with open(self._out, "wb") as out:
                out.write(zlib.compress(json.dumps(data).encode(), 1))


def main() -> None:
    job = json.loads(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.argv = ["pytest"] + job["args"]
    sys.dont_write_bytecode = True
    if job["cwd_first"]:
        sys.path[0] = os.getcwd()
    else:
        del sys.path[0]
    recorder = Recorder(job["out"])

    def out_of_time() -> None:
        # A test that hangs says most of all where it hangs.
        recorder.write(out_of_time=True)
        os._exit(124)

    watchdog = threading.Timer(job["seconds"], out_of_time)
    watchdog.daemon = True
    watchdog.start()
    import pytest

    wrapper = pytest.hookimpl(hookwrapper=True, tryfirst=True)
    wrapper(Recorder.pytest_runtest_protocol)  # marks the function; pytest is not there when the class is made
    recorder.start_imports()
    code = pytest.main(job["args"], plugins=[recorder])
    watchdog.cancel()
    recorder.write()
    os._exit(int(code))


if __name__ == "__main__":
    main()
