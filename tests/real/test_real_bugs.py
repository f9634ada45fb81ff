"""Real bugs of published packages, mended from the command line with no model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.packages import Bug, Unreachable, repository

pytestmark = [pytest.mark.real, pytest.mark.network]

BUGS = [
    Bug(
        package="parse",
        old="1.18.0",
        new="1.19.0",
        test_file="test_parse.py",
        test="TestResult::test_slice_access",
        without=("test_numbered", "test_match_trailing_newline"),
    ),
    Bug(
        package="parse",
        old="1.18.0",
        new="1.19.0",
        test_file="test_parse.py",
        test="TestBugs::test_match_trailing_newline",
        without=("test_numbered", "test_slice_access"),
    ),
    Bug(
        package="more-itertools",
        old="9.1.0",
        new="10.0.0",
        test_file="tests/test_recipes.py",
        test="TransposeTests::test_incompatible_error",
        without=(
            *("PolynomialEvalTests", "BatchedTests", "MatMulTests", "SumOfSquaresTests"),
            "PolynomialDerivativeTests",
        ),
    ),
    Bug(
        package="xmltodict",
        old="0.14.1",
        new="0.14.2",
        test_file="tests/test_xmltodict.py",
        test="XMLToDictTestCase::test_skip_whitespace",
    ),
    Bug(
        package="more-itertools",
        old="9.1.0",
        new="10.0.0",
        test_file="tests/test_recipes.py",
        test="BatchedTests::test_basic",
        without=(
            *("PolynomialEvalTests", "TransposeTests", "MatMulTests", "SumOfSquaresTests"),
            "PolynomialDerivativeTests",
        ),
    ),
]

# Fetched archives outlive the home that every test gets of its own.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gitagent" / "sdists"


@pytest.mark.parametrize("bug", BUGS, ids=[f"{bug.package} {bug.old}: {bug.test}" for bug in BUGS])
def test_a_real_bug_is_mended_with_no_model(bug: Bug, tmp_path: Path, untouched: Callable[[Path], str]) -> None:
    try:
        root = repository(bug, CACHE, tmp_path)
    except Unreachable as reason:
        if os.environ.get("GITAGENT_REQUIRE_PACKAGES") == "1":
            raise
        pytest.skip(str(reason))
    before = untouched(root)
    command = [sys.executable, "-m", "gitagent", "fix", "--test", bug.node_id, "--repo", str(root)]
    command += ["--local", "--sandbox", "none", "--yes", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    verdicts = [event for event in events if event["event"] == "verdict_reached"]
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert verdicts[-1]["state"] == "passed"
    assert any(test.endswith(bug.test.rsplit("::", 1)[-1]) for test in verdicts[-1]["fail_to_pass"])
    assert verdicts[-1]["pass_to_fail"] == []
    assert untouched(root) == before
