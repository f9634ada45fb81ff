"""In the middle of a run: a full disk, read-only objects, garbage collection, an answer or an engine that is lost."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gitagent.adapters.engines import engines
from tests.adapters.sandboxing import IMAGE, docker_or_skip
from tests.e2e.running import RED, Project
from tests.e2e.test_api import endpoint
from tests.e2e.test_kills import second_time_right
from tests.e2e.test_trouble import small_disk
from tests.engine_proxy import EngineProxy
from tests.scripted_server import Answer, Asked, ScriptedServer
from tests.surviving import Copy, DeadlySite

__all__ = ["small_disk"]


class Meanwhile(ScriptedServer):
    """A model that is right the second time; while it thinks about its first answer, something happens."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self._first = threading.Event()

        def script(asked: Asked) -> Answer:
            if not self._first.is_set():
                self._first.set()
                happens()
            return second_time_right(asked)

        super().__init__(script)

    @property
    def env(self) -> dict[str, str]:
        """What sends a run to it alone."""
        return endpoint(self) | {"GITAGENT_TEMPLATES_ENABLED": "false"}


def ends_well(calc: Project, server: Meanwhile) -> None:
    """The run goes on to one proven pull request, in a repository that git finds nothing wrong with."""
    assert calc.git("fsck", "--strict", "--no-progress", "--no-dangling") == ""
    assert calc.gitagent("resume", env=server.env).code == 0
    assert len(calc.branches()) == 1 and calc.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]
    assert calc.git("show", f"{calc.branches()[0]}:calc.py").startswith("def add(a, b):\n    return a + b\n")
    assert calc.git("fsck", "--strict", "--no-progress", "--no-dangling") == ""


def test_a_disk_that_fills_in_the_middle_is_told_and_the_run_goes_on_once_there_is_room(
    calc: Project, small_disk: Path
) -> None:
    filler = small_disk / "filler"

    def fill() -> None:
        with filler.open("wb") as file, pytest.raises(OSError, match="No space"):  # noqa: PT012
            while True:
                file.write(b"x" * 4096)
                file.flush()

    with Meanwhile(fill) as server:
        done = calc.gitagent("fix", "--test", RED, "--api", env=server.env)
        assert done.code == 3 and "space" in done.told[0].lower(), done.err
        assert calc.branches() == [] and calc.refs("refs/gitagent/pulls/") == []
        filler.unlink()
        ends_well(calc, server)


@pytest.fixture
def writing(calc: Project) -> Iterator[Callable[[bool], None]]:
    """Lets the project's objects be written to, or not; for root too."""
    objects = str(calc.root / ".git/objects")

    def mount(*arguments: str) -> None:
        done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("this machine lets nobody mount a directory read-only")

    if shutil.which("mount") is None:
        pytest.skip("there is no mount here")
    mount("--bind", objects, objects)
    try:
        yield lambda allowed: mount("-o", f"remount,bind,{'rw' if allowed else 'ro'}", objects)
    finally:
        subprocess.run(["umount", objects], check=True)


def test_objects_that_may_not_be_written_are_told_before_a_run_and_in_the_middle_of_one(
    calc: Project, writing: Callable[[bool], None]
) -> None:
    writing(False)
    done = calc.gitagent("fix", "--test", RED)
    assert done.code == 3 and calc.refs() == ["refs/heads/main"], done.err
    writing(True)
    with Meanwhile(lambda: writing(False)) as server:
        done = calc.gitagent("fix", "--test", RED, "--api", env=server.env)
        assert done.code == 3 and done.told[0], done.err
        assert calc.branches() == [] and calc.refs("refs/gitagent/pulls/") == []
        writing(True)
        ends_well(calc, server)


def test_garbage_collection_takes_nothing_of_a_run_under_way(calc: Project) -> None:
    with Meanwhile(lambda: calc.git("gc", "--quiet", "--prune=now")) as server:
        assert calc.gitagent("fix", "--test", RED, "--api", env=server.env).code == 0
    assert len(calc.branches()) == 1 and calc.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]
    assert calc.git("fsck", "--strict", "--no-progress", "--no-dangling") == ""


class LateSite(DeadlySite):
    """A GitHub whose front gives up waiting: the first pull request is opened, and the answer is a time-out."""

    late = 1

    def answer(self, method: str, path: str, data: Any) -> tuple[int, Any, Any]:
        answer = super().answer(method, path, data)
        if method == "POST" and path.endswith("/pulls") and self.late:
            self.late -= 1
            return 504, {}, {"message": "Gateway Timeout"}
        return answer


def test_a_site_that_answers_after_the_time_out_has_one_pull_request(calc: Project, tmp_path: Path) -> None:
    with ExitStack() as stack:
        root = tmp_path / "hosted"
        shutil.copytree(calc.root, root)
        hosted = Copy(root, tmp_path / "temporary-hosted", {}, stack)
        hosted.host(LateSite)
        done = hosted.gitagent("fix", "--test", RED, "--yes", env=hosted.env)
        assert done.code == 0, done.err
        assert hosted.site is not None and hosted.site.late == 0 and len(hosted.site.pulls) == 1  # type: ignore[attr-defined]


@pytest.mark.docker
def test_a_container_engine_that_goes_away_is_told_and_the_run_goes_on_once_it_is_back(
    calc: Project, tmp_path: Path
) -> None:
    docker_or_skip()
    import docker

    from gitagent.adapters.docker_sandbox import LABEL

    client = docker.from_env()
    (real,) = [address for address in engines() if address.startswith("unix://")][:1] or pytest.skip("no socket")
    with EngineProxy(tmp_path / "engine.sock", real).listening() as engine, Meanwhile(engine.die) as server:
        contained = server.env | {"GITAGENT_SANDBOX_BACKEND": "docker", "GITAGENT_SANDBOX_IMAGE": IMAGE}
        contained |= {"GITAGENT_SANDBOX_PYTHON": ""}
        with calc.start("fix", "--test", RED, "--api", env=contained | {"DOCKER_HOST": engine.address}) as process:
            _, err = process.communicate("", timeout=120)
        try:
            assert process.returncode == 6 and "Traceback" not in err, err
            assert len([line for line in err.split("\n") if line.startswith("error: ")]) == 1
            assert calc.branches() == [] and calc.refs("refs/gitagent/pulls/") == []
            done = calc.gitagent("resume", env=contained)
            assert done.code == 0, done.err
        finally:
            # What an engine that died would have taken with it.
            for container in client.containers.list(all=True):
                if container.labels.get(LABEL) == str(process.pid):
                    container.remove(force=True)
            client.close()
    assert len(calc.branches()) == 1 and calc.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]
