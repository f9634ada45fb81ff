"""What `gitagent fix` decides before a run begins, and what its documentation promises."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitagent import errors
from gitagent.adapters.git import GitRepository
from gitagent.cli import COMMANDS, main
from gitagent.cli.fix import base_branch
from tests.e2e.running import CALC, ROOT, made

Git = Callable[..., str]


@pytest.mark.parametrize(
    ("current", "base", "expected"),
    [
        ("topic", None, "topic"),
        (None, None, "main"),
        ("topic", "main", "main"),
        ("topic", "origin/main", "main"),
        ("topic", "refs/heads/main", "main"),
        ("topic", "HEAD~1", "topic"),
    ],
)
def test_a_pull_request_is_for_the_branch_that_is_meant(
    repo: Path, current: str | None, base: str | None, expected: str
) -> None:
    assert base_branch(GitRepository(str(repo)), current, base) == expected


def test_the_documentation_lists_every_command_and_every_exit_code() -> None:
    text = (ROOT / "docs/cli.md").read_text()
    for name in COMMANDS:
        assert f"gitagent {name}" in text
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    codes = set(re.findall(r"^\| (\d) \|", text, re.MULTILINE))
    assert codes == {"0"} | {str(kind.exit_code) for kind in kinds}  # type: ignore[attr-defined]


def test_every_option_the_documentation_names_is_there() -> None:
    shown = CliRunner().invoke(main, ["fix", "--help"]).output
    for option in set(re.findall(r"`(--[a-z-]+)", (ROOT / "docs/cli.md").read_text())) - {"--help", "--repo"}:
        assert option in shown


def test_an_interrupt_before_a_run_began_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "init", ("tests.cli.interrupting", ""))
    done = CliRunner().invoke(main, ["init"])
    assert (done.exit_code, done.output) == (130, "interrupted\n")


@pytest.mark.parametrize("answer", ["n", "y"])
def test_on_a_terminal_one_is_asked_before_anything_is_pushed(tmp_path: Path, answer: str) -> None:
    project = made(tmp_path / "project", tmp_path / "temporary", CALC)
    project.git("remote", "add", "origin", "https://github.com/o/n.git")
    ours, theirs = pty.openpty()
    env = project.environment(
        {"GITHUB_TOKEN": "t", "GITAGENT_SANDBOX_BACKEND": "docker", "DOCKER_HOST": "unix:///nowhere"}
    )
    with subprocess.Popen(
        [sys.executable, "-m", "gitagent", "fix", "add is wrong", "--image", "x:1"],
        cwd=project.root, env=env, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        _, said = process.communicate(timeout=60)
    os.close(ours)
    assert "open a draft pull request on github when it is proven? [y/N]" in said
    # Refused by the user, or by the engine that is not there: in neither case anything was begun.
    assert process.returncode == (1 if answer == "n" else 6)
    assert project.branches() == []
