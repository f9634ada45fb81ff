"""One run of a project's tests in a workspace, told as a `TestRun`."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gitagent.core import results as reading
from gitagent.core.secrets import redacted
from gitagent.core.testing import WHOLE_SUITE, selected_argv
from gitagent.errors import RequestError
from gitagent.ports import Workspace
from gitagent.records import Execution, Outcome, State, TestCommand, TestResult, TestRun

_OUTPUT_CHARACTERS = 20_000
PYTEST_ENDS = {2: "interrupted", 3: "internal error", 4: "usage error", 5: "no tests were collected"}


def run_tests(
    workspace: Workspace,
    command: TestCommand,
    *,
    tests: Sequence[str] = (),
    tree: str,
    sandbox: str,
    timeout_seconds: float,
    planted: bool = False,
) -> TestRun:
    """Run these tests, or the whole suite, in a fresh process.

    "inconclusive" whenever the exit code and the results do not tell the same story. With `planted` a test that
    must fail is run beside these (by pytest only, and only where tests are chosen): if it does not, the code under
    test has a hand in its own results, and they say nothing. Raises RequestError if a test id cannot be one.
    """
    argv = selected_argv(command, tests)
    plant = _Planted() if planted and tests and command.runner == "pytest" and command.reader == "junit" else None
    if plant:
        workspace.write({plant.path: plant.text})
    ran = (*argv, plant.path) if plant else argv
    execution, data = execute(workspace, command, ran, timeout_seconds)
    results, problem = _results(command, execution, data, tests, _root(workspace, command))
    if tests and command.runner == "npm":  # tests that were not chosen are reported as skipped
        results = tuple(one for one in results if one.outcome != "skipped" or one.id in tests)
    if plant:
        workspace.write({plant.path: None})
        execution, results, problem = plant.taken_out(execution, results, problem)
    state, reason = _state(command, execution, results, problem)
    return TestRun(
        tree=tree,
        sandbox=sandbox,
        argv=argv,
        state=state,
        # What tests print is told to models and written down: credentials stop here.
        results=tuple(replace(one, message=redacted(one.message)) for one in results),
        exit_code=execution.exit_code,
        seconds=execution.seconds,
        reason=redacted(reason),
        output=redacted(_ends(execution.output)),
    )


class _Planted:
    """A test that fails, under a name and with a message nobody can know before."""

    def __init__(self) -> None:
        self._word = os.urandom(8).hex()
        self.path = f"test_{self._word}.py"
        # Found whatever the project's settings say that tests are called.
        self.text = (
            "import unittest\n\n\nclass TestPlanted(unittest.TestCase):\n"
            f"    def test_planted(self):\n        self.fail({self._word[::-1]!r})\n"
        )

    def taken_out(
        self, execution: Execution, results: Sequence[TestResult], problem: str
    ) -> tuple[Execution, tuple[TestResult, ...], str]:
        """The run as if the test had not been there; with a problem if it did not fail as it must."""
        own = [result for result in results if self._word in result.id]
        others = tuple(result for result in results if self._word not in result.id)
        if execution.exit_code == 1 and any(one.outcome in ("failed", "error") for one in own):
            failing = any(one.outcome in ("failed", "error") for one in others)
            return replace(execution, exit_code=int(failing)), others, problem
        if execution.exit_code in (0, 1) and not problem:
            problem = "a test planted to fail did not: the code under test has a hand in its results"
            return replace(execution, exit_code=1), (), problem
        return execution, others, problem


def execute(
    workspace: Workspace, command: TestCommand, argv: Sequence[str], timeout_seconds: float
) -> tuple[Execution, bytes]:
    """Run a test command and fetch its results, written under a name no earlier run can have used."""
    if not command.results:
        return workspace.run(argv, timeout_seconds=timeout_seconds), b""
    if "*" in command.results:
        find = ("find", ".", "-path", command.results)
        workspace.run([*find, "-delete"], timeout_seconds=60)
        execution = workspace.run(argv, timeout_seconds=timeout_seconds)
        found = workspace.run([*find, "-exec", "cat", "{}", "+"], timeout_seconds=60)
        return execution, found.output.encode("utf-8", "surrogateescape")
    stem, dot, ending = command.results.rpartition(".")
    path = f"{stem}-{os.urandom(8).hex()}{dot}{ending}"
    own = [word.replace(command.results, path) for word in argv]
    execution = workspace.run(own, timeout_seconds=timeout_seconds, collect=[path])
    return execution, execution.files.get(path, b"")


def _root(workspace: Workspace, command: TestCommand) -> str:
    """Where the tree lies inside, for runners that name files by their whole path."""
    if command.runner != "npm" or command.reader not in ("junit", "jest"):
        return ""
    return workspace.run(["pwd", "-P"], timeout_seconds=60).output.strip()


def _results(
    command: TestCommand, execution: Execution, data: bytes, tests: Sequence[str], root: str
) -> tuple[tuple[TestResult, ...], str]:
    """The results, and what is wrong with them in words."""
    if command.reader == "exit":
        by_runner = {"go": reading.read_go, "cargo": reading.read_cargo, "unittest": reading.read_unittest}
        read = by_runner.get(command.runner)
        found = read(execution.output) if read is not None else ()
        return found or _from_exit(command, execution, tests), ""
    if not data:
        return (), "no results were written"
    try:
        if command.reader == "junit":
            found = reading.read_junit(data, root)
            # Files of a directory come in no order of their own.
            return tuple(sorted(found, key=lambda one: one.id)) if "*" in command.results else found, ""
        if command.reader == "jest":
            return reading.read_jest(data, root), ""
        return reading.read_tap(data.decode("utf-8", "replace")), ""
    except RequestError as error:
        return (), str(error).rstrip(".")


def _from_exit(command: TestCommand, execution: Execution, tests: Sequence[str]) -> tuple[TestResult, ...]:
    """Where only the exit code speaks, it speaks for all that was run."""
    outcome: Outcome = "passed" if execution.exit_code == 0 else "failed"
    names = tests if tests and command.select is not None else (WHOLE_SUITE,)
    message = "" if outcome == "passed" else reading.shortened(execution.output)
    return tuple(TestResult(id=name, outcome=outcome, message=message) for name in names)


def _state(
    command: TestCommand, execution: Execution, results: Sequence[TestResult], problem: str
) -> tuple[State, str]:
    code = execution.exit_code
    if execution.timed_out or code is None:
        return "inconclusive", f"stopped after {execution.seconds:.0f} s without an end"
    if code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        return "inconclusive", f"the tests' process was ended by signal {number}"
    if code in (126, 127) and not results[1:]:
        return "inconclusive", f"{command.argv[0]} cannot be run in the sandbox: {last_line(execution.output)}"
    failing = [result.id for result in results if result.outcome in ("failed", "error")]
    counts = ", ".join(
        f"{count} {name}"
        for name, outcomes in (("passed", ("passed",)), ("failed", ("failed", "error")), ("skipped", ("skipped",)))
        if (count := sum(result.outcome in outcomes for result in results))
    )
    if command.runner == "pytest" and code in PYTEST_ENDS:
        told = f": {', '.join(failing[:3])} could not be collected" if code == 2 and failing else ""
        return "inconclusive", f"pytest: {PYTEST_ENDS[code]}{told or _telling(execution.output)}"
    if problem:
        if "No module named pytest" in execution.output:
            return "inconclusive", "pytest is not installed in the sandbox"
        return "inconclusive", f"exit code {code}, but {problem}{_telling(execution.output)}"
    if code == 0 and failing:
        return "inconclusive", f"exit code 0, but the results say {counts}"
    if code == 0 and not any(result.outcome == "passed" for result in results):
        return "inconclusive", "no test ran" if not results else f"every test was skipped ({counts})"
    if code and not failing:
        return "inconclusive", f"exit code {code}, but no test failed ({counts or 'none ran'})"
    return ("failed" if failing else "passed"), counts


def _telling(output: str) -> str:
    """The last line that names an error, for a reason's end."""
    lines = [line.strip() for line in output.split("\n") if line.strip()]
    errors = [line for line in lines if re.match(r"(E  |ERROR|[\w.]+(Error|Exception)\b|error:|.*: error:)", line)]
    line = (errors or lines or [""])[-1]
    return f": {_cut(line)}" if line else ""


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return _cut((lines or [""])[-1])


