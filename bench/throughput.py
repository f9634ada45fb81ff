"""Candidates a minute: a container each, an interpreter each, a fork each, many to a fork, and a bare fork loop."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from bench.measuring import median, table
from gitagent.core import testing
from gitagent.ports import Sandbox, Workspace
from gitagent.records import Candidate, Diff, SandboxLimits, TestCommand
from gitagent.testruns import run_tests
from gitagent.trying import TOGETHER, try_candidates

MODULES, FUNCTIONS, TESTS = 12, 12, 12
RED = ("tests/test_part0.py::test_0",)
CHANGED = "shop/part0.py"
LIMITS = SandboxLimits(timeout_seconds=60.0)

# What a fork costs by itself: in a process that has pytest, the project and the red test loaded, as ours has, each
# candidate is compiled and given to its module in a fork, the test function called, and the exit code is the answer.
# No time limit, no report, no fixtures, no clearing away.
FORK_LOOP = """
import gc, json, os, sys, time
import pytest
job = json.load(sys.stdin)
class Loop:
    def pytest_runtestloop(self, session):
        item, part = session.items[0], sys.modules["shop.part0"]
        gc.collect()
        gc.freeze()
        began, passed = time.monotonic(), 0
        for text in job["texts"]:
            pid = os.fork()
            if not pid:
                code = 1
                try:
                    exec(compile(text, part.__file__, "exec"), part.__dict__)
                    item.module.work_0 = part.work_0
                    item.obj()
                    code = 0
                except AssertionError:
                    pass
                finally:
                    os._exit(code)
            passed += os.waitpid(pid, 0)[1] == 0
        os.write(2, ("\\n" + json.dumps([time.monotonic() - began, passed]) + "\\n").encode())
        os._exit(0)
