"""Who is at work on which run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_running import Running
from gitagent.errors import RepositoryError

ROOT = str(Path(__file__).parents[2])
HOLD = """
import sys
from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_running import Running
with Running(GitRepository(sys.argv[1])).held("r1", "gitagent/1-x"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def running(repo: Path) -> Running:
    return Running(GitRepository(str(repo)))


def test_a_run_is_live_as_long_as_its_process_and_no_longer(repo: Path, running: Running) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(repo)],
        env=os.environ | {"PYTHONPATH": ROOT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    assert running.is_live("r1") and not running.is_live("r2")
    assert running.ask_to_stop("r1") and running.stop_asked("r1")
    with (
        pytest.raises(RepositoryError, match="run r1 is at work on this already") as caught,
        running.held("r2", "gitagent/1-x"),
    ):
        pass
    assert caught.value.hint == "gitagent status, or gitagent stop r1"
    holder.kill()
    holder.communicate()
    assert not running.is_live("r1") and not running.ask_to_stop("r1")
    with running.held("r2", "gitagent/1-x"):
        assert not running.stop_asked("r1")
    assert not (repo / ".git/gitagent").exists()


def test_a_lock_that_cannot_be_made_is_an_error_that_names_it(repo: Path, running: Running) -> None:
    (repo / ".git/gitagent").write_text("in the way")
    with pytest.raises(RepositoryError, match="cannot be made"), running.held("r1", "b"):
        pass
