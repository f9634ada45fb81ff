"""`gitagent verify`: targets, answers and exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitagent.cli import main
from tests.proofs import lean_python

Git = Callable[..., str]


@pytest.fixture
def proven(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with pull request 1, proven."""
    monkeypatch.setenv("GITAGENT_SANDBOX_BACKEND", "none")
    monkeypatch.setenv("GITAGENT_SANDBOX_PYTHON", lean_python())
    (repo / "test_sums.py").write_text(
        "from pkg.deep.sums import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    )
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "test")
    assert run("fix", "--test", "test_add", "--repo", str(repo)).exit_code == 0
    return repo


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_each_answer_has_its_exit_code(proven: Path, git: Git) -> None:
    at = ("--repo", str(proven))
    held = run("verify", "1", *at)
    assert held.exit_code == 0, held.output
    assert "the certificate holds" in held.stdout and "tip: 1 passed in" in held.stderr
    assert "without a sandbox, as you said" in held.stderr
    branch = git(proven, "for-each-ref", "--format=%(refname:short)", "refs/heads/gitagent")
    quick = run("verify", branch, "--no-run", "--json", *at)
    assert quick.exit_code == 125 and json.loads(quick.stdout)["answer"] == "cannot tell"
    nothing = run("verify", "main", *at)
    assert nothing.exit_code == 125 and "the certificate cannot be judged" in nothing.stdout
    assert "hint: git fetch origin refs/notes/gitagent:refs/notes/gitagent" in nothing.stderr
    git(proven, "notes", "--ref", "gitagent", "add", "-f", "-m", "{}", branch)
    broken = run("verify", "#1", *at)
    assert broken.exit_code == 1 and "the certificate does not hold" in broken.stdout
    git(proven, "update-ref", "-d", "refs/notes/gitagent")
    assert run("verify", "#1", "--no-run", *at).exit_code == 125