pytest.hookimpl(tryfirst=True)(Loop.pytest_runtestloop)
pytest.main(["-q", "-s", "-p", "no:cacheprovider", job["red"]], plugins=[Loop()])
"""


def project() -> dict[str, str]:
    """A package of some thousand lines, one function of which is wrong."""
    files = {"pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['tests']\n", "shop/__init__.py": ""}
    for module in range(MODULES):
        imports = f"from shop.part{module + 1} import work_0 as next_work\n" if module + 1 < MODULES else ""
        parts, tests = [imports], [f"from shop.part{module} import *\n"]
        parts += [
            f"def work_{number}(items, factor=1):\n"
            f'    """Adds up what is above {number}."""\n'
            "    total = 0\n"
            "    for item in items:\n"
            f"        if item > {number}:\n"
            "            total += item * factor\n"
            "    return total\n"
            for number in range(FUNCTIONS)
        ]
        tests += [
            f"def test_{number}():\n    assert work_{number}(range(20)) == {sum(range(number + 1, 20))}\n"
            for number in range(TESTS)
        ]
        files[f"shop/part{module}.py"] = "\n\n".join(parts)
        files[f"tests/test_part{module}.py"] = "\n\n".join(tests)
    files[CHANGED] = files[CHANGED].replace("if item > 0:", "if item > 1:", 1)
    return files


def candidates(files: dict[str, str], count: int) -> Iterator[Candidate]:
    """Wrong answers, all different, and none of them hangs."""
    for number in range(count):
        text = files[CHANGED].replace("if item > 1:", f"if item > {number + 2}:", 1)
        diff = Diff(text="", paths=(CHANGED,), added=1, removed=1)
        yield Candidate(task="1", worker="bench", diff=diff, texts={CHANGED: text})


class Measuring:
    """One project in one sandbox, tried in every way."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.files = sandbox, project()
        self.command: TestCommand = testing.detect(self.files.keys(), self.files.get)

    def opened(self) -> AbstractContextManager[Workspace]:
        return self.sandbox.open(self._fill, LIMITS)

    def _fill(self, directory: str) -> None:
        for path, text in self.files.items():
            file = Path(directory, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def _once(self, workspace: Workspace) -> None:
        run = run_tests(workspace, self.command, tests=RED, tree="", sandbox="", timeout_seconds=60)
        if run.state != "failed":
            raise RuntimeError(f"a wrong candidate was called {run.state}: {run.reason}")

    def container_each(self, count: int) -> float:
        """Seconds a candidate: a new sandbox, the tree sent, one run, the sandbox gone."""
        began = time.monotonic()
        for candidate in candidates(self.files, count):
            with self.opened() as workspace:
                workspace.write(candidate.texts)
                self._once(workspace)
        return (time.monotonic() - began) / count

    def interpreter_each(self, count: int) -> float:
        """Seconds a candidate: one warm sandbox, the changed file sent, a fresh pytest."""
        with self.opened() as workspace:
            self._once(workspace)
            began = time.monotonic()
            for candidate in candidates(self.files, count):
                workspace.write(candidate.texts)
                self._once(workspace)
            return (time.monotonic() - began) / count

    def forked(self, count: int, together: int) -> tuple[float, float]:
        """Seconds a candidate, start-up and first batch left out, and with everything in."""
        with self.opened() as workspace:
            began = time.monotonic()
            times = []
            for trial in try_candidates(
                workspace,
                self.command,
                red=RED,
                candidates=candidates(self.files, count),
                originals=self.files.get,
                together=together,
            ):
                if trial.state != "failed":
                    raise RuntimeError(f"a wrong candidate was called {trial.state}: {trial.reason}")
                times.append(trial.seconds)
            return median(times), (time.monotonic() - began) / count

    def fork_loop(self, count: int) -> float:
        """Seconds a candidate in a bare loop of forks, inside the same sandbox."""
        job = {"texts": [one.texts[CHANGED] for one in candidates(self.files, count)], "red": RED[0]}
        with self.opened() as workspace:
            done = workspace.run(["python3", "-c", FORK_LOOP], timeout_seconds=120, stdin=json.dumps(job).encode())
        seconds, passed = json.loads(done.output.strip().split("\n")[-1])
        if passed:
            raise RuntimeError("a wrong candidate passed in the bare loop")
        return float(seconds) / count


def sandboxes() -> Iterator[Sandbox]:
    """Those that work here."""
    from gitagent.adapters.bubblewrap import BubblewrapSandbox
    from gitagent.adapters.docker_sandbox import DockerSandbox
    from gitagent.errors import SandboxError

    docker = DockerSandbox(os.environ.get("GITAGENT_TEST_IMAGE", "gitagent-base:bookworm"), pull=False)
    try:
        docker.identity()
        yield docker
    except SandboxError as error:
        print(f"docker: left out, {error}")
    bubblewrap = BubblewrapSandbox(sys.executable)
    if reason := bubblewrap.probe():
        print(f"bubblewrap: left out, {reason}")
    else:
        yield bubblewrap


def report(rounds: int) -> None:
    """Print one table for each sandbox that works here."""
    for sandbox in sandboxes():
        _table(Measuring(sandbox), rounds)


def _table(measuring: Measuring, rounds: int) -> None:
    ways: dict[str, tuple[int, Callable[[int], float]]] = {
        "a new sandbox each": (4, measuring.container_each),
        "a warm sandbox, a fresh interpreter each": (6, measuring.interpreter_each),
        "warm, a fork each": (1_500, lambda count: measuring.forked(count, 1)[1]),
        f"warm, {TOGETHER} to a fork": (3_000, lambda count: measuring.forked(count, TOGETHER)[1]),
        "bare os.fork loop (yardstick)": (1_000, measuring.fork_loop),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (count, way) in ways.items():
            taken[name].append(way(count))
    middle = {name: median(times) for name, times in taken.items()}
    slowest, bare = middle["a new sandbox each"], middle["bare os.fork loop (yardstick)"]
    rows = [
        [
            name,
            f"{1000 * middle[name]:.2f} ms",
            f"{60 / middle[name]:,.0f}",
            f"{slowest / middle[name]:,.0f}x",
            f"{middle[name] / bare:.2f}x",
            f"{count:,}",
        ]
        for name, (count, _) in ways.items()
    ]
    table(
        f"{measuring.sandbox.name}, {MODULES} modules, one red test, median of {rounds} rounds, everything counted in:",
        ["way", "a candidate", "a minute", "times a new sandbox", "time of a bare fork", "candidates"],
        rows,
    )


def main(argv: list[str]) -> int:
    """Measure; for `python -m bench throughput`."""
    parser = argparse.ArgumentParser(prog="python -m bench throughput")
    parser.add_argument("--rounds", type=int, default=3)
    report(parser.parse_args(argv).rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
