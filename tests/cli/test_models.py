"""`gitagent models` against a real HTTP server on this machine."""

import hashlib
import http.server
import json
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitagent.adapters.llama import fitting, store
from gitagent.cli.models import models_command, with_local_model
from gitagent.errors import GitagentError, ModelError, RequestError

gguf_maker = pytest.importorskip("tests.gguf_maker", reason="needs gguf")


class Hub(http.server.ThreadingHTTPServer):
    """Serves one file as the hub does: a redirect that names its sha256, then the bytes, or as many as told."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = content
        self.etag = hashlib.sha256(content).hexdigest()
        self.stop_after = len(content)
        self.claimed = 0
        self.ranges: list[str] = []
        self.status = 0
        self.redirect = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        hub = self.server
        if hub.status:
            self.send_error(hub.status)
            return
        if hub.redirect and "/resolve/" in self.path:
            self.send_response(302)
            self.send_header("X-Linked-Etag", f'"{hub.etag}"')
            self.send_header("Location", f"{hub.url}/blob")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        asked = self.headers.get("Range", "")
        hub.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if start >= len(hub.content):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str((hub.claimed or len(hub.content)) - start))
        self.end_headers()
        self.wfile.write(hub.content[start : hub.stop_after])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bytes(
        gguf_maker.write_model(tmp_path_factory.mktemp("made") / "m.gguf", width=32, heads=2).read_bytes()
    )


@pytest.fixture
def hub(content: bytes) -> Iterator[Hub]:
    server = Hub(content)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITAGENT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("GITAGENT_LOCAL_MODEL", raising=False)
    return tmp_path / "models"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(models_command, list(arguments), catch_exceptions=True)


def pull(hub: Hub, *more: str) -> Result:
    return run("pull", "someone/tiny-GGUF", "tiny.gguf", "--hub", hub.url, *more)


def error_of(result: Result) -> GitagentError:
    assert isinstance(result.exception, GitagentError), result.output
    return result.exception


def test_a_pulled_model_is_checked_listed_and_used(hub: Hub, models: Path, tmp_path: Path) -> None:
    result = pull(hub)
    assert result.exit_code == 0, result.output
    assert "gitagent models use tiny.gguf" in result.output
    assert (models / "tiny.gguf").read_bytes() == hub.content
    assert run("use", "tiny").exit_code == 0
    config = tomllib.loads((tmp_path / "config/gitagent/config.toml").read_text())
    assert config == {"local": {"model": str(models / "tiny.gguf")}}
    listed = run("list").output
    assert listed.startswith("* tiny.gguf")
    assert "someone/tiny-GGUF" in listed
    (row,) = json.loads(run("list", "--json").output)
    assert row["sha256"] == hub.etag
    assert row["used"] is True


def test_an_interrupted_pull_leaves_no_model_and_goes_on_where_it_stopped(hub: Hub, models: Path) -> None:
    hub.stop_after = 1000
    error = error_of(pull(hub))
    assert "1,000 bytes are kept" in str(error)
    assert not (models / "tiny.gguf").exists()
    hub.stop_after = len(hub.content)
    assert pull(hub).exit_code == 0
    assert hub.ranges == ["", "bytes=1000-"]
    assert (models / "tiny.gguf").read_bytes() == hub.content


def test_a_pull_that_had_fetched_everything_only_checks_it(hub: Hub, models: Path) -> None:
    models.mkdir()
    (models / "tiny.gguf.part").write_bytes(hub.content)
    assert pull(hub).exit_code == 0
    assert (models / "tiny.gguf").read_bytes() == hub.content


def test_a_wrong_checksum_throws_the_file_away(hub: Hub, models: Path) -> None:
    error = error_of(pull(hub, "--sha256", "0" * 64))
    assert "expected " + "0" * 64 in str(error)
    assert list(models.iterdir()) == []
    hub.etag = "1" * 64
    assert "thrown away" in str(error_of(pull(hub)))
    assert list(models.iterdir()) == []


def test_a_model_larger_than_the_disk_has_room_for_is_refused_before_a_byte_of_it_is_written(
    hub: Hub, models: Path
) -> None:
    hub.claimed = 2**62
    error = error_of(pull(hub))
    assert "4,611,686,018,427,387,904 bytes are to come" in str(error)
    assert "GITAGENT_MODELS" in error.hint
    assert list(models.iterdir()) == []


def test_what_is_no_model_is_not_kept_under_a_models_name(hub: Hub, models: Path) -> None:
    hub.content = b"<html>not here</html>"
    hub.etag = hashlib.sha256(hub.content).hexdigest()
    assert "not a GGUF file" in str(error_of(pull(hub)))
    assert list(models.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "told", "hint"),
    [(404, "no such file", "models list"), (401, "wants a token", "HF_TOKEN"), (503, "answered 503", "")],
)
def test_what_the_server_refuses_is_told_in_a_line(
    hub: Hub, models: Path, status: int, told: str, hint: str
) -> None:
    hub.status = status
    error = error_of(pull(hub))
    assert told in str(error)
    assert hint in error.hint
    assert list(models.glob("*")) == []


def test_offline_the_error_says_what_to_do(hub: Hub, models: Path) -> None:
    result = run("pull", "someone/tiny", "tiny.gguf", "--hub", "http://127.0.0.1:9")
    assert "127.0.0.1:9 cannot be reached" in str(error_of(result))
    assert "put a .gguf file into" in error_of(result).hint


@pytest.mark.parametrize(("repository", "file"), [("../x", "a.gguf"), ("a/b", "../../a.gguf"), ("a/b", "a.bin")])
def test_names_that_lead_elsewhere_are_refused_before_anything_is_asked(
    hub: Hub, models: Path, repository: str, file: str
) -> None:
    assert "expected OWNER/NAME" in str(error_of(run("pull", repository, file, "--hub", hub.url)))
    assert hub.ranges == []


def test_a_model_that_is_there_is_not_fetched_again(hub: Hub, models: Path) -> None:
    pull(hub)
    assert pull(hub).exit_code == 0
    assert hub.ranges == [""]


def test_a_file_without_a_checksum_from_the_server_is_taken_as_it_is(hub: Hub, models: Path) -> None:
    hub.redirect = False
    assert pull(hub).exit_code == 0
    (kept,) = store.kept(models)
    assert kept.sha256 == hashlib.sha256(hub.content).hexdigest()


def test_doctor_says_what_fits_and_what_is_wrong_with_each_model(content: bytes, models: Path) -> None:
    models.mkdir()
    (models / "good.gguf").write_bytes(content)
    (models / "cut.gguf").write_bytes(content[: len(content) // 2])
    output = run("doctor").output
    assert "1.5B in four bits" in output
    assert "good.gguf: fits" in output
    assert "cut.gguf: this GGUF file is cut off" in output
    assert "no model is chosen" in output


def test_an_unknown_or_ambiguous_name_is_an_error(content: bytes, models: Path) -> None:
    assert "no such model" in str(error_of(run("use", "nothing")))
    models.mkdir()
    (models / "tiny-a.gguf").write_bytes(content)
    (models / "tiny-b.gguf").write_bytes(content)
    assert "tiny-a.gguf, tiny-b.gguf" in str(error_of(run("use", "tiny")))
    assert store.named(models, "tiny-a").name == "tiny-a.gguf"
    assert "no models in" not in run("list").output


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[local]\n",
        "[local] # mine\nmodel = 'old'\nwindow = 2048\n",
        "# notes\n[api]\nmodel = 'x'\n",
        "[api]\nmodel = 'x'\n\n[local]\nthreads = 2\n\n[run]\nminutes = 3",
    ],
)
def test_choosing_a_model_changes_nothing_else_in_the_settings(text: str) -> None:
    wanted = tomllib.loads(text)
    wanted.setdefault("local", {})["model"] = '/m/ü "q".gguf'
    new = with_local_model(text, '/m/ü "q".gguf')
    assert tomllib.loads(new) == wanted
    assert [line for line in text.split("\n") if "#" in line] == [line for line in new.split("\n") if "#" in line]


@pytest.mark.parametrize("text", ["local.model = 'a'\n", "local = { window = 1 }\n", "[local\n"])
def test_settings_that_cannot_be_edited_safely_are_left_alone(text: str) -> None:
    with pytest.raises(RequestError, match="not touched"):
        with_local_model(text, "/m.gguf")


def test_what_fits_follows_from_weights_cache_and_memory() -> None:
    gigabyte = 2**30
    assert fitting.fit(gigabyte, 28 * 1024, 4096, 8 * gigabyte).verdict == "fits"
    assert "slowly" in fitting.fit(9 * gigabyte, 28 * 1024, 4096, 8 * gigabyte).verdict
    assert fitting.fit(gigabyte, 2**20, 32768, 8 * gigabyte).verdict == "too large"
    assert fitting.fit(gigabyte, 1, 1, 0).verdict == "unknown memory"
    assert fitting.available_bytes() > 0


def test_no_model_at_all_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="no such model"):
        store.named(Path("/nowhere"), "x")
