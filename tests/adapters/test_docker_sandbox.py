import json
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gitagent.adapters.docker_sandbox import LABEL, DockerSandbox
from gitagent.adapters.engines import engines
from gitagent.errors import SandboxError
from tests.adapters.sandboxing import IMAGE, LIMITS, docker_or_skip, tree


@pytest.fixture
def sandbox() -> Any:
    return docker_or_skip()


@pytest.fixture
def engine(sandbox: Any) -> Iterator[Any]:
    import docker

    client = docker.from_env()
    yield client
    client.close()


def ours(engine: Any) -> list[Any]:
    return list(engine.containers.list(all=True, filters={"label": f"{LABEL}={os.getpid()}"}))


def test_an_engine_that_is_down_is_told_with_the_choices(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))  # nobody listens
    with pytest.raises(SandboxError, match=r"no container engine answers.*dead\.sock") as caught:
        DockerSandbox("any", base_url=f"unix://{tmp_path}/dead.sock").identity()
    assert "--sandbox bubblewrap" in caught.value.hint


def test_an_engine_far_away_is_refused_by_name() -> None:
    with pytest.raises(SandboxError, match="ssh://host: only local sockets and plain tcp"):
        DockerSandbox("any", base_url="ssh://host").identity()


def test_what_is_no_engine_is_told_as_such(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\n\r\nhi")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(SandboxError, match="no container engine answers"):
            DockerSandbox("any", base_url=f"tcp://127.0.0.1:{server.getsockname()[1]}").identity()
        thread.join()


def test_sockets_are_looked_for_where_engines_put_them(tmp_path: Path) -> None:
    (tmp_path / "podman").mkdir()
    with socket.socket(socket.AF_UNIX) as podman, socket.socket(socket.AF_UNIX) as desktop:
        podman.bind(str(tmp_path / "podman/podman.sock"))
        desktop.bind(str(tmp_path / "desktop.sock"))
        meta = tmp_path / ".docker/contexts/meta" / sha256(b"desktop").hexdigest()
        meta.mkdir(parents=True)
        host = f"unix://{tmp_path}/desktop.sock"
        (meta / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": host}}}))
        (tmp_path / ".docker/config.json").write_text('{"currentContext": "desktop"}')
        found = engines({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)})
        assert found[0] == host
        assert f"unix://{tmp_path}/podman/podman.sock" in found
    assert engines({"DOCKER_HOST": "tcp://10.0.0.1:2375"}) == ("tcp://10.0.0.1:2375",)
    (tmp_path / ".docker/config.json").write_text("[broken")
    assert host not in engines({"HOME": str(tmp_path)})


@pytest.mark.docker
def test_an_image_that_is_not_there_is_named_with_the_command_that_fetches_it(sandbox: Any) -> None:
    with pytest.raises(SandboxError, match="the image no-such-image:1 is not there, and fetching") as caught:
        DockerSandbox("no-such-image:1", pull=False).identity()
    assert caught.value.hint == "docker pull no-such-image:1"


@pytest.mark.docker
def test_an_image_that_cannot_be_fetched_is_told_with_the_reason(sandbox: Any) -> None:
    with pytest.raises(SandboxError, match=r"the image 127\.0\.0\.1:9/nobody is not there and cannot be fetched"):
        DockerSandbox("127.0.0.1:9/nobody").identity()
    with pytest.raises(SandboxError, match="the image"):
        DockerSandbox("NOT an image").identity()


@pytest.mark.docker
def test_the_container_is_shut_in_on_every_side(sandbox: Any, engine: Any) -> None:
    with sandbox.open(tree({"a": "b"}), LIMITS):
        (container,) = ours(engine)
        host, config = container.attrs["HostConfig"], container.attrs["Config"]
        assert host["NetworkMode"] == "none"
        assert host["ReadonlyRootfs"]
        assert host["AutoRemove"]
        assert host["CapDrop"] == ["ALL"] or "CHOWN" in host["CapDrop"]  # Podman lists those it would have given
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["Memory"] == host["MemorySwap"] == LIMITS.memory_bytes
        assert host["NanoCpus"] == 10**9
        assert host["PidsLimit"] == LIMITS.processes
        assert not host["Binds"]
        assert not host["Privileged"]
        assert config["User"] not in ("", "0", "root")
        assert container.image.id == sandbox.identity().removeprefix("docker:")
    assert ours(engine) == []


@pytest.mark.docker
def test_a_container_killed_in_the_middle_is_an_error_that_says_so(sandbox: Any, engine: Any) -> None:
    with sandbox.open(tree({}), LIMITS) as workspace:
        (container,) = ours(engine)
        timer = threading.Timer(0.5, container.kill)
        timer.start()
        with pytest.raises(SandboxError, match="ended in the middle"):
            workspace.run(["sleep", "600"], timeout_seconds=60.0)
        timer.join()
    assert ours(engine) == []


@pytest.mark.docker
def test_a_container_that_is_gone_before_the_command_is_an_error(sandbox: Any, engine: Any) -> None:
    with sandbox.open(tree({}), LIMITS) as workspace:
        ours(engine)[0].remove(force=True)
        with pytest.raises(SandboxError, match=f"the container of {IMAGE}"):
            workspace.run(["true"], timeout_seconds=5.0)


@pytest.mark.docker
def test_when_nothing_can_be_started_inside_a_new_container_takes_over_with_all_that_was_written(
    sandbox: Any, engine: Any
) -> None:
    bomb = """
import os
while True:
    try:
        if os.fork() == 0:
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
    except OSError:
        pass
"""
    with sandbox.open(tree({"a": "one", "b": "two"}), replace(LIMITS, processes=24, cpus=0.5)) as workspace:
        workspace.write({"a": "changed", "b": None})
        done = workspace.run(["python3", "-c", bomb], timeout_seconds=2.0)
        assert done.timed_out
        assert workspace.run(["sh", "-c", "cat a; ls"], timeout_seconds=20.0).output == "changeda\n"
    assert ours(engine) == []


@pytest.mark.docker
def test_a_tree_larger_than_the_disk_is_an_error_that_says_so(sandbox: Any, engine: Any) -> None:
    def fill(directory: str) -> None:
        with open(os.path.join(directory, "big"), "wb") as file:
            file.truncate(LIMITS.disk_bytes)

    with pytest.raises(SandboxError, match="sending the tree"), sandbox.open(fill, LIMITS):
        pytest.fail("opened")
    assert ours(engine) == []


@pytest.mark.docker
def test_no_container_outlives_a_gitagent_that_was_killed(sandbox: Any, engine: Any) -> None:
    script = """
import os
from tests.adapters.sandboxing import LIMITS, docker_or_skip, tree
with docker_or_skip().open(tree({}), LIMITS):
    print(os.getpid(), flush=True)
    os.kill(os.getpid(), 9)
"""
    environ = {**os.environ, "PYTHONPATH": os.getcwd()}
    ran = subprocess.run([sys.executable, "-c", script], env=environ, stdout=subprocess.PIPE, check=False)
    label = f"{LABEL}={int(ran.stdout)}"
    for container in engine.containers.list(all=True, filters={"label": label}):
        try:
            container.wait(condition="removed", timeout=15)
        except Exception as error:  # noqa: BLE001  (gone already is what we wait for, told in several ways)
            del error
    assert engine.containers.list(all=True, filters={"label": label}) == []


@pytest.mark.docker
def test_two_workspaces_of_one_sandbox_do_not_see_each_other(sandbox: Any) -> None:
    name = uuid.uuid4().hex
    with sandbox.open(tree({"a": "1"}), LIMITS) as one, sandbox.open(tree({"a": "2"}), LIMITS) as two:
        one.run(["touch", f"/tmp/{name}"], timeout_seconds=20.0)
        assert two.run(["sh", "-c", f"cat a; ls /tmp/{name}"], timeout_seconds=20.0).exit_code == 2
        assert one.run(["cat", "a"], timeout_seconds=20.0).output == "1"
