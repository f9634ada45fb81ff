"""Test runs as text, to be kept and read again; read as strictly as if a stranger had written them."""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

from gitagent.records import TestResult, TestRun

FORMAT = 1
MOST_CHARACTERS = 4 * 2**20


def key_of(tree: str, sandbox: str, argv: Sequence[str], *, turn: int = 0) -> str:
    """The name of a run: the same tree, environment and command line have the same. `turn` is 1 for a second run."""
    asked = json.dumps([FORMAT, tree, sandbox, list(argv), turn])
    return hashlib.sha256(asked.encode()).hexdigest()


def text_of(run: TestRun, maker: str) -> str:
    """The run as JSON, with the id of whoever paid for it."""
    plain = {
        "format": FORMAT,
        "maker": maker,
        "tree": run.tree,
        "sandbox": run.sandbox,
        "argv": list(run.argv),
        "state": run.state,
        "exit_code": run.exit_code,
        "seconds": round(run.seconds, 3),
        "reason": run.reason,
        "output": run.output,
        "results": [[one.id, one.outcome, round(one.seconds, 4), one.message] for one in run.results],
    }
    return json.dumps(plain, separators=(",", ":")) + "\n"


def read(text: str) -> tuple[TestRun, str] | None:
    """The run and its maker, None if the text is not exactly what `text_of` writes of a run that could judge."""
    try:
        found = json.loads(text) if len(text) <= MOST_CHARACTERS else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or set(found) != _KEYS or found["format"] != FORMAT:
        return None
    texts = [found[name] for name in ("maker", "tree", "sandbox", "state", "reason", "output")]
    argv, results = found["argv"], found["results"]
    good = all(isinstance(value, str) for value in texts) and found["state"] in ("passed", "failed")
    good = good and _is_number(found["seconds"]) and type(found["exit_code"]) is int
    good = good and isinstance(argv, list) and all(isinstance(word, str) for word in argv)
    if not good or not isinstance(results, list) or not all(_is_result(one) for one in results):
        return None
    run = TestRun(
        tree=found["tree"],
        sandbox=found["sandbox"],
        argv=tuple(argv),
        state=found["state"],
        results=tuple(
            TestResult(id=test, outcome=outcome, seconds=seconds, message=message)
            for test, outcome, seconds, message in results
        ),
        exit_code=found["exit_code"],
        seconds=found["seconds"],
        reason=found["reason"],
        output=found["output"],
    )
    return run, found["maker"]


_KEYS = {
    "format",
    "maker",
    "tree",
    "sandbox",
    "argv",
    "state",
    "exit_code",
    "seconds",
    "reason",
    "output",
    "results",
}


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


def _is_result(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 4:
        return False
    test, outcome, seconds, message = value
    known = outcome in ("passed", "failed", "error", "skipped") if isinstance(outcome, str) else False
    return known and isinstance(test, str) and isinstance(message, str) and _is_number(seconds)
