"""Proof: what the tests say of base and tip, which lines they run, and which candidates they accept."""

import json
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches

from gitagent.core.testing import lies_in, normal_id, selected_argv
from gitagent.core.verdicts import judge, outcome_of
from gitagent.errors import RequestError
from gitagent.ports import Workspace
from gitagent.records import Coverage, TestCommand, TestRun, Verdict
from gitagent.testruns import in_process, run_tests, script
from gitagent.trying import Trial, Warmth, try_candidates

__all__ = ["Trial", "Warmth", "red_tests", "run_tests", "trace", "try_candidates", "verdict"]

OTHERWISE = 'gitagent fix "what is wrong" runs the whole suite and takes what fails'
_TRACE_BYTES = 256 * 1024**2


def red_tests(
    run: TestRun,
    requested: Sequence[str] = (),
    *,
    where: str = "base",
    asker: str = "gitagent fix",
    otherwise: str = OTHERWISE,
) -> tuple[str, ...]:
    """The tests to be mended: those requested, else all that fail on base (none is a possible answer).

    `where` names the commit in errors, `asker` the command in hints, `otherwise` is the hint that names no test.
    Raises RequestError if the run was inconclusive, a requested test is not in it, or does not fail.
    """
    if run.state == "inconclusive":
        raise RequestError(
            f"the tests cannot be judged on base: {run.reason}. Nothing was changed.",
            hint="gitagent doctor",
        )
    failing = run.having("failed", "error")
    if not requested:
        return failing
    known = tuple(result.id for result in run.results)
    chosen: dict[str, None] = {}
    for asked in requested:
        meant = normal_id(asked, known) if known else ()
        if not meant:
            tidy = normal_id(asked)[0]
            if any(lies_in(tidy, test) for test in failing):
                meant = (tidy,)  # its module cannot be loaded, so it is not listed by itself
            else:
                near = get_close_matches(tidy, known, n=1, cutoff=0.5)
                hint = f"{asker} --test {near[0]}" if near else otherwise
                raise RequestError(
                    f"{asked}: no such test among the {len(known)} run on {where}. Nothing was changed.", hint=hint
                )
        red = [test for test in meant if outcome_of(run, test) in ("failed", "error")]
        if not red:
            skipped = all(outcome_of(run, test) == "skipped" for test in meant)
            told = "is skipped" if skipped else "passes"
            raise RequestError(
                f"{asked} {told} on {where}, so there is nothing to mend. Nothing was changed.",
                hint=f"{asker} --test {failing[0]}" if failing else otherwise,
            )
        chosen.update(dict.fromkeys(red))
    return tuple(chosen)


def verdict(
    base: TestRun, tip: TestRun, *, red: Sequence[str], rerun: Callable[[str], TestRun] | None = None
) -> Verdict:
    """The verdict on tip, flaky tests found by running again.

    `rerun("base")` and `rerun("tip")` give a second run of the same tree, of the same tests or fewer. They are
    asked for only where they can change the answer.
    """
    first = judge(base, tip, red=red)
    if rerun is None or first.state == "inconclusive" or not (first.pass_to_fail or first.state == "passed"):
        return replace(first, red=tuple(red))
    again = (rerun("base"), rerun("tip"))
    second = judge(base, tip, red=red, base_again=again[0], tip_again=again[1])
    return replace(second, red=tuple(red), again=again)


def trace(
    workspace: Workspace, command: TestCommand, *, tests: Sequence[str] = (), timeout_seconds: float
) -> tuple[Coverage, ...]:
    """The project's lines that each test ran; those run by imports are under the test id "".

    Only pytest can be traced: for other runners, and where it does not work, the answer is empty. A test that
    hangs is "failed" with the lines it ran until then.
    """
    start = in_process(command)
    if start is None:
        return ()
    python, options, cwd_first = start
    out = f"/tmp/gitagent-trace-{os.urandom(8).hex()}"
    selected_argv(command, tests)  # refuses ids that are options
    job = {
        "args": [*options, *tests],
        "out": out,
        "seconds": max(timeout_seconds - 3.0, timeout_seconds * 0.6),
        "cwd_first": cwd_first,
    }
    execution = workspace.run(
        [*python, "-c", script("trace")],
        timeout_seconds=timeout_seconds,
        stdin=json.dumps(job).encode(),
        collect=[out],
    )
    return _coverage(execution.files.get(out, b""))


def _coverage(data: bytes) -> tuple[Coverage, ...]:
    """Reads what `inside/trace.py` wrote; a stranger's tests ran beside it, so anything odd is dropped."""
    try:
        unpacker = zlib.decompressobj()
        told = json.loads(unpacker.decompress(data, _TRACE_BYTES))
        files = [str(path) for path in told["files"]]
        return tuple(
            Coverage(
                test=str(test),
                outcome=outcome if outcome in ("passed", "failed", "error", "skipped") else "error",
                lines={files[number]: _lines(numbers) for number, numbers in packed},
            )
            for test, outcome, packed in told["tests"]
        )
    except (zlib.error, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return ()


def _lines(numbers: Sequence[int]) -> frozenset[int]:
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return frozenset(line for first, last in pairs for line in range(first, min(last, first + 100_000) + 1))
