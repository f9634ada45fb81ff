"""What the machine or somebody else may do to a run: told in a line, nothing half-done, and resumed to its end."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running import RED, Project
from tests.e2e.test_api import endpoint
from tests.e2e.test_kills import second_time_right
from tests.scripted_server import Answer, Asked, ScriptedServer
from tests.waiting import until


@pytest.fixture
def small_disk(calc: Project, tmp_path: Path) -> Iterator[Path]:
    """The project's git directory on a file system of one megabyte."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    place, git = tmp_path / "small", calc.root / ".git"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    try:
        shutil.rmtree(git / "hooks")
        shutil.copytree(git, place / "git")
        git.rename(calc.root / "git-before")
        git.symlink_to(place / "git")
        (place / "git/info/exclude").write_text("git-before\n")
        yield place
    finally:
        git.unlink()
        (calc.root / "git-before").rename(git)
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_and_the_run_begins_once_there_is_room(calc: Project, small_disk: Path) -> None:
    filler = small_disk / "filler"
    with filler.open("wb") as file, pytest.raises(OSError, match="No space"):  # noqa: PT012
        while True:
            file.write(b"x" * 65_536)
            file.flush()
    done = calc.gitagent("fix", "--test", RED)
    assert done.code == 3 and "Nothing was" in done.told[0]
    assert calc.branches() == [] and calc.git("fsck", "--strict", "--no-progress") == ""
    filler.unlink()
    assert calc.gitagent("fix", "--test", RED).code == 0


def test_a_run_that_is_asked_to_stop_ends_at_its_next_step_and_goes_on_later(calc: Project) -> None:
    asked_once, go_on = threading.Event(), threading.Event()

    def script(asked: Asked) -> Answer:
        asked_once.set()
        go_on.wait(60)
        return second_time_right(asked)

    with ScriptedServer(script) as server:
        env = endpoint(server) | {"GITAGENT_TEMPLATES_ENABLED": "false"}
        process = calc.start("fix", "--test", RED, "--api", env=env)
        until(asked_once.is_set, process)
        (run,) = [ref.rsplit("/", 1)[1] for ref in calc.refs("refs/gitagent/runs/")]
        assert "under way" in _said(calc, "status")
        second = _said(calc, "fix", "--test", RED, "--api", env=env)
        assert f"error: run {run} is at work on this already. Nothing was run" in second
        assert "was asked to stop" in _said(calc, "stop", run)
        go_on.set()
        done = calc.ended(process)
        assert done.code == 1 and "the run was asked to stop" in done.err
        assert calc.gitagent("resume", env=env).code == 0
        assert len(server.chats) == len({repr(chat.body) for chat in server.chats})
    assert len(calc.branches()) == 1 and calc.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]
    assert "is finished; nothing was run" in calc.gitagent("resume", run).err


def test_an_interrupted_run_goes_on_and_pays_for_no_answer_again(calc: Project) -> None:
    second = threading.Event()

    def script(asked: Asked) -> Answer:
        if "Refused last time" in asked.prompt and not second.is_set():
            second.set()
            return Answer(hang=True)
        return second_time_right(asked)

    with ScriptedServer(script) as server:
        env = endpoint(server) | {"GITAGENT_TEMPLATES_ENABLED": "false"}
        process = calc.start("fix", "--test", RED, "--api", env=env)
        until(second.is_set, process)
        os.killpg(process.pid, signal.SIGINT)
        assert calc.ended(process).code == 130
        before = [repr(chat.body) for chat in server.chats][:-1]  # all but the one that was never answered
        assert calc.gitagent("resume", env=env).code == 0
        after = [repr(chat.body) for chat in server.chats][len(before) + 1 :]
    assert before and not set(before) & set(after)


def _said(project: Project, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What a second command says while a first is under way."""
    with project.start(*arguments, env=env) as process:
        out, err = process.communicate("", timeout=60)
    return out + err