def _cut(line: str) -> str:
    return line if len(line) <= 200 else line[:199] + "…"


def _ends(output: str) -> str:
    if len(output) <= _OUTPUT_CHARACTERS:
        return output
    half = _OUTPUT_CHARACTERS // 2
    return f"{output[:half]}\n… {len(output) - 2 * half} characters left out …\n{output[-half:]}"


def in_process(command: TestCommand) -> tuple[tuple[str, ...], list[str], bool] | None:
    """How to start the Python that runs pytest, pytest's options, and whether the root goes on the import path.

    None if it is another runner, or pytest behind a launcher of its own.
    """
    if command.runner != "pytest":
        return None
    at = next((i for i, word in enumerate(command.argv) if re.fullmatch(r"(.*/)?(pytest|py\.test)", word)), None)
    if at is None:
        return None
    options = [word for word in command.argv[at + 1 :] if not word.startswith("--junitxml=")]
    python = command.argv[: at - 1] if at >= 2 and command.argv[at - 1] == "-m" else ()
    if python and re.fullmatch(r"(.*/)?python[\d.]*", python[0]):
        return python, options, True
    return (("python3",), options, False) if at == 0 else None


def script(name: str) -> str:
    """A script of `inside/` with the parts it imports from there put in their place, since gitagent is not there."""
    return "from __future__ import annotations\n" + _inlined(name, set())


def _inlined(name: str, seen: set[str]) -> str:
    seen.add(name)
    lines = []
    for line in (Path(__file__).parent / "inside" / f"{name}.py").read_text("utf-8").split("\n"):
        part = re.fullmatch(r"from gitagent\.inside\.(\w+) import [\w, ]+", line)
        if part:
            lines += [_inlined(part[1], seen)] if part[1] not in seen else []
        elif line != "from __future__ import annotations":
            lines.append(line)
    return "\n".join(lines)
