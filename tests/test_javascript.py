"""Runs of real JavaScript runners: node's own, and mocha, jest and vitest as installed in a checkout."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gitagent.adapters import toolchains
from gitagent.adapters.bubblewrap import BubblewrapSandbox
from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.core import testing
from gitagent.records import SandboxLimits, TestRun
from gitagent.testruns import run_tests
from tests.adapters.sandboxing import bubblewrap_or_skip, tree

LIMITS = SandboxLimits(timeout_seconds=60.0)
CALC = "exports.add = (a, b) => a - b;\nexports.double = (a) => a * 2;\n"
SUITE = (
    "describe('calc', () => {{\n  it('adds', () => {add});\n"
    "  describe('in.ner', () => it('doubles  (it) > all', () => {double}));\n}});\n"
    "it('adds', () => {{}});\nit.skip('later', () => {{}});\n"
)
JEST = SUITE.format(add="expect(add(2, 3)).toBe(5)", double="expect(double(2)).toBe(4)")
MOCHA = SUITE.format(add="assert.equal(add(2, 3), 5)", double="assert.equal(double(2), 4)")
FILES = {
    "node": {
        "test/calc.test.js": "const {describe, it} = require('node:test');\nconst assert = require('node:assert');\n"
        f"const {{add, double}} = require('../calc.js');\n{MOCHA}",
        "test/other.test.js": "require('node:test').test('other', () => {});\n",
    },
    "mocha": {
        "test/calc.test.js": "const assert = require('assert');\n"
        f"const {{add, double}} = require('../calc.js');\n{MOCHA}",
        "test/other.test.js": "it('other', () => {});\n",
    },
    "jest": {
        "test/calc.test.js": f"const {{add, double}} = require('../calc.js');\n{JEST}",
        "test/other.test.js": "it('other', () => {});\n",
    },
    "vitest": {
        "test/calc.test.mjs": "import {describe, expect, it} from 'vitest';\nimport calc from '../calc.js';\n"
        f"const {{add, double}} = calc;\n{JEST}",
        "test/other.test.mjs": "import {it} from 'vitest';\nit('other', () => {});\n",
    },
}
RUNNERS = {"mocha": "mocha@10", "jest": "jest@29", "vitest": "vitest@2"}


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """A directory with the runners installed, as a checkout has them."""
    if not shutil.which("npm"):
        pytest.skip("no test of npm's runners: npm is not installed")
    with tempfile.TemporaryDirectory(prefix="gitagent-tests-") as directory:
        root = Path(directory)
        root.chmod(0o755)
        (root / "package.json").write_text('{"name": "calc", "private": true}\n')
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *RUNNERS.values()]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            pytest.skip(f"the runners cannot be installed: {done.stderr.strip()[-300:]}")
        yield root


def ran(kind: str, runner: str, script: str, checkout: Path | None, *choices: Sequence[str]) -> list[TestRun]:
    files = {
        "calc.js": CALC,
        "package.json": f'{{"name": "calc", "scripts": {{"test": "{script}"}}}}\n',
        **FILES[runner],
    }
    command = testing.detect(files, files.get)
    repository = str(checkout) if checkout else None
    tools = toolchains.find(files, repository)
    if kind == "bubblewrap":
        bubblewrap_or_skip()
        sandbox: BubblewrapSandbox | UnsandboxedSandbox = BubblewrapSandbox(
            repository=repository, toolchains=tools
        )
    else:
        sandbox = UnsandboxedSandbox(repository=repository, toolchains=tools)
    with sandbox.open(tree(dict(files)), LIMITS) as workspace:
        return [
            run_tests(workspace, command, tests=tests, tree="", sandbox="", timeout_seconds=60.0)
            for tests in choices
        ]


def outcomes(run: TestRun) -> dict[str, str]:
    return {result.id: result.outcome for result in run.results}


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
@pytest.mark.parametrize("kind", ["none", pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)])
def test_nodes_own_runner_tells_test_by_test_and_runs_those_that_are_named(kind: str) -> None:
    red, double = "calc > adds", "calc > in.ner > doubles  (it) > all"
    whole, one, both = ran(kind, "node", "node --test test/", None, [], [double], [red, "other"])
    assert whole.state == "failed" and whole.having("failed") == (red,), whole
    assert "expected: 5" in next(one.message for one in whole.results if one.id == red)
    assert (one.state, outcomes(one)) == ("passed", {double: "passed"})
    # Titles of suites are not compared before node 22, so the other `adds` may be run too.
    assert outcomes(both)[red] == "failed" and outcomes(both)["other"] == "passed" and double not in outcomes(both)


@pytest.mark.network
@pytest.mark.parametrize(
    ("runner", "script", "kind"),
    [
        ("mocha", "mocha --recursive", "bubblewrap"),
        ("jest", "NODE_ENV=test jest --coverage=false", "none"),
        ("vitest", "vitest", "bubblewrap"),
    ],
)
def test_runners_of_npm_tell_test_by_test_and_run_those_that_are_named(
    checkout: Path, runner: str, script: str, kind: str
) -> None:
    file = "test/calc.test.mjs" if runner == "vitest" else "test/calc.test.js"
    inner = " " if runner == "mocha" else " > "
    red, double = f"{file} > calc > adds", f"{file} > calc{inner}in.ner > doubles (it) > all"
    other = file.replace("calc", "other") + " > other"
    whole, one, two = ran(kind, runner, script, checkout, [], [double], [red, other])
    if runner == "vitest":
        double = next(test for test in outcomes(whole) if "doubles" in test)
    expected = {red: "failed", double: "passed", f"{file} > adds": "passed", f"{file} > later": "skipped"}
    assert (whole.state, outcomes(whole)) == ("failed", {**expected, other: "passed"}), whole
    assert "-1" in next(one.message for one in whole.results if one.id == red)
    assert (one.state, outcomes(one)) == ("passed", {double: "passed"}), one
    assert (two.state, outcomes(two)) == ("failed", {red: "failed", other: "passed"}), two
