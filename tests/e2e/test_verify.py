"""`gitagent verify`, as a reviewer runs it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from tests.e2e.running import RED, Project

Digest = Callable[[Path], str]


def test_a_pull_request_is_verified_by_running_its_tests_again(calc: Project, untouched: Digest) -> None:
    assert calc.gitagent("fix", "--test", RED).code == 0
    (branch,) = calc.branches()
    before = untouched(calc.root)
    found = calc.gitagent("verify", "1", "--json")
    assert found.code == 0, found.err
    told = json.loads(found.out)
    assert told["answer"] == "holds" and told["certificate"]["tests"][RED] == ["failed", "passed"]
    assert "base: 1 passed, 1 failed" in found.err and "tip: 2 passed" in found.err
    quick = calc.gitagent("verify", branch, "--no-run")
    assert quick.code == 125 and "no test was run" in quick.out

    note = calc.git("notes", "--ref", "gitagent", "show", branch)
    tip = calc.git("rev-parse", branch)
    calc.git("update-ref", "-d", "refs/notes/gitagent")
    alone = calc.gitagent("verify", branch)
    assert alone.code == 125 and "there is no certificate for it" in alone.out and "git fetch" in alone.err
    by_body = calc.gitagent("verify", "#1", "--no-run")
    assert by_body.code == 125 and "nothing speaks against it" in by_body.out

    calc.git("notes", "--ref", "gitagent", "add", "-m", note.replace("test_double", "test_triple"), tip)
    edited = calc.gitagent("verify", branch)
    assert edited.code == 1 and "it was edited" in edited.out
    calc.git("notes", "--ref", "gitagent", "add", "-m", note, "main")
    moved = calc.gitagent("verify", "main")
    assert moved.code == 1 and "it was moved" in moved.out
    calc.git("notes", "--ref", "gitagent", "add", "-f", "-m", note, tip)
    elsewhere = calc.gitagent("verify", branch, env={"GITAGENT_SANDBOX_PYTHON": sys.executable})
    assert elsewhere.code == 1 and "another image" in elsewhere.out
    other = calc.gitagent("verify", branch, "--test-command", "true")
    assert other.code == 1 and "another command" in other.out
    assert untouched(calc.root) == before


def test_what_there_is_not_is_named(calc: Project) -> None:
    nothing = calc.gitagent("verify", "7")
    assert nothing.code == 7 and nothing.told[0] == "there is no pull request 7 here"
    nobody = calc.gitagent("verify", "nobody")
    assert nobody.code == 3 and "'nobody' names no commit" in nobody.told[0]
