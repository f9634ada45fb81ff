import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitagent.adapters.sandboxes import choose, find_python
from gitagent.errors import RequestError, SandboxError
from tests.adapters.sandboxing import IMAGE, bubblewrap_or_skip, docker_or_skip

NEEDS = ("python3", "-c", "import sys")
NEVER = ("python3", "-c", "raise SystemExit('not here')")


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")


@pytest.fixture
def no_bwrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_name_that_is_none_is_answered_with_those_that_are() -> None:
    with pytest.raises(RequestError, match="'dockr' is no sandbox; there are auto, docker, bubblewrap and none"):
        choose("dockr")


def test_none_is_taken_at_its_word_and_noted() -> None:
    choice = choose("none", python=sys.executable)
    assert choice.sandbox.name == "none"
    assert "without a sandbox" in choice.notes[0]


@pytest.mark.usefixtures("no_engine", "no_bwrap")
def test_with_neither_engine_nor_bubblewrap_the_refusal_names_every_choice() -> None:
    with pytest.raises(SandboxError, match="nothing is there to run the tests in") as caught:
        choose("auto", image="some:image", python=sys.executable)
    assert "not docker" in str(caught.value)
    assert "not bubblewrap: bwrap is not installed" in str(caught.value)
    for way in ("docker", "podman", "apt install bubblewrap", "--sandbox none"):
        assert way in caught.value.hint


@pytest.mark.usefixtures("no_engine", "no_bwrap")
def test_what_was_asked_for_by_name_is_not_replaced_by_another() -> None:
    with pytest.raises(SandboxError, match="no container engine answers"):
        choose("docker", image="some:image")
    with pytest.raises(SandboxError, match="bubblewrap does not work here: bwrap is not installed"):
        choose("bubblewrap", python=sys.executable)


def test_docker_without_any_image_says_where_to_set_one() -> None:
    with pytest.raises(SandboxError, match="nothing says which image to use") as caught:
        choose("docker")
    assert "[sandbox]" in caught.value.hint


@pytest.mark.bubblewrap
@pytest.mark.usefixtures("no_engine")
def test_auto_falls_to_bubblewrap_and_says_why() -> None:
    bubblewrap_or_skip()
    choice = choose("auto", image="some:image", python=sys.executable, needs=NEEDS)
    assert choice.sandbox.name == "bubblewrap"
    assert "not docker: no container engine answers" in choice.notes[0]
    assert choose("bubblewrap", python=sys.executable).sandbox.name == "bubblewrap"


@pytest.mark.docker
def test_auto_takes_the_container_when_the_image_is_there() -> None:
    docker_or_skip()
    choice = choose("auto", image=IMAGE, python=sys.executable, needs=NEEDS, pull=False)
    assert (choice.sandbox.name, choice.notes) == ("docker", (f"image {IMAGE}, set under [sandbox]",))
    text = f'{{"image": "{IMAGE}", /* as in the editor */}}'
    assert choose("docker", devcontainer=text).notes == (f"image {IMAGE}, from the devcontainer",)


@pytest.mark.docker
@pytest.mark.parametrize("name", ["docker", "auto"])
def test_a_dockerfile_that_cannot_be_built_is_an_error_with_its_last_lines(name: str) -> None:
    docker_or_skip()
    files = {".gitagent/Dockerfile": f"FROM {IMAGE}\nRUN echo no such luck && false\n".encode()}
    with pytest.raises(SandboxError, match=r"(?s)for \.gitagent/Dockerfile failed:.*no such luck"):
        choose(name, paths=files, read=files.get)


@pytest.mark.docker
@pytest.mark.bubblewrap
def test_auto_passes_over_what_lacks_the_needs_of_the_tests_and_says_so() -> None:
    docker_or_skip()
    bubblewrap_or_skip()
    with pytest.raises(SandboxError, match=r"not docker: what the tests need is not there \(not here\)"):
        choose("auto", image=IMAGE, python=sys.executable, needs=NEVER)


@pytest.mark.docker
@pytest.mark.bubblewrap
def test_an_image_that_is_only_our_guess_is_not_fetched_while_bubblewrap_works() -> None:
    docker_or_skip()
    bubblewrap_or_skip()
    choice = choose("auto", paths=["pom.xml"], python=sys.executable)
    assert choice.sandbox.name == "bubblewrap"
    assert "maven:3-eclipse-temurin-21 is not there, and fetching it was not allowed" in choice.notes[0]


def test_the_container_package_is_imported_only_where_an_engine_may_be() -> None:
    script = (
        "import sys; from gitagent.adapters.sandboxes import choose; choose('none', python=sys.executable); "
        "print('docker' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_the_projects_own_environment_is_found_first(tmp_path: Path) -> None:
    for place in ("active", "repo/.venv"):
        (tmp_path / place / "bin").mkdir(parents=True)
        os.symlink(sys.executable, tmp_path / place / "bin/python3")
    repo = str(tmp_path / "repo")
    active = {"VIRTUAL_ENV": str(tmp_path / "active"), "PATH": ""}
    assert find_python(repo, active) == str(tmp_path / "active/bin/python3")
    assert find_python(repo, {"PATH": ""}) == f"{repo}/.venv/bin/python3"


def test_an_environment_that_came_with_the_repository_is_never_started(tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    hostile = tmp_path / ".venv/bin/python3"
    hostile.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    hostile.chmod(0o755)
    choice = choose("none", repository=str(tmp_path), paths=[".venv/bin/python3"])
    assert choice.sandbox.identity().startswith("none:")
    assert not (tmp_path / "started").exists()


def test_without_one_a_python_on_the_path_that_has_pytest_is_taken_else_our_own(tmp_path: Path) -> None:
    fake = tmp_path / "python3"
    for script, expected in (("echo /bin/sh", "/bin/sh"), ("exit 1", sys.executable)):
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        assert find_python(str(tmp_path), {"PATH": str(tmp_path)}) == expected
    fake.write_text("no script at all")
    assert find_python(str(tmp_path), {"PATH": str(tmp_path)}) == sys.executable
    assert find_python(str(tmp_path), {"PATH": "/nowhere"}) == sys.executable
