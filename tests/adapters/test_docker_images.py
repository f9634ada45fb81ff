"""Images built from a project's files, by a real engine; the network is used where packages are fetched."""

import ensurepip
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitagent.adapters import docker_images
from gitagent.adapters.sandboxes import choose
from gitagent.core.images import Recipe
from gitagent.errors import SandboxError
from tests.adapters.sandboxing import IMAGE, LIMITS, docker_or_skip, tree

pytestmark = pytest.mark.docker


@pytest.fixture
def api() -> Iterator[Any]:
    docker_or_skip()
    import docker

    client = docker.APIClient()
    before = {image["Id"] for image in client.images(filters={"label": docker_images.LABEL})}
    yield client
    for image in client.images(filters={"label": docker_images.LABEL}):
        if image["Id"] not in before:
            client.remove_image(image["Id"], force=True)
    client.close()


def recipe(script: str, **files: bytes) -> Recipe:
    text = f"FROM {IMAGE}\nRUN {script}\n".encode()
    return Recipe(base=IMAGE, dockerfile="Dockerfile", files={"Dockerfile": text, **files}, why="a test")


def test_a_recipe_is_built_once_however_many_ask_and_found_again(api: Any) -> None:
    import docker

    told: list[str] = []
    found: list[str] = []

    def ask() -> None:
        client = docker.APIClient()
        found.append(docker_images.ensure(client, recipe("echo once > /once"), pull=False, tell=told.append))
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and len(set(found)) == 1
    assert told.count("building an image for a test") == 1
    assert docker_images.ensure(api, recipe("echo once > /once"), pull=False, tell=told.append) == found[0]
    assert told.count("building an image for a test") == 1
    assert docker_images.ensure(api, recipe("echo two > /once"), pull=False) != found[0]


def test_a_build_that_fails_says_its_last_lines_and_leaves_no_image(api: Any) -> None:
    broken = recipe("echo this went wrong && exit 3")
    with pytest.raises(SandboxError, match=r"(?s)failed:.*this went wrong.*Nothing was run") as caught:
        docker_images.ensure(api, broken, pull=False)
    assert "[sandbox]" in caught.value.hint
    base = str(api.inspect_image(IMAGE)["Id"])
    assert api.images(filters={"label": f"{docker_images.LABEL}={broken.digest(base)}"}) == []


def test_a_build_that_hangs_in_silence_is_given_up_and_one_that_grows_too_large_is_removed(api: Any) -> None:
    with pytest.raises(SandboxError, match="said nothing for 2 s"):
        docker_images.ensure(api, recipe("sleep 20"), pull=False, silent_seconds=2)
    large = recipe("echo large > /large")
    with pytest.raises(SandboxError, match=r"takes 0\.\d GB, more than 0\.0"):
        docker_images.ensure(api, large, pull=False, most_bytes=1_000)
    assert docker_images.known(api, large) == ""


def test_without_a_build_it_is_told_what_would_be_built(api: Any) -> None:
    docker_or_skip()
    files = {".gitagent/Dockerfile": f"FROM {IMAGE}\nRUN echo {os.urandom(4).hex()}\n".encode()}
    told: list[str] = []
    choice = choose("docker", paths=files, read=files.get, build=False, tell=told.append)
    assert choice.notes == ("an image would be built from .gitagent/Dockerfile",) and told == []
    assert choice.sandbox.identity() == "no image yet"
    with pytest.raises(SandboxError, match="was not built"):
        choice.sandbox.open(lambda directory: None, LIMITS)


def test_arguments_and_a_stage_reach_the_build(api: Any) -> None:
    text = f'FROM {IMAGE} AS test\nARG WORD\nRUN test "$WORD" = said\nFROM test\nRUN false\n'.encode()
    staged = Recipe(
        base="", dockerfile="D", files={"D": text}, why="a test", arguments=(("WORD", "said"),), target="test"
    )
    assert docker_images.ensure(api, staged, pull=False).startswith("sha256:")


def test_a_base_that_is_not_there_is_named(api: Any) -> None:
    gone = Recipe(base="no-such:image", dockerfile="Dockerfile", files={"Dockerfile": b"FROM x"}, why="a test")
    with pytest.raises(SandboxError, match=r"for a test cannot be built: .*no-such:image"):
        docker_images.ensure(api, gone, pull=False)


@pytest.mark.network
def test_a_projects_dependencies_are_installed_once_and_its_tests_run_without_network(api: Any) -> None:
    wheels = sorted(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
    if not wheels:
        pytest.skip("no pip to put into the base image: this Python bundles none")
    # Where the machine's owner trusts an authority of his own, the base image has to as well.
    trusted = os.environ.get("PIP_CERT", "")
    bundle = {"trusted.crt": Path(trusted).read_bytes()} if os.path.isfile(trusted) else {}
    more = "COPY trusted.crt /opt/\nENV PIP_CERT=/opt/trusted.crt\n" if bundle else ""
    with_pip = docker_images.ensure(
        api,
        Recipe(
            base=IMAGE,
            dockerfile="Dockerfile",
            files={
                "Dockerfile": f"FROM {IMAGE}\nCOPY *.whl /opt/\nENV PYTHONPATH=/opt/{wheels[0].name}\n{more}".encode(),
                wheels[0].name: wheels[0].read_bytes(),
                **bundle,
            },
            why="pip",
        ),
        pull=False,
    )
    files = {"requirements.txt": b"six==1.16.0\n", "app.py": b"import six\n", ".env": b"SECRET=1\n"}
    told: list[str] = []

    def chosen() -> Any:
        return choose("docker", paths=files, read=files.get, base=with_pip, pull=False, tell=told.append)

    try:
        first = chosen()
    except SandboxError as error:
        if "No matching distribution" in str(error) or "connection" in str(error).lower():
            pytest.skip(f"no package index can be reached from a build: {str(error)[-300:]}")
        raise
    assert "built from the dependencies in requirements.txt" in first.notes[-1]
    heard = len(told)
    assert heard and chosen().sandbox.identity() == first.sandbox.identity() and len(told) == heard
    with first.sandbox.open(tree({"app.py": "import six\nprint(six.__version__)\n"}), LIMITS) as workspace:
        assert workspace.run(["python3", "app.py"], timeout_seconds=20).output == "1.16.0\n"
        context = workspace.run(["ls", "-A", "/opt/gitagent-environment"], timeout_seconds=20).output
        assert context.split() == ["Dockerfile", "gitagent-dependencies.txt", "requirements.txt"]
        reach = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"
        assert "Network is unreachable" in workspace.run(["python3", "-c", reach], timeout_seconds=20).output
    files["requirements.txt"] = b"six==1.15.0\n"
    assert chosen().sandbox.identity() != first.sandbox.identity()
