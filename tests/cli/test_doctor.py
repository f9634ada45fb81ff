"""`gitagent doctor` on real repositories."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitagent.cli import main
from tests.proofs import lean_python
from tests.scripted_server import ScriptedServer
from tests.server_kinds import llama_server

Git = Callable[..., str]
TESTS = {"test_x.py": "def test_x():\n    pass\n"}


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITAGENT_LOCAL_MODEL", "GITAGENT_API_BASE_URL", "GITAGENT_API_MODEL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITAGENT_SANDBOX_BACKEND", "none")
    monkeypatch.setenv("GITAGENT_SANDBOX_PYTHON", lean_python())


def checks(repo: Path, *, code: int = 0) -> Mapping[str, Mapping[str, str]]:
    done = CliRunner().invoke(main, ["doctor", "--repo", str(repo), "--json"])
    assert done.exit_code == code, done.output
    return {check["name"]: check for check in json.loads(done.output)}


@pytest.fixture
def tested(repo: Path, git: Git) -> Path:
    for path, text in TESTS.items():
        (repo / path).write_text(text)
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "tests")
    return repo


def test_a_repository_with_tests_is_ready_and_what_is_optional_says_how_to_get_it(tested: Path) -> None:
    found = checks(tested)
    assert [name for name, check in found.items() if check["state"] == "missing"] == []
    assert found["repository"]["says"].startswith(f"{tested}, main at ")
    assert "pytest" in found["tests"]["says"] and found["sandbox"]["says"].startswith("none, none:sha256:")
    assert found["endpoint"]["state"] == "optional" and "GITAGENT_API_BASE_URL" in found["endpoint"]["mend"]
    assert found["local"]["mend"] and found["forge"]["says"].endswith("gitagent pr list")
    shown = CliRunner().invoke(main, ["doctor", "--repo", str(tested)]).output
    assert "ok      repository" in shown and "mend: export GITAGENT_API_BASE_URL" in shown


def test_a_directory_without_a_repository_is_not_ready(tmp_path: Path) -> None:
    found = checks(tmp_path, code=1)
    assert found["repository"]["state"] == "missing" and found["repository"]["mend"] == "git init, or --repo DIR"


def test_without_tests_or_with_an_engine_that_is_down_it_is_not_ready(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITAGENT_SANDBOX_BACKEND", "docker")
    monkeypatch.setenv("GITAGENT_SANDBOX_IMAGE", "x:1")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    found = checks(repo, code=1)
    assert found["tests"]["state"] == found["sandbox"]["state"] == "missing"
    assert "--test-command" in found["tests"]["mend"] and "docker" in found["sandbox"]["mend"]


def test_a_model_that_is_no_file_and_half_an_endpoint_are_named(
    tested: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITAGENT_LOCAL_MODEL", str(tested / "none.gguf"))
    monkeypatch.setenv("GITAGENT_API_MODEL", "m")
    found = checks(tested, code=1)
    assert found["local"]["state"] == "missing"
    assert "api.base_url is not set" in found["api"]["says"]
    assert found["api"]["mend"] == "export GITAGENT_API_BASE_URL=…"


def test_an_endpoint_that_is_set_is_named_without_its_key(tested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITAGENT_API_MODEL", "m")
    monkeypatch.setenv("GITAGENT_API_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("GITAGENT_API_KEY", "sk-very-secret")
    found = checks(tested)
    assert found["endpoint"]["says"] == "m at http://127.0.0.1:9/v1, a key is set"
    assert "sk-very" not in json.dumps(found)


def test_a_local_model_is_named_with_its_size(tested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llama_cpp", reason="needs the extra `local`")
    (tested / "m.gguf").write_bytes(b"GGUF" + bytes(2**20))
    monkeypatch.setenv("GITAGENT_LOCAL_MODEL", str(tested / "m.gguf"))
    assert "1 MiB, window 4096" in checks(tested)["local"]["says"]


def test_a_hosting_site_is_named_and_so_is_a_missing_token(
    tested: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tested, "remote", "add", "origin", "https://github.com/o/n.git")
    monkeypatch.setenv("GITHUB_TOKEN", "t")
    assert checks(tested)["forge"]["says"].startswith("github")
    for name in ("GITHUB_TOKEN", "GH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")  # where no `gh` can tell one
    assert checks(tested, code=1)["forge"]["mend"] == "export GITHUB_TOKEN=…, or gh auth login"


def test_the_interpreter_of_the_tests_is_named(tested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITAGENT_SANDBOX_PYTHON", sys.executable)
    assert checks(tested)["interpreter"]["says"].startswith(sys.executable)


def test_a_probe_shows_what_the_endpoint_can_do_and_later_it_is_known_without_one(
    tested: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(["yes"], playing=llama_server()) as server:
        monkeypatch.setenv("GITAGENT_API_MODEL", "scripted")
        monkeypatch.setenv("GITAGENT_API_BASE_URL", server.url)
        assert checks(tested)["endpoint"]["mend"].startswith("gitagent doctor --probe") and not server.asked
        shown = CliRunner().invoke(main, ["doctor", "--repo", str(tested), "--probe"]).output
        asked = len(server.asked)
        assert "server                    llama-server b8681" in shown and "yes, as `grammar`" in shown
        table = checks(tested)["endpoint"]["table"]
        assert len(server.asked) == asked
    assert table["context length"] == "2,048 tokens" and "tokens" in table["probed"]  # type: ignore[index]


def test_an_endpoint_that_does_not_answer_a_probe_is_missing(
    tested: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITAGENT_API_MODEL", "m")
    monkeypatch.setenv("GITAGENT_API_BASE_URL", "http://127.0.0.1:9/v1")
    done = CliRunner().invoke(main, ["doctor", "--repo", str(tested), "--probe"])
    assert done.exit_code == 1 and "MISSING endpoint" in done.output and "nothing answers at" in done.output
